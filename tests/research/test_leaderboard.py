"""The models of other packages that the leaderboard asks, and what it says of its options."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import leaderboard
import pytest
from leaderboard import ENTRIES, NodePeer, Place

from ferturb.base.errors import FerturbError
from posix_only import posix_only

READY = """echo '{"ready": true}'"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Lets lines of the shell stand in for node; gives the folder of its packages."""

    def write(*lines: str) -> Path:
        (tmp_path / "node").write_text("\n".join(["#!/bin/sh", *lines]), encoding="utf-8")
        (tmp_path / "node").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        return tmp_path

    return write


@posix_only
def test_a_network_in_node_answers_line_by_line_until_it_is_closed(stand_in) -> None:
    peer = NodePeer(stand_in(READY, "while read asked; do echo $asked; done; sleep 600"), "human")
    assert peer.ask(do="load", count=2) == {"do": "load", "count": 2}
    assert peer.process.poll() is None
    peer.close()
    assert peer.process.poll() is not None


@posix_only
@pytest.mark.parametrize("last", ["exit 1", "read asked; exit 1"])
def test_one_that_ends_is_named(last: str, stand_in) -> None:
    peer = NodePeer(stand_in(READY, last), "human")
    for _ in range(2):
        with pytest.raises(OSError, match="node ended while it worked on human"):
            peer.ask(do="load", path="x" * 2**17)
    peer.close()
    with pytest.raises(OSError, match="node could not load human from"):
        NodePeer(stand_in("exit 1"), "human")


@posix_only
def test_the_leaderboard_ends_what_it_asks(stand_in, tmp_path: Path) -> None:
    alive = f"echo $$ > {tmp_path}/process"
    folder = stand_in(alive, READY, "read asked; echo 1; read asked; echo {}; exec sleep 600")
    with ExitStack() as stack, pytest.raises(FerturbError, match="could not be run on faces"):
        ENTRIES["face-api"].open(Place(folder, folder, folder, stack), "face-api")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "process").read_text()), 0)


def test_what_was_kept_lies_somewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["leaderboard", "tiny", "--data", "none", "--again"])
    with pytest.raises(SystemExit) as stopped:
        leaderboard.main()
    assert stopped.value.code == 2
    assert "--again takes --keep FOLDER" in capsys.readouterr().err
