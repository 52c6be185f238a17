from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ferturb.base.leftovers import remove_leftovers, temporary_path
from ferturb.base.storage import write_text

HOST = socket.gethostname()


def test_a_name_says_whose_it_is_and_is_short_and_new(tmp_path: Path) -> None:
    names = {temporary_path(tmp_path).name for _ in range(20)}
    assert len(names) == 20
    for name in names:
        assert name.startswith(f".ferturb-{HOST}-{os.getpid()}-")
        assert len(name) < 120


def test_others_are_left_alone_unless_the_folder_is_held(tmp_path: Path) -> None:
    living, elsewhere = f".ferturb-{HOST}-{os.getppid()}-1a.tmp", ".ferturb-else-where-1-2b.tmp"
    mine = ["run.json", ".gitignore", ".ferturb-notes.tmp", "a-b-c.tmp"]
    for name in (living, elsewhere, *mine):
        (tmp_path / name).write_text("x")
    remove_leftovers(tmp_path, only_dead=True)
    assert {p.name for p in tmp_path.iterdir()} == {living, elsewhere, *mine}
    remove_leftovers(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == set(mine)


KILLED = """
import os, signal, sys
from pathlib import Path
from ferturb.base.storage import atomic_folder, atomic_path
write, place = {"file": atomic_path, "folder": atomic_folder}[sys.argv[1]], Path(sys.argv[2])
with write(place) as temporary:
    (temporary / "half" if sys.argv[1] == "folder" else temporary).write_text("half of it")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="another kind of kill")
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path, kind: str) -> None:
    command = [sys.executable, "-c", KILLED, kind, str(tmp_path / "out")]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".ferturb-")
    write_text(tmp_path / "another", "x")
    assert [p.name for p in tmp_path.iterdir()] == ["another"]
