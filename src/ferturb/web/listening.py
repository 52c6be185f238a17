"""Where a server listens, and how uvicorn runs it."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette

from ferturb.base.errors import FerturbError
from ferturb.web.connections import Connection

HOST = "127.0.0.1"


def run(app: Starlette, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Listen until it is interrupted; `on_ready` is told the address."""
    listening = _listening(host, port)
    shown = f"[{host}]" if ":" in host else {"0.0.0.0": HOST}.get(host, host)
    logging.getLogger("uvicorn.error").addFilter(_without_tracebacks)
    on_ready(f"http://{shown}:{listening.getsockname()[1]}/")
    with listening, contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(server_config(app)).run(sockets=[listening])


def server_config(app: Starlette) -> uvicorn.Config:
    """How uvicorn serves the page."""
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="error",
        server_header=False,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=16 * 2**10,
    )


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(sys.platform != "win32"))
    try:
        found.bind((host, port))
    except (OSError, OverflowError, TypeError, ValueError) as error:
        found.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise FerturbError(
            f"can't listen on {host} port {port}: {reason}; give another --host or --port"
        ) from error
    return found


def _without_tracebacks(record: logging.LogRecord) -> bool:
    """Keeps what a request held out of the log: a traceback may quote it."""
    record.exc_info = None
    return True
