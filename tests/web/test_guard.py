from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.testclient import TestClient

from ferturb.base.errors import FerturbError
from ferturb.cli.main import main
from ferturb.predict.shipped import load_pretrained
from ferturb.web import listening, rest, server
from ferturb.web.guard import Queue, RefusedError, body, check_source, further_names

OURS = {"host": "127.0.0.1:7860"}


@pytest.mark.parametrize(
    ("host", "name", "fine"),
    [
        ("127.0.0.1", "127.0.0.1:7860", True),
        ("127.0.0.1", "localhost:7860", True),
        ("127.0.0.1", "LOCALHOST", True),
        ("127.0.0.1", "[::1]:7860", True),
        ("127.0.0.1", "evil.example:7860", False),
        ("127.0.0.1", "localhost.evil.example", False),
        ("127.0.0.1", "127.0.0.1.evil.example", False),
        ("127.0.0.1", "192.168.1.7:7860", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "[::1", False),
        ("localhost", "192.168.1.7", False),
        ("0.0.0.0", "192.168.1.7:7860", True),
        ("0.0.0.0", "evil.example", False),
        ("faces.example", "faces.example:80", True),
        ("faces.example", "other.example:80", False),
    ],
)
def test_hosts(host: str, name: str, fine: bool) -> None:
    if fine:
        check_source({"host": name}, host)
        return
    with pytest.raises(RefusedError) as refused:
        check_source({"host": name}, host)
    assert refused.value.status == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_further_name_is_let_in_where_it_is_allowed(host: str) -> None:
    allowed = further_names(["Faces.lan", "faces"])
    for name in ("faces.lan:7861", "FACES.LAN", "faces"):
        check_source({"host": name, "origin": f"http://{name}"}, host, allowed)
        with pytest.raises(RefusedError, match="start the server with --allow-host NAME"):
            check_source({"host": name}, host)
    for headers in ({"host": "evil.faces.lan"}, {"host": "faces.lan", "origin": "http://evil.lan"}):
        with pytest.raises(RefusedError):
            check_source(headers, host, allowed)


@pytest.mark.parametrize(("verb", "module"), [("serve", rest), ("app", server)])
def test_the_command_allows_names(
    verb: str, module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = []
    monkeypatch.setattr(module, "run", lambda app, host, *more: served.append((app, host)))
    names = ["--allow-host", "faces", "--allow-host", "Faces.lan"]
    main([verb, "--model", "tiny", "--threads", "1", "--host", "0.0.0.0", *names])
    ((app, host),) = served
    assert host == "0.0.0.0"
    for name, fine in (("faces", True), ("faces.lan", True), ("other.lan", False)):
        status = TestClient(app, base_url=f"http://{name}:7990").get("/").status_code
        assert (status == 200) == fine


@pytest.mark.parametrize("verb", ["serve", "app"])
def test_an_empty_host_does_not_open_to_the_network(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (rest, server):
        monkeypatch.setattr(module, "run", lambda *_: pytest.fail("it would listen"))
    with pytest.raises(SystemExit) as stopped:
        main([verb, "--model", "not opened", "--host", ""])
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said.startswith("error --host takes an address or a name, got ''; ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("create", [rest.create_api, server.create_app])
def test_nothing_is_made_for_an_empty_host(create: Callable[..., object]) -> None:
    with pytest.raises(FerturbError, match="--host takes an address or a name"):
        create({"tiny": load_pretrained("tiny", 1)}, host="")
    with pytest.raises(RefusedError):
        check_source({"host": ""}, "")


@pytest.mark.parametrize("host", ["☃.example", "ä", "ä" * 64, ".", "a\0b", "\udce9"])
def test_a_host_that_can_be_no_name_is_one_line(host: str) -> None:
    with pytest.raises(FerturbError, match=r"can't listen on .*give another --host") as refused:
        listening.run(Starlette(), host, 0, lambda address: pytest.fail(f"listens on {address}"))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["", "*", "*.lan", "faces.lan:80", "http://faces.lan", "a/b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(FerturbError, match="--allow-host takes the name of a host"):
        further_names([name])


@pytest.mark.parametrize(
    ("headers", "fine"),
    [
        ({"origin": "http://127.0.0.1:7860"}, True),
        ({"origin": "http://127.0.0.1:9999"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}, False),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, False),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, True),
        ({}, True),
    ],
)
def test_origins(headers: dict[str, str], fine: bool) -> None:
    if fine:
        check_source(OURS | headers, "127.0.0.1")
    else:
        with pytest.raises(RefusedError):
            check_source(OURS | headers, "127.0.0.1")


def test_the_queue_is_bounded_and_moves_on() -> None:
    async def go() -> None:
        queue = Queue(slots=2)
        async with queue.take_slot(), queue.take_slot():
            with pytest.raises(RefusedError) as refused:
                async with queue.take_slot():
                    raise AssertionError
            assert refused.value.status == 503
            assert refused.value.response().headers["retry-after"] == "1"
        async with queue.take_slot():
            assert await queue.work(lambda a, b: a + b, 1, 2) == 3
        with pytest.raises(ZeroDivisionError):
            async with queue.take_slot():
                await queue.work(lambda: 1 // 0)
        async with queue.take_slot(), queue.take_slot():
            pass

    anyio.run(go)


def sent(parts: int, wait: float = 0.0, length: str | None = None) -> tuple[Request, list[int]]:
    """A request whose body comes in parts of 1,000 bytes, and a count of those taken."""
    taken = [0]

    async def receive() -> dict[str, object]:
        await anyio.sleep(wait)
        taken[0] += 1
        more = taken[0] < parts
        return {"type": "http.request", "body": bytes(1000), "more_body": more}

    headers = [] if length is None else [(b"content-length", length.encode())]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive), taken


@pytest.mark.parametrize(("length", "read"), [(None, 6), ("10", 6), ("20000", 0), ("-1", 6)])
def test_a_body_is_read_to_its_limit_and_no_further(length: str | None, read: int) -> None:
    request, taken = sent(20, length=length)
    with pytest.raises(RefusedError, match="make the file smaller") as refused:
        anyio.run(body, request, 5000)
    assert refused.value.status == 413
    assert taken == [read]
    assert anyio.run(body, sent(5)[0], 5000) == bytes(5000)


def test_a_body_that_does_not_come_is_given_up() -> None:
    with pytest.raises(RefusedError) as refused:
        anyio.run(body, sent(20, wait=0.05)[0], 50_000, 0.1)
    assert refused.value.status == 408
