"""The page without a server for tests: written once, and served as plain files."""

from __future__ import annotations

import functools
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ferturb.base.errors import FerturbError
from ferturb.web.runtime import PACKAGE, fetch

KEPT = Path(__file__).parents[2] / "build"


def runtime() -> Path:
    """onnxruntime-web as npm packs it; fetched once. Without npm and a registry the test skips."""
    version = PACKAGE.partition("@")[2]
    found = KEPT / f"onnxruntime-web-{version}.tgz"
    if not found.is_file():
        KEPT.mkdir(exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(dir=KEPT) as folder:
                fetch(Path(folder)).replace(found)
        except FerturbError as error:
            pytest.skip(str(error))
    return found


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def file_server(folder: Path) -> Iterator[str]:
    """The address at which a folder's files are served, and nothing else is done."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
