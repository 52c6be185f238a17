"""`ferturb serve`: prediction over HTTP for other programs, without the page.

    POST /v1/predict    an image file as the body; its faces, as `ferturb predict --json` has them,
                        but for the file's name
    GET  /v1/models     what there is to choose from
    GET  /openapi.json  this, for machines; GET /docs for people

It is bounded as the page is (`ferturb.web.server`): size of an upload, questions at once and
waiting, time to arrive, requests from other websites refused. It keeps, writes and logs nothing of
what it is given. There are no accounts: before others can reach it, put a server with TLS and
authentication in front.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

import ferturb
from ferturb.base.config import choose
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.predict.detection import make_detector
from ferturb.predict.predictor import Predictor
from ferturb.predict.prior import PRIORS, prior_of
from ferturb.predict.shipped import NAMES, PretrainedModel
from ferturb.web.answers import MOST_FACES, UPLOAD, at_most
from ferturb.web.guard import Guard, Queue, RefusedError, further_names, require_host
from ferturb.web.listening import HOST, run
from ferturb.web.server import REFUSALS, available, image_body, refused

PORT = 7861
HEADS = ("votes", "label")
OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "model": ("one of GET /v1/models; the first one if left out", {"type": "string"}),
    "head": (
        "votes: which share of ten people would say so; label: FER2013's label",
        {"type": "string", "enum": list(HEADS)},
    ),
    "prior": (
        f"how frequent the emotions are: {', '.join(PRIORS)}, or seven numbers with commas "
        f"({', '.join(EMOTIONS)})",
        {"type": "string"},
    ),
    "threshold": (
        "how probable an emotion has to be to be an answer; the model's own if left out",
        {"type": "number", "minimum": 0, "maximum": 1},
    ),
    "cropped": ("1: the image is one face already", {"type": "string", "enum": ["0", "1"]}),
}
"""Query parameters of POST /v1/predict, what they are, and their schema."""
KINDS = ("image/*", "application/octet-stream")
"""Content types of an image."""
FILE = {"type": "string", "format": "binary"}
"""A file's bytes, as a schema."""
REFUSED = {
    "400": "what can't be read or understood",
    "403": "another website, or another name",
    "408": "too slow",
    "413": f"over {UPLOAD.bytes / 2**20:.0f} MiB",
    "415": "no image",
    "503": "busy; try again",
}
"""Status -> what was refused."""


def create_api(
    models: Mapping[str, PretrainedModel],
    host: str = HOST,
    threads: int | None = None,
    allowed: Collection[str] = (),
) -> Starlette:
    """The API as an ASGI application; the first model is the one that answers if none is named.

    `allowed`: names besides `host` by which it may be asked. None of either, and what is no name,
    raise `FerturbError`.
    """
    require_host(host)
    allowed = further_names(allowed)
    if not models:
        raise FerturbError("the server needs a model; give a name, an ONNX file or a run folder")
    app = Starlette(
        routes=[
            Route("/", lambda request: RedirectResponse("/docs")),
            Route("/docs", lambda request: HTMLResponse(page(models))),
            Route("/docs.css", lambda request: Response(STYLE, media_type="text/css")),
            Route("/openapi.json", lambda request: JSONResponse(described(models))),
            Route("/v1/models", lambda request: JSONResponse({"models": listed(models)})),
            Route("/v1/predict", _predict, methods=["POST"]),
        ],
        middleware=[Middleware(Guard, host=host, allowed=allowed)],
        exception_handlers=dict.fromkeys(REFUSALS, refused),
    )
    first = next(iter(models.values()))
    predictor = Predictor(
        first,
        at_most(make_detector("centerface", threads), MOST_FACES),
        threads=threads,
        limits=UPLOAD,
    )
    _ = predictor.finder  # opened once, before it is copied
    app.state.models, app.state.predictor, app.state.queue = dict(models), predictor, Queue()
    return app


def serve_api(
    model: str | Path | PretrainedModel = "clean",
    host: str = HOST,
    port: int = PORT,
    on_ready: Callable[[str], None] = lambda address: None,
    threads: int | None = None,
    allowed: Collection[str] = (),
) -> None:
    """Serve the API until it is interrupted. `on_ready` is told its address; `allowed` are names
    besides `host` by which it may be asked.

    A port that is taken, or a host that isn't this machine, raises `FerturbError`.
    """
    run(create_api(available(model, threads), host, threads, allowed), host, port, on_ready)


def listed(models: Mapping[str, PretrainedModel]) -> list[dict[str, Any]]:
    """What is known of each model."""
    return [
        {
            "name": name,
            "purpose": NAMES.get(name, "yours"),
            "heads": list(model.about.heads),
            "threshold": round(model.about.abstain_below, 4),
            "prior": list(model.about.prior),
        }
        for name, model in models.items()
    ]


async def _predict(request: Request) -> Response:
    asked = dict(request.query_params)
    for name in asked:
        choose("parameter", name, OPTIONS)
    data = await image_body(request)
    queue, state = request.app.state.queue, request.app.state
    async with queue.take_slot():
        work = partial(answer, state.models, state.predictor, data, asked)
        return JSONResponse(await queue.work(work))


def answer(
    models: Mapping[str, PretrainedModel],
    predictor: Predictor,
    data: bytes,
    asked: Mapping[str, str],
) -> dict[str, Any]:
    """The faces in a file's bytes, as `ferturb predict --json` has them but for the file's name.
    What can't be read or understood raises `FerturbError`."""
    model = choose("model", asked.get("model", next(iter(models))), models)
    if "head" in asked:
        model = model.with_head(asked["head"])
    if "prior" in asked:
        model = model.with_prior(prior_of(asked["prior"].split(",")))
    if "threshold" in asked:
        model = model.with_threshold(_number("threshold", asked["threshold"]))
    cropped = asked.get("cropped", "0")
    if cropped not in ("0", "1"):
        raise RefusedError(400, f"cropped must be 0 or 1, got {cropped!r}")
    own = copy.copy(predictor)
    own.model = model
    said = own.predict(data, cropped == "1")[0].to_dict()
    return {key: value for key, value in said.items() if key != "name"}


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RefusedError(400, f"{name} must be a number, got {text[:40]!r}") from None


def described(models: Mapping[str, PretrainedModel]) -> dict[str, Any]:
    """The API as OpenAPI 3.1."""
    number, word = {"type": "number"}, {"type": "string"}
    numbers = {"type": "object", "additionalProperties": number}
    face = {
        "face": {"type": "integer", "minimum": 1, "description": "its number"},
        "box": {"type": "array", "items": number, "description": "left, top, right, bottom"},
        "score": number,
        "emotion": {"type": ["string", "null"], "description": "null: it doesn't know"},
        "most_probable": word,
        "confidence": number,
        "probabilities": numbers,
        "landmark_confidence": number,
        "hidden": {"type": ["object", "null"], "additionalProperties": number},
    }
    found = {
        "model": word,
        "head": word,
        "version": {"type": "string", "description": "ferturb's"},
        "threshold": {"type": "number", "description": "below it an emotion is null"},
        "size": {"type": "array", "items": {"type": "integer"}, "description": "width, height"},
        "faces": _each(face),
    }
    model = {
        "name": word,
        "purpose": word,
        "heads": {"type": "array", "items": word},
        "threshold": number,
        "prior": {"type": "array", "items": number, "description": ", ".join(EMOTIONS)},
    }
    parameters = [
        {"name": name, "in": "query", "description": said, "schema": schema}
        for name, (said, schema) in OPTIONS.items()
    ]
    parameters[0]["schema"] = {"type": "string", "enum": list(models)}
    predict = {
        "summary": "The faces in an image, and the emotions they show",
        "parameters": parameters,
        "requestBody": {"required": True, "content": {kind: {"schema": FILE} for kind in KINDS}},
        "responses": {"200": _answered("the faces, numbered as one reads", found)}
        | {status: _answered(said, {"error": word}) for status, said in REFUSED.items()},
    }
    models_of = {
        "summary": "What there is to choose from",
        "responses": {"200": _answered("the models", {"models": _each(model)})},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ferturb",
            "version": ferturb.__version__,
            "description": "Which emotions faces show. Expressions are not feelings.",
        },
        "paths": {"/v1/predict": {"post": predict}, "/v1/models": {"get": models_of}},
    }


def _answered(said: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "description": said,
        "content": {"application/json": {"schema": _object(properties)}},
    }


def _each(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": _object(properties)}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object that has all of these."""
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
pre { padding: 0.75rem; overflow-x: auto; border: 1px solid; border-radius: 0.4rem; }
dt { font-family: ui-monospace, monospace; } dd { margin: 0 0 0.5rem 1.5rem; }
"""


def page(models: Mapping[str, PretrainedModel]) -> str:
    """The API in words, made from its description."""
    parts = []
    for path, methods in described(models)["paths"].items():
        for method, what in methods.items():
            parts.append(
                f"<h2><code>{method.upper()} {path}</code></h2><p>{escape(what['summary'])}.</p>"
            )
            options = what.get("parameters", [])
            rows = "".join(_option(option) for option in options)
            parts.append(f"<dl>{rows}</dl>" if rows else "")
            codes = "".join(
                f"<dt>{status}</dt><dd>{escape(said['description'])}</dd>"
                for status, said in what["responses"].items()
            )
            parts.append(f"<dl>{codes}</dl>")
    example = (
        "curl -H 'Content-Type: image/jpeg' --data-binary @photo.jpg 'http://HOST:PORT/v1/predict'"
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>ferturb</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="/docs.css"><body><h1>ferturb</h1>'
        "<p>Which emotions faces show. What you send stays here, and nothing of it is kept.</p>"
        f"<pre>{escape(example)}</pre>{''.join(parts)}"
        '<p><a href="/openapi.json">openapi.json</a></p>'
    )


def _option(option: Mapping[str, Any]) -> str:
    some = option["schema"].get("enum", [])
    choices = f" ({', '.join(some)})" if some else ""
    return f"<dt>{option['name']}{escape(choices)}</dt><dd>{escape(option['description'])}</dd>"
