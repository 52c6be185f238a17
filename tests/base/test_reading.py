from __future__ import annotations

from pathlib import Path

import pytest

from ferturb.base.reading import from_home
from posix_only import posix_only

NOBODY = "~no-such-user/m.onnx"


@posix_only
def test_a_home_is_filled_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for given in ("~/m.onnx", Path("~/m.onnx")):
        assert from_home(given) == tmp_path / "m.onnx"
    assert from_home("~") == tmp_path
    assert from_home("a/~/b") == Path("a/~/b")


@pytest.mark.parametrize("name", [NOBODY, "~a\0b/x", "~\udce9/x"])
def test_a_user_that_there_is_not_stays(name: str) -> None:
    assert from_home(name) == from_home(Path(name)) == Path(name)
