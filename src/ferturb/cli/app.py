"""The verbs `ferturb app`, the web page, and `ferturb serve`, prediction for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import OmitArgPrefixes, UseAppendAction

from ferturb.base.checks import require_whole
from ferturb.base.errors import FerturbError
from ferturb.cli.models import UNSAID, ModelOptions, for_predictor
from ferturb.cli.options import given


@dataclass(frozen=True)
class Listening:
    """Where a server listens, and by which names it is asked."""

    host: str = "127.0.0.1"
    """The address to listen on; 0.0.0.0 lets the whole network in, without a password."""
    allow_host: UseAppendAction[tuple[str, ...]] = ()
    """A further name by which it may be asked: that of a proxy, or of a service in compose or
    Kubernetes. Give the option again for another."""


LOCAL = Listening()
"""This machine alone."""
PORT = 7860


def app(
    *,
    form: OmitArgPrefixes[ModelOptions] = UNSAID,
    model: str = "clean",
    listening: OmitArgPrefixes[Listening] = LOCAL,
    port: int = PORT,
    no_browser: bool = False,
    threads: int | None = None,
    export: Path | None = None,
    runtime: Path | None = None,
) -> None:
    """Open a web page: drop a picture, see the emotion, switch features off, watch it change.

    Pictures stay on this machine. Needs the extra `app`.

    Example: ferturb app --port 8000

    Args:
        form: What a model takes and gives that ferturb didn't make.
        model: The model to start with: `clean`, `robust` or `tiny`, an ONNX file, a run folder, or
            FILE.py:NAME (the file is run).
        listening: Where it listens, and by which names it is asked.
        port: The port to listen on; 0 takes a free one.
        no_browser: Don't open a browser.
        threads: Threads of onnxruntime (default: all cores).
        export: Write the page with `tiny` and `robust` into a new folder: files for any web host.
        runtime: For `--export`: what `npm pack onnxruntime-web` wrote (default: npm fetches it).
    """
    if export is not None:
        others = given(listening, LOCAL) + given(form, UNSAID)
        others += ["--port"] * (port != PORT) + ["--no-browser"] * no_browser
        others += ["--threads"] * (threads is not None)
        if others:
            raise FerturbError(
                f"--export writes files and serves none; leave {', '.join(others)} out"
            )
        _export(export, runtime, model)
        return
    if runtime is not None:
        raise FerturbError("--runtime is for --export FOLDER; give both or neither")
    from ferturb.cli import terminal
    from ferturb.web.server import serve

    _check(listening.host, port, threads)
    serve(
        for_predictor(model, form, threads),
        listening.host,
        port,
        browser=not no_browser,
        on_ready=lambda address: terminal.facts({"page": address, "to stop": "Ctrl-C"}),
        threads=threads,
        allowed=listening.allow_host,
    )


def _export(folder: Path, runtime: Path | None, model: str) -> None:
    from ferturb.cli import terminal
    from ferturb.web.static_page import MODELS, export_page

    if model != "clean":
        raise FerturbError(f"--export takes {' and '.join(MODELS)} along; leave --model out")
    size = sum(export_page(folder, runtime).values())
    terminal.facts(
        {
            "page": f"{folder / 'index.html'}, {size / 1e6:.1f} MB in all",
            "to see it": f"python -m http.server --bind 127.0.0.1 --directory {folder}",
        }
    )


def serve(
    *,
    form: OmitArgPrefixes[ModelOptions] = UNSAID,
    model: str = "clean",
    listening: OmitArgPrefixes[Listening] = LOCAL,
    port: int = 7861,
    threads: int | None = None,
) -> None:
    """Serve prediction over HTTP to other programs: send an image, get its faces as JSON.

    Bounded in size, time and number of requests; nothing of what it is given is kept. Its
    description is at /docs and /openapi.json. Needs the extra `app`.

    Example: ferturb serve --port 8000

    Args:
        form: What a model takes and gives that ferturb didn't make.
        model: The model that answers if none is named: `clean`, `robust` or `tiny`, an ONNX file, a
            run folder, `hf:OWNER/NAME`, or FILE.py:NAME (the file is run).
        listening: Where it listens, and by which names it is asked.
        port: The port to listen on; 0 takes a free one.
        threads: Threads of onnxruntime (default: all cores).
    """
    from ferturb.cli import terminal
    from ferturb.web.rest import serve_api

    _check(listening.host, port, threads)

    def ready(address: str) -> None:
        terminal.facts(
            {"API": f"{address}v1/predict", "docs": f"{address}docs", "to stop": "Ctrl-C"}
        )

    opened = for_predictor(model, form, threads)
    serve_api(opened, listening.host, port, ready, threads, listening.allow_host)


def _check(host: str, port: int, threads: int | None) -> None:
    """`FerturbError` for what can't be, before a model is opened."""
    from ferturb.predict.onnx_session import MOST_THREADS
    from ferturb.web.guard import require_host

    require_host(host)
    require_whole("port", port, 0, 65535)
    if threads is not None:
        require_whole("threads", threads, 1, MOST_THREADS)
