"""The web page: `ferturb app`. See what the model sees, switch features off, watch the answer.

    app = create_app({"clean": load_pretrained("clean")})   # an ASGI application
    serve(port=7860)                                        # what `ferturb app` calls

Images stay on the machine: the page loads nothing from elsewhere, the server keeps, writes and
logs nothing of what it is given, and listens on 127.0.0.1 alone unless it is told otherwise.

The page talks to this API; a script may do so too. Answers are JSON; a refusal has a status of
400 or more and ``{"error": "one line"}``. A *face* is 48×48 grey bytes, row by row, as base64. An
*answer* is ``{"probabilities": {emotion: 0 … 1}, "most_probable": emotion, "emotion": emotion or
null}``, null meaning that the model doesn't know.

- ``GET /api/about``: models (name, purpose, ``threshold``, ``people``: whether its
  probabilities are shares of ten people's votes, ``prior``: how frequent the emotions are where
  its probabilities hold), emotions, ``priors`` by name, ``features`` that can be left out, face
  masks that can be ``worn``, ``fills``, limits, and what is known of the attention network (null
  without one).
- ``POST /api/photo?cropped=0&prior=balanced``: an image file as the body (any ``image/*`` type, or
  application/octet-stream; 32 MiB and 120 million pixels at most). ``cropped=1``: the image is one
  face already. Answer: ``size`` and ``faces``, each with ``box`` (left, top, right, bottom),
  ``score``, ``landmark_confidence``, ``hidden`` (feature -> probability, or null), ``face``, and
  ``answers`` by model. The 100 most certain faces at most, as one reads: rows from top to bottom,
  each from left to right.
- ``POST /api/face``: ``{"face", "left_out": [feature …], "worn": kind or null, "fill": "mean",
  "models": [name …]}``. Answer: the altered ``face``, and ``answers`` by model.
- ``POST /api/what-if``: ``{"face", "model", "fill"}``. Answer: ``before``, and ``rows``: an answer
  for each feature left out and each face mask, with ``change`` ("left_out" or "worn"), ``name``
  and the altered ``face``.
- ``POST /api/saliency``: ``{"face", "model"}``. Answer: ``saliency`` by emotion (occlusion: the
  fall of its probability when an 8×8 window is grey; bytes, 255 at the value in ``peaks``).
- ``POST /api/attention``: ``{"face", "clusters": 3}``. Answer: the attention network's
  ``attention`` (bytes) and ``clusters`` (bytes 0 … K−1, the most attended first); both null
  without such a network.

All questions but the last take a ``prior`` as well: a name of ``priors``, or seven numbers above 0
(a list; with commas in an address): the frequencies of emotions for which to answer.

Statuses: 400 for what can't be read or understood, 403 for requests that come from other
websites or by another name, 404, 405, 408 too slow, 413 too large, 415 no image, 503 busy.
"""

from __future__ import annotations

import json
import threading
import webbrowser
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from ferturb.base.errors import FerturbError
from ferturb.base.installation import install
from ferturb.predict.detection import Detector
from ferturb.predict.prior import Prior, prior_of
from ferturb.predict.shipped import NAMES, PretrainedModel, load_pretrained
from ferturb.web.attention import GRAPH

try:
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import FileResponse, JSONResponse, Response
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles
except ModuleNotFoundError as missing:
    raise FerturbError(
        f"the web page needs the package {missing.name}; {install('app')}"
    ) from missing

from ferturb.web.answers import UPLOAD, Answers, unpacked
from ferturb.web.guard import HEADERS, Guard, Queue, RefusedError, further_names, require_host
from ferturb.web.listening import HOST, run

PAGE = Path(__file__).with_name("page")
REFUSALS = (RefusedError, FerturbError, HTTPException, ClientDisconnect, Exception)
QUESTION = 64 * 2**10
"""Bytes of a question in JSON at most."""
PORT = 7860

Ask = Callable[[Answers, Mapping[str, Any]], dict[str, Any]]


def create_app(
    models: Mapping[str, PretrainedModel],
    host: str = HOST,
    detector: str | Detector = "centerface",
    attention: Path = GRAPH,
    threads: int | None = None,
    allowed: Collection[str] = (),
) -> Starlette:
    """The page and its API as an ASGI application; the first model is the one to start with.

    `allowed`: names besides `host` by which it may be asked. An empty host, and what is no name,
    raise `FerturbError`.
    """
    require_host(host)
    allowed = further_names(allowed)
    posted = [Route("/photo", _photo, methods=["POST"])]
    posted += [Route(f"/{n}", _asking(ask), methods=["POST"]) for n, ask in QUESTIONS.items()]
    app = Starlette(
        routes=[
            Route("/", lambda request: FileResponse(PAGE / "index.html")),
            Mount("/api", routes=[Route("/about", _about), *posted]),
            Mount("/", StaticFiles(directory=PAGE)),
        ],
        middleware=[Middleware(Guard, host=host, allowed=allowed)],
        exception_handlers=dict.fromkeys(REFUSALS, refused),
    )
    app.state.answers = Answers(models, detector, attention, threads)
    app.state.queue = Queue()
    return app


async def _about(request: Request) -> Response:
    return JSONResponse(request.app.state.answers.about())


def _media_type(request: Request) -> str:
    """What kind of body a request says it has, in lower case, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def image_body(request: Request) -> bytes:
    """The image file that a request brings; `RefusedError` for another kind, or one too large."""
    kind = _media_type(request)
    if not kind.startswith("image/") and kind != "application/octet-stream":
        raise RefusedError(415, "give an image file, with a Content-Type of image/…")
    data: bytes = await request.app.state.queue.body(request, UPLOAD.bytes)
    return data


async def _photo(request: Request) -> Response:
    cropped = request.query_params.get("cropped", "0")
    if cropped not in ("0", "1"):
        raise RefusedError(400, f"cropped must be 0 or 1, got {cropped!r}")
    asked = request.query_params.get("prior")
    prior = None if asked is None else prior_of(asked.split(","))
    queue, answers = request.app.state.queue, request.app.state.answers
    data = await image_body(request)
    async with queue.take_slot():
        return JSONResponse(await queue.work(answers.photo, data, cropped == "1", prior))


def _asking(ask: Ask) -> Callable[[Request], Awaitable[Response]]:
    """What answers one of `QUESTIONS`."""

    async def answer(request: Request) -> Response:
        if _media_type(request) != "application/json":
            raise RefusedError(415, "give JSON, with the Content-Type application/json")
        queue = request.app.state.queue
        question = _question(await queue.body(request, QUESTION))
        async with queue.take_slot():
            return JSONResponse(await queue.work(ask, request.app.state.answers, question))

    return answer


def _ask_face(answers: Answers, q: Mapping[str, Any]) -> dict[str, Any]:
    models = _names(q, "models", [next(iter(answers.models))])
    left_out = _names(q, "left_out", [])
    worn = None if q.get("worn") is None else _word(q, "worn", "")
    fill = _word(q, "fill", "mean")
    return answers.face(unpacked(q.get("face")), models, left_out, worn, fill, _prior(q))


def _ask_what_if(answers: Answers, q: Mapping[str, Any]) -> dict[str, Any]:
    model = _word(q, "model", next(iter(answers.models)))
    face, fill = unpacked(q.get("face")), _word(q, "fill", "mean")
    return answers.what_if(face, model, fill, _prior(q))


def _ask_saliency(answers: Answers, q: Mapping[str, Any]) -> dict[str, Any]:
    model = _word(q, "model", next(iter(answers.models)))
    return answers.saliency(unpacked(q.get("face")), model, _prior(q))


def _ask_attention(answers: Answers, q: Mapping[str, Any]) -> dict[str, Any]:
    clusters = q.get("clusters", 3)
    if not isinstance(clusters, int) or isinstance(clusters, bool):
        raise FerturbError(f'"clusters" must be a whole number, got {str(clusters)[:40]!r}')
    return answers.attention(unpacked(q.get("face")), clusters)


QUESTIONS: dict[str, Ask] = {
    "face": _ask_face,
    "what-if": _ask_what_if,
    "saliency": _ask_saliency,
    "attention": _ask_attention,
}
"""What can be asked of a face."""


def _question(data: bytes) -> Mapping[str, Any]:
    try:
        question = json.loads(data)
    except (ValueError, RecursionError):
        question = None
    if not isinstance(question, dict):
        raise FerturbError("give a JSON object; the API is described in ferturb.web.server")
    return question


def _word(q: Mapping[str, Any], key: str, default: str) -> str:
    value = q.get(key, default)
    if not isinstance(value, str) or len(value) > 200:
        raise FerturbError(f'"{key}" must be a word')
    return value


def _prior(q: Mapping[str, Any]) -> Prior | None:
    """What is no prior is said where it is used."""
    value = q.get("prior")
    if isinstance(value, list):
        return prior_of([str(v)[:40] for v in value[:50]])
    return None if value is None else _word(q, "prior", "")


def _names(q: Mapping[str, Any], key: str, default: list[str]) -> list[str]:
    value = q.get(key, default)
    fits = isinstance(value, list) and len(value) <= 50
    if not fits or not all(isinstance(v, str) and len(v) <= 200 for v in value):
        raise FerturbError(f'"{key}" must be a list of words')
    return list(dict.fromkeys(value))


async def refused(request: Request, error: Exception) -> Response:
    """What a request is told that isn't answered."""
    response = _refusal(error)
    response.headers.update(HEADERS)  # the guard does not see what Starlette answers for it
    return response


def _refusal(error: Exception) -> Response:
    if isinstance(error, RefusedError):
        return error.response()
    if isinstance(error, FerturbError):
        return JSONResponse({"error": str(error)}, 400)
    if isinstance(error, HTTPException):
        shown = {"error": error.detail.lower()}
        return JSONResponse(shown, error.status_code, headers=error.headers)
    if isinstance(error, ClientDisconnect):
        return Response(status_code=499)
    return JSONResponse({"error": "something went wrong in the server"}, 500)


def available(
    model: str | Path | PretrainedModel, threads: int | None = None
) -> dict[str, PretrainedModel]:
    """The model to start with, and every pretrained model that this version comes with."""
    if isinstance(model, PretrainedModel):
        found = {model.name: model}
    else:
        first = load_pretrained(model, threads)
        foreign = str(model) not in NAMES and first.name in NAMES  # an export of *clean*, say
        found = {Path(model).name if foreign else first.name: first}
    for name in NAMES:
        if name not in found:
            try:
                found[name] = load_pretrained(name, threads)
            except FerturbError:
                continue
    return found


def serve(
    model: str | Path | PretrainedModel = "clean",
    host: str = HOST,
    port: int = PORT,
    browser: bool = True,
    on_ready: Callable[[str], None] = lambda address: None,
    threads: int | None = None,
    allowed: Collection[str] = (),
) -> None:
    """Serve the page until it is interrupted. `on_ready` is told its address; `allowed` are names
    besides `host` by which it may be asked.

    A port that is taken, or a host that isn't this machine, raises `FerturbError`.
    """
    app = create_app(available(model, threads), host, threads=threads, allowed=allowed)

    def ready(address: str) -> None:
        threading.Thread(target=app.state.answers.warm, daemon=True).start()
        on_ready(address)
        if browser:
            threading.Timer(0.3, webbrowser.open, [address]).start()

    run(app, host, port, ready)
