"""The tests' own tools: where Chromium is looked for, and what comes of one that isn't there."""

from __future__ import annotations

from pathlib import Path

import pytest

from needed_tools import CHROMIUMS, HINTS, absent, chromium, found, module, require


def program(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.mark.skipif("sys.platform == 'win32'", reason="programs have other names there")
@pytest.mark.parametrize("name", CHROMIUMS)
def test_chromium_is_found_by_each_of_its_names(name: str, tmp_path: Path) -> None:
    nothing = {"PATH": str(tmp_path)}
    assert chromium(nothing, "linux") is None
    made = program(tmp_path / name)
    assert chromium(nothing, "linux") == made


@pytest.mark.skipif("sys.platform == 'win32'", reason="programs have other names there")
def test_what_the_variable_names_comes_first_and_nothing_in_its_place(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "chromium")
    own = program(tmp_path / "own" / "my-chrome")
    path = {"PATH": str(tmp_path / "bin")}
    assert chromium(path | {"FERTURB_CHROMIUM": own}, "linux") == own
    assert chromium(path | {"FERTURB_CHROMIUM": "chromium"}, "linux") == chromium(path, "linux")
    assert chromium(path | {"FERTURB_CHROMIUM": str(tmp_path / "none")}, "linux") is None


@pytest.mark.parametrize(
    ("platform", "variable", "place"),
    [
        ("darwin", "HOME", "Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
        ("darwin", "HOME", "Applications/Chromium.app/Contents/MacOS/Chromium"),
        ("win32", "PROGRAMFILES", "Google/Chrome/Application/chrome.exe"),
        ("win32", "PROGRAMFILES(X86)", "Google/Chrome/Application/chrome.exe"),
        ("win32", "LOCALAPPDATA", "Chromium/Application/chrome.exe"),
    ],
)
def test_an_installed_one_is_found_where_it_lies(
    platform: str, variable: str, place: str, tmp_path: Path
) -> None:
    environment = {"PATH": str(tmp_path / "bin"), variable: str(tmp_path)}
    made = program(tmp_path / place)
    assert chromium(environment, platform) in (made, *system_chromes())
    assert chromium(environment, "linux") is None


def system_chromes() -> list[str]:
    """What a Mac that tests has itself: its own folder is looked into first."""
    return [str(path) for path in Path("/Applications").glob("*/Contents/MacOS/*")]


def test_what_is_missing_skips_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("FERTURB_ALL_TOOLS", raising=False)
    for wanted in (lambda: absent("x"), lambda: require("node"), lambda: module("no_such", "x")):
        with pytest.raises(pytest.skip.Exception):
            wanted()
    monkeypatch.setenv("FERTURB_ALL_TOOLS", "1")
    for wanted in (lambda: absent("x"), lambda: require("node"), lambda: module("no_such", "x")):
        with pytest.raises(pytest.fail.Exception, match="FERTURB_ALL_TOOLS=1"):
            wanted()


def test_every_tool_has_a_hint_and_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("FERTURB_CHROMIUM", "no-such-program")
    assert {name: found(name) for name in HINTS} == dict.fromkeys(HINTS)


def test_the_workflow_lets_nothing_skip() -> None:
    workflow = Path(__file__).parents[1] / ".github" / "workflows" / "test.yml"
    if not workflow.is_file():
        pytest.skip("the workflows are in a checkout only")
    jobs = workflow.read_text(encoding="utf-8").split("\n  fast:")
    assert 'FERTURB_ALL_TOOLS: "1"' in jobs[0]
    assert "make test" in jobs[0]
