from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ferturb.base.locks import alone, held


def test_a_folder_is_held_against_other_processes(tmp_path: Path) -> None:
    ask = (
        "import sys; from pathlib import Path; from ferturb.base.locks import alone\n"
        "with alone(Path(sys.argv[1]), 'training'): print('alone')"
    )

    def other() -> str:
        done = subprocess.run(
            [sys.executable, "-c", ask, str(tmp_path)], capture_output=True, text=True, check=False
        )
        return (done.stdout + done.stderr).strip().splitlines()[-1]

    with alone(tmp_path, "training"):
        assert f"another process is training {tmp_path}; wait for it or stop it" in other()
    assert other() == "alone"
    assert list(tmp_path.iterdir()) == []


def test_whether_a_folder_is_held_can_be_asked_without_holding_it(tmp_path: Path) -> None:
    assert not held(tmp_path)
    with alone(tmp_path, "training"):
        assert held(tmp_path)
        assert held(tmp_path)
    assert not held(tmp_path)
    (tmp_path / ".lock").touch()  # left by a process that was killed
    assert not held(tmp_path)
    with alone(tmp_path, "training"):
        assert held(tmp_path)


def test_to_look_whether_it_is_held_keeps_nobody_from_holding_it(tmp_path: Path) -> None:
    looks = (
        "import sys; from pathlib import Path; from ferturb.base.locks import held\n"
        "(Path(sys.argv[1]) / 'ready').touch()\n"
        "while True: held(Path(sys.argv[1]))"
    )
    with subprocess.Popen([sys.executable, "-c", looks, str(tmp_path)]) as looking:
        try:
            while not (tmp_path / "ready").exists():
                assert looking.poll() is None
            for _ in range(300):
                (tmp_path / ".lock").touch()
                with alone(tmp_path, "training"):
                    pass
        finally:
            looking.kill()
