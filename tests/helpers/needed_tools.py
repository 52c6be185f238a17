"""Tools outside of Python that tests need: where they are, and what is done without them.

A test that lacks one skips, or fails where the variable FERTURB_ALL_TOOLS is 1, as in a workflow
that has them all: there a skip would be a test that nobody runs.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
"""What Chromium is called on a path."""
HINTS = {
    "chromium": "no Chromium here: apt install chromium, or set FERTURB_CHROMIUM to its file",
    "node": "no node here: apt install nodejs",
    "g++": "no g++ here: apt install g++",
}


def found(name: str) -> str | None:
    """The program of one of `HINTS`, or None."""
    return chromium(os.environ, sys.platform) if name == "chromium" else shutil.which(name)


def chromium(environment: Mapping[str, str], platform: str) -> str | None:
    """Chromium or Chrome: what FERTURB_CHROMIUM names, else what is on the path, else where it is
    installed on macOS and Windows."""
    path = environment.get("PATH")
    if named := environment.get("FERTURB_CHROMIUM"):
        return shutil.which(named, path=path)
    on_path = (shutil.which(name, path=path) for name in CHROMIUMS)
    installed = (str(place) for place in _places(environment, platform) if place.is_file())
    return next((program for program in (*on_path, *installed) if program), None)


def _places(environment: Mapping[str, str], platform: str) -> Iterator[Path]:
    """Where a Chrome that is installed lies."""
    if platform == "darwin":
        for folder in (Path("/Applications"), Path(environment.get("HOME", "/")) / "Applications"):
            for name in ("Google Chrome", "Chromium"):
                yield folder / f"{name}.app" / "Contents" / "MacOS" / name
    elif platform == "win32":
        for variable in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"):
            for name in ("Google/Chrome", "Chromium"):
                if folder := environment.get(variable):
                    yield Path(folder, name, "Application", "chrome.exe")


def needs(name: str) -> pytest.MarkDecorator:
    """The mark of tests that need one of `HINTS`."""
    return pytest.mark.needs(name)


def require(name: str) -> str:
    """The program of one of `HINTS`; without it the test skips or fails."""
    return found(name) or absent(HINTS[name])


def module(name: str, reason: str) -> Any:
    """A Python module; without it the test skips or fails."""
    try:
        return importlib.import_module(name)
    except ImportError:
        absent(reason)


def absent(reason: str) -> NoReturn:
    """Skip, or fail where all tools are said to be there."""
    if os.environ.get("FERTURB_ALL_TOOLS") == "1":
        pytest.fail(f"{reason} (FERTURB_ALL_TOOLS=1: everything should be there)", pytrace=False)
    pytest.skip(reason, allow_module_level=True)
