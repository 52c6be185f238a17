"""What the web page lets in: its own page's requests, of bounded size, a few at a time.

- *DNS rebinding*: a foreign website can give its own name the address 127.0.0.1, and then talk
  to a local server as if it were its own. The Host header shows the foreign name; only known
  names, those that are allowed, and plain addresses are answered.
- *Cross-site requests*: a browser says where a request comes from (Origin, Sec-Fetch-Site); only
  the page itself is answered, and it can't be framed.
- *Nothing from outside*: the Content-Security-Policy lets the page load its own files alone.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ferturb.base.errors import FerturbError
from ferturb.base.threads import usable_cores

HEADERS: dict[str, str] = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""On every answer."""
AT_ONCE = max(2, usable_cores())
"""Questions that are worked on at the same time; each takes about one core."""
SLOTS = 4 * AT_ONCE
"""Questions that have arrived and wait their turn, at most; the others are told to come back."""
PATIENCE = 60.0
"""Seconds a question may take to arrive."""
SILENCE = 10.0
"""Seconds between two parts of it at most."""
ROOM = 256 * 2**20
"""Bytes of questions that are arriving, at most; the largest one makes room."""


class RefusedError(Exception):
    """A request that isn't answered: an HTTP status and one line."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason

    def response(self) -> JSONResponse:
        """As JSON."""
        again = {"Retry-After": "1"} if self.status == 503 else None
        return JSONResponse({"error": self.reason}, self.status, headers=again)


class Guard:
    """ASGI middleware: checks where a request comes from, and puts `HEADERS` on every answer."""

    def __init__(
        self, app: ASGIApp, host: str = "127.0.0.1", allowed: Collection[str] = frozenset()
    ) -> None:
        """`host`: the address or name the server listens on; `allowed`: its `further_names`."""
        self.app, self.host, self.allowed = app, host, allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; what isn't HTTP is not answered."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        try:
            check_source(Headers(scope=scope), self.host, self.allowed)
        except RefusedError as refused:
            await refused.response()(scope, receive, with_headers)
            return
        await self.app(scope, receive, with_headers)


def further_names(hosts: Collection[str]) -> frozenset[str]:
    """Names of hosts in lower case; one with a port, a path or a wildcard raises `FerturbError`."""
    for host in hosts:
        if not re.fullmatch(r"[a-zA-Z0-9_.-]+", host):
            raise FerturbError(
                "--allow-host takes the name of a host such as faces.example, without http://, a "
                f"port, a path or *, got {host!r:.60}"
            )
    return frozenset(host.lower() for host in hosts)


def require_host(host: str) -> None:
    """Raise `FerturbError` for an empty host, which a socket takes for every address there is."""
    if not host:
        raise FerturbError(
            "--host takes an address or a name, got ''; give 127.0.0.1 for this machine alone, or "
            "0.0.0.0 for the whole network"
        )


def check_source(
    headers: Mapping[str, str], host: str, allowed: Collection[str] = frozenset()
) -> None:
    """Raise `RefusedError` for a request that is not for this server or not from its own page.

    `host`: what the server listens on; `allowed`: further names of it, in lower case.
    """
    asked = headers.get("host", "")
    if _name(asked) not in allowed and not _is_ours(_name(asked), host):
        raise RefusedError(
            403,
            "this server is not known by the name in the Host header; if it is yours, start the "
            "server with --allow-host NAME",
        )
    origin = headers.get("origin")
    if origin is not None and (not asked or urlsplit(origin).netloc.lower() != asked.lower()):
        raise RefusedError(403, "requests from other websites are refused")
    site, mode = headers.get("sec-fetch-site"), headers.get("sec-fetch-mode")
    if site not in (None, "same-origin", "none") and mode != "navigate":
        raise RefusedError(403, "requests from other websites are refused")


def _name(host: str) -> str:
    """The name or address in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_ours(name: str, host: str) -> bool:
    """A loopback name; for a server open to the network also an address, or the machine's name.

    A plain address can't be rebound: there is no name whose meaning could change.
    """
    address, listening = _address(name), _address(host)
    loopback = host.lower() == "localhost" if listening is None else listening.is_loopback
    if address is not None:
        return address.is_loopback or not loopback
    own = {"localhost", host.lower()}
    if not loopback:
        own |= {socket.gethostname().lower(), f"{socket.gethostname().lower()}.local"}
    return name in own - {""}


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


class Queue:
    """Bounds how many questions are there at once, and how many are worked on.

    A question takes a slot when all of it has arrived: who sends slowly holds nobody up.
    """

    def __init__(self, at_once: int = AT_ONCE, slots: int = SLOTS, room: int = ROOM) -> None:
        self.limiter = anyio.CapacityLimiter(at_once)
        self._free, self._room = slots, room
        self._arriving: dict[anyio.CancelScope, int] = {}

    async def body(self, request: Request, most: int, patience: float = PATIENCE) -> bytes:
        """A request's body; `RefusedError` if it is too long (none of it is kept), too slow, or has
        to make room."""
        with anyio.CancelScope() as scope:
            self._arriving[scope] = 0
            try:
                return await body(request, most, patience, lambda length: self._came(scope, length))
            finally:
                del self._arriving[scope]
        raise RefusedError(503, "busy; try again in a moment")

    def _came(self, scope: anyio.CancelScope, length: int) -> None:
        self._arriving[scope] = length
        if sum(self._arriving.values()) > self._room:
            max(self._arriving, key=lambda one: self._arriving[one]).cancel()

    @asynccontextmanager
    async def take_slot(self) -> AsyncIterator[None]:
        """Hold a slot of the queue; `RefusedError` when there is none."""
        if self._free <= 0:
            raise RefusedError(503, "busy; try again in a moment")
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1

    async def work(self, function: Any, *arguments: Any) -> Any:
        """Call a function in a thread, when it is its turn."""
        return await anyio.to_thread.run_sync(function, *arguments, limiter=self.limiter)


async def body(
    request: Request,
    most: int,
    patience: float = PATIENCE,
    on_part: Callable[[int], None] = lambda length: None,
) -> bytes:
    """A request's body; `RefusedError` if it is too long (none of it is kept) or too slow.

    `on_part` is told the length of what has arrived.
    """
    size = f"{most // 2**20} MiB" if most >= 2**20 else f"{most // 2**10} KiB"
    too_long = RefusedError(413, f"over {size}; make the file smaller")
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > most:
        raise too_long
    parts, length = [], 0
    try:
        with anyio.fail_after(patience) as whole:
            stream, end = request.stream(), whole.deadline
            while True:
                whole.deadline = min(end, anyio.current_time() + SILENCE)
                part = await anext(stream, None)
                if part is None:
                    break
                length += len(part)
                if length > most:
                    raise too_long
                parts.append(part)
                on_part(length)
    except TimeoutError:
        raise RefusedError(408, "the request took too long to arrive") from None
    return b"".join(parts)
