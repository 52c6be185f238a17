from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

from ferturb.base import installation
from ferturb.base.installation import install

ROOT = Path(__file__).resolve().parents[2]


class Noted:
    """What pip noted of where ferturb came from."""

    def __init__(self, address: str | None) -> None:
        self.address = address

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return None if self.address is None else json.dumps({"url": self.address})


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As installed: no checkout around the package."""
    monkeypatch.setattr(installation, "_PACKAGE", tmp_path / "site-packages" / "ferturb")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_checkout_names_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert install("train").removeprefix("pip install ").strip("'") == f"{ROOT}[train]"
    monkeypatch.chdir(ROOT)
    assert install("app") == "pip install '.[app]'"


@pytest.mark.parametrize("kind", ["a checkout", "a wheel", "gone", "an index", "not noted"])
def test_what_pip_noted_is_named_if_it_is_there(
    kind: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, wheel = elsewhere / "the source", elsewhere / "ferturb-1.whl"
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[project]\nname = "ferturb"\n')
    wheel.touch()
    address, expected = {
        "a checkout": (folder.as_uri(), f"'{folder}[hub]'"),
        "a wheel": (wheel.as_uri(), f"'{wheel}[hub]'"),
        "gone": ((elsewhere / "gone").as_uri(), "'ferturb[hub]'"),
        "an index": (None, "'ferturb[hub]'"),
        "not noted": ("", "'ferturb[hub]'"),
    }[kind]
    monkeypatch.setattr(metadata, "distribution", lambda name: Noted(address))
    assert install("hub") == f"pip install {expected}"
