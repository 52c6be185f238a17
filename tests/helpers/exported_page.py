"""The page without a server for tests: written once, and served as plain files."""

from __future__ import annotations

import functools
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ferturb.base.errors import FerturbError
from ferturb.web.runtime import PACKAGE, fetch
from needed_tools import absent

KEPT = Path(__file__).parents[2] / "build"


def runtime() -> Path:
    """onnxruntime-web as npm packs it; fetched once, by npm from its registry."""
    version = PACKAGE.partition("@")[2]
    found = KEPT / f"onnxruntime-web-{version}.tgz"
    if not found.is_file():
        KEPT.mkdir(exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(dir=KEPT) as folder:
                fetch(Path(folder)).replace(found)
        except FerturbError as error:
            absent(str(error))
    return found


class _Quiet(SimpleHTTPRequestHandler):
    def __init__(self, *args: Any, gate: threading.Event | None, **more: Any) -> None:
        self.gate = gate
        super().__init__(*args, **more)

    def do_GET(self) -> None:
        if self.gate is not None and self.path.startswith("/networks/"):
            self.gate.wait(60)
        super().do_GET()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def file_server(folder: Path, gate: threading.Event | None = None) -> Iterator[str]:
    """The address at which a folder's files are served, and nothing else is done; its networks from
    when the gate is opened."""
    handler = functools.partial(_Quiet, directory=str(folder), gate=gate)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
