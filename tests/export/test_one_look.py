from __future__ import annotations

from pathlib import Path

import pytest

from ferturb.export.one_look import one_look


def test_a_damaged_file_in_the_cache_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path))
    one_look("tiny")
    (path,) = tmp_path.rglob("*.onnx")
    sound = path.read_bytes()
    path.write_bytes(sound[:1000])
    assert one_look("tiny").name == "tiny"
    assert path.read_bytes() == sound
