"""The web page for tests: its models, one of them a stand-in, and a server in a thread."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import uvicorn
from starlette.applications import Starlette

from ferturb.predict.shipped import PretrainedModel, load_pretrained
from ferturb.web.listening import server_config


def two_models() -> dict[str, PretrainedModel]:
    """*clean*, and one that is half as sure of everything."""
    clean = load_pretrained("clean", threads=1)

    def unsure(faces: np.ndarray) -> list[np.ndarray]:
        root = np.sqrt(clean.predict_proba(faces))
        return [np.asarray(root / root.sum(1, keepdims=True), np.float32)]

    about = replace(clean.about, name="unsure", others={})
    return {"clean": clean, "unsure": PretrainedModel(about, "stand-in", unsure)}


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """The address at which the application is served."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(server_config(app))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)
