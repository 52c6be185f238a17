"""Connections that may not wait forever: what the web page does with slow and silent clients.

uvicorn alone waits without end for the headers of a request, and for a client that does not read
its answer; with a bound on connections a few dozen such clients shut everyone else out. Here
headers have a time to arrive and answers one to be taken, and when there are too many connections
the one that has waited longest without a whole question makes room.
"""

from __future__ import annotations

import asyncio
import json

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ferturb.web.guard import HEADERS

MOST = 128
"""Connections at most."""
HEADER_PATIENCE = 10.0
"""Seconds that the headers of a request may take to arrive."""
ANSWER_PATIENCE = 30.0
"""Seconds in which a client has to take some of its answer."""
_EVERY = 1.0


class Connection(H11Protocol):
    """One client's connection: uvicorn's, with an end to waiting."""

    def connection_made(  # type: ignore[override]  # as uvicorn's
        self, transport: asyncio.Transport
    ) -> None:
        """Begin to wait for a request; where there are too many connections, one makes room."""
        super().connection_made(transport)
        self.since = self._moved = self.loop.time()
        self._unsent = 0
        self._watching = self.loop.call_later(_EVERY, self._watch)
        others = [one for one in self.connections if isinstance(one, Connection) and one.is_open]
        waiting = [one for one in others if one.is_waiting and one is not self]
        if len(others) > MOST and waiting:
            min(waiting, key=lambda one: one.since).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        self._watching.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A request's time begins with its first byte, also on a connection that had one before."""
        if self.timeout_keep_alive_task is not None:
            self.since = self.loop.time()
        super().data_received(data)

    @property
    def is_open(self) -> bool:
        """Whether it has not been ended."""
        return not self.transport.is_closing()

    @property
    def is_waiting(self) -> bool:
        """Whether no request has come, or not all of it."""
        return not self._has_request or self.cycle.more_body

    @property
    def _has_request(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP gets an answer with the page's headers, and the connection ends."""
        self._end(400, "the request is not HTTP")

    def _watch(self) -> None:
        now, unsent = self.loop.time(), self.transport.get_write_buffer_size()
        if unsent == 0 or unsent != self._unsent:
            self._unsent, self._moved = unsent, now
        between = self.timeout_keep_alive_task is not None  # uvicorn's own time for that is running
        if now - self._moved > ANSWER_PATIENCE:
            self.transport.abort()
        elif not self._has_request and not between and now - self.since > HEADER_PATIENCE:
            self._end(408, f"the headers took over {HEADER_PATIENCE:.0f} s to arrive")
        self._watching = self.loop.call_later(_EVERY, self._watch)

    def _end(self, status: int, reason: str) -> None:
        body = json.dumps({"error": reason}).encode()
        headers = HEADERS | {"Content-Type": "application/json", "Connection": "close"}
        headers |= {"Content-Length": str(len(body))}
        response = h11.Response(status_code=status, headers=list(headers.items()))
        try:
            for event in (response, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event))
        except h11.LocalProtocolError:  # in the middle of another answer
            pass
        self.transport.close()
