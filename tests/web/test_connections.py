"""The page beside clients that are slow, silent or do not speak HTTP."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import anyio
import pytest
from starlette.requests import Request

from ferturb.data.drawn.synthetic import draw
from ferturb.predict.shipped import load_pretrained
from ferturb.web import connections, guard
from ferturb.web import server as web
from ferturb.web.guard import Queue, RefusedError
from served_page import serving

QUESTION = json.dumps({"face": base64.b64encode(draw(1).images.numpy()[0].tobytes()).decode()})
HALF = f"POST /api/face HTTP/1.1\r\nHost: HOST\r\nContent-Length: {len(QUESTION)}\r\n"
BODY = f"{HALF}Content-Type: application/json\r\n\r\n"
SLOW = {"nothing": "", "half a header": "GET / HT", "headers, no end": HALF, "one byte": BODY + "{"}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server that looks often at what its connections wait for."""
    app = web.create_app({"tiny": load_pretrained("tiny", threads=1)}, threads=1)
    with pytest.MonkeyPatch.context() as patch, serving(app) as found:
        patch.setattr(connections, "_EVERY", 0.05)
        yield urlsplit(found).netloc


def opened(address: str, text: str) -> socket.socket:
    host, _, port = address.partition(":")
    client = socket.create_connection((host, int(port)), timeout=30)
    client.sendall(text.replace("HOST", address).encode())
    return client


def answer(client: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer; status 0 where the connection ends without one."""
    data = b""
    try:
        while b"\r\n\r\n" not in data or len(data) < _whole(data):
            part = client.recv(65536)
            if not part:
                break
            data += part
    except ConnectionResetError:
        pass
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
    return (int(first.split()[1]) if first else 0), headers, body


def _whole(data: bytes) -> int:
    head = data.partition(b"\r\n\r\n")[0].lower()
    return len(head) + 4 + int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])


def asked(address: str) -> int:
    with opened(address, BODY + QUESTION) as client:
        return answer(client)[0]


@pytest.mark.parametrize("kind", SLOW)
def test_seventy_slow_clients_keep_nobody_out(address: str, kind: str) -> None:
    slow = [opened(address, SLOW[kind]) for _ in range(70)]
    try:
        assert [asked(address) for _ in range(5)] == [200] * 5
    finally:
        for client in slow:
            client.close()


def test_those_that_wait_longest_make_room(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 5)
    kinds = [*SLOW.values(), *SLOW.values()]
    slow = [opened(address, text) for text in kinds]
    try:
        assert asked(address) == 200
        assert [answer(client)[0] for client in slow[:3]] == [0, 0, 0]
    finally:
        for client in slow:
            client.close()


@pytest.mark.parametrize(("kind", "status"), [("nothing", 408), ("half a header", 408)])
def test_headers_that_do_not_come_are_given_up(
    address: str, monkeypatch: pytest.MonkeyPatch, kind: str, status: int
) -> None:
    monkeypatch.setattr(connections, "HEADER_PATIENCE", 0.2)
    with opened(address, SLOW[kind]) as client:
        found, headers, body = answer(client)
    assert found == status
    assert guard.HEADERS.items() <= {_name(k): v for k, v in headers.items()}.items()
    assert "took over" in json.loads(body)["error"]


def test_a_body_that_stops_is_given_up(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "SILENCE", 0.2)
    with opened(address, SLOW["one byte"]) as client:
        assert answer(client)[0] == 408


def test_who_takes_no_answer_is_let_go(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ANSWER_PATIENCE", 0.2)
    monkeypatch.setattr(
        connections.Connection, "_watch", _with_unsent(connections.Connection._watch)
    )
    with opened(address, BODY + QUESTION) as client:
        answer(client)
        assert client.recv(1) == b""


def _with_unsent(
    watch: Callable[[connections.Connection], None],
) -> Callable[[connections.Connection], None]:
    """Watch as if bytes lay in the connection's buffer that nobody takes."""

    def watched(self: connections.Connection) -> None:
        transport = self.transport
        if not hasattr(transport, "get_write_buffer_size_"):
            self.transport = _Stuck(transport)  # type: ignore[assignment]
        watch(self)

    return watched


class _Stuck:
    def __init__(self, transport: object) -> None:
        self.transport = transport
        self.get_write_buffer_size_ = True

    def get_write_buffer_size(self) -> int:
        return 9

    def __getattr__(self, name: str) -> object:
        return getattr(self.transport, name)


def _name(header: str) -> str:
    known = {name.lower(): name for name in guard.HEADERS}
    return known.get(header, header)


ODD = {
    "not HTTP": ("\x16\x03\x01 hello\r\n\r\n", 400),
    "endless headers": ("GET / HTTP/1.1\r\nX: " + "a" * 40_000, 400),
    "no host": ("GET / HTTP/1.1\r\n\r\n", 400),
    "a foreign host": ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
    "no such page": ("GET /no HTTP/1.1\r\nHost: HOST\r\n\r\n", 404),
    "no such method": ("BREW / HTTP/1.1\r\nHost: HOST\r\n\r\n", 405),
    "an upgrade": (
        "GET / HTTP/1.1\r\nHost: HOST\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        200,
    ),
}


@pytest.mark.parametrize("what", ODD)
def test_every_answer_has_the_pages_headers(address: str, what: str) -> None:
    text, status = ODD[what]
    with opened(address, text) as client:
        found, headers, _ = answer(client)
    assert found == status
    assert guard.HEADERS.items() <= {_name(k): v for k, v in headers.items()}.items()


def test_a_failure_in_the_server_has_them_too(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise ValueError("secret pixels")

    monkeypatch.setattr(web.Answers, "face", fail)
    with opened(address, BODY + QUESTION) as client:
        status, headers, body = answer(client)
    assert (status, json.loads(body)) == (500, {"error": "something went wrong in the server"})
    assert guard.HEADERS.items() <= {_name(k): v for k, v in headers.items()}.items()


def test_a_second_request_on_a_connection_has_its_own_time(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADER_PATIENCE", 0.3)
    with opened(address, BODY + QUESTION) as client:
        assert answer(client)[0] == 200
        client.sendall(b"GET /api/ab")
        assert answer(client)[0] == 408


def sender(length: int, parts: int) -> Request:
    """A request that sends parts of a length and then waits for ever."""
    sent = 0

    async def receive() -> dict[str, object]:
        nonlocal sent
        if sent == parts:
            await anyio.sleep_forever()
        sent += 1
        await anyio.sleep(0)
        return {"type": "http.request", "body": bytes(length), "more_body": True}

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


def test_bodies_that_arrive_share_one_room_and_the_largest_leaves() -> None:
    ended: dict[str, int] = {}

    async def go() -> None:
        queue = Queue(room=25_000)

        async def read(name: str, length: int, parts: int) -> None:
            with pytest.raises(RefusedError) as refused:
                await queue.body(sender(length, parts), 30_000, patience=0.5)
            ended[name] = refused.value.status

        async with anyio.create_task_group() as group:
            for name, length, parts in (("small", 10, 1), ("large", 10_000, 2), ("new", 9_000, 1)):
                group.start_soon(read, name, length, parts)
                await anyio.sleep(0.05)
        assert queue._arriving == {}

    anyio.run(go)
    assert ended == {"small": 408, "large": 503, "new": 408}
