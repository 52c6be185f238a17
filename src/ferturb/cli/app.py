"""The verb `ferturb app`: the web page."""

from __future__ import annotations

from ferturb.base.checks import require_whole


def app(
    *,
    model: str = "clean",
    host: str = "127.0.0.1",
    port: int = 7860,
    no_browser: bool = False,
    threads: int | None = None,
) -> None:
    """Open a web page: drop a picture, see the emotion, switch features off, watch it change.

    Pictures stay on this machine. Needs the extra `app`.

    Example: ferturb app --port 8000

    Args:
        model: The model to start with: `clean`, `robust` or `tiny`, an ONNX file, or a run folder.
        host: The address to listen on; 0.0.0.0 lets the whole network in, without a password.
        port: The port to listen on; 0 takes a free one.
        no_browser: Don't open a browser.
        threads: Threads of onnxruntime (default: all cores).
    """
    from ferturb.cli import terminal
    from ferturb.cli.predict import opened
    from ferturb.predict.onnx_session import MOST_THREADS
    from ferturb.web.server import serve

    require_whole("port", port, 0, 65535)
    if threads is not None:
        require_whole("threads", threads, 1, MOST_THREADS)
    serve(
        opened(model),
        host,
        port,
        browser=not no_browser,
        on_ready=lambda address: terminal.facts({"page": address, "to stop": "Ctrl-C"}),
        threads=threads,
    )
