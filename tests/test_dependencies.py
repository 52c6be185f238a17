"""Every dependency is pinned to a file by its hash, and what an audit says is told as it is."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from audit_dependencies import verdict
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def pinned() -> dict[str, tuple[Requirement, list[str]]]:
    """Name -> its line of constraints.txt, and the hashes of its files."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    found = {}
    for entry in re.sub(r"(?m)^#.*\n", "", text).replace("\\\n", "").splitlines():
        line, *hashes = re.split(r"\s+--hash=", entry)
        wanted = Requirement(line)
        found[canonicalize_name(wanted.name)] = (wanted, hashes)
    return found


def needed() -> list[Requirement]:
    """What `dev` brings, with all that it takes from other extras."""
    waiting, found = [*PROJECT["dependencies"], *EXTRAS["dev"]], []
    while waiting:
        wanted = Requirement(waiting.pop())
        if wanted.name == PROJECT["name"]:
            waiting += [text for extra in wanted.extras for text in EXTRAS[extra]]
        else:
            found.append(wanted)
    return found


def test_every_pin_is_one_version_with_the_hash_of_its_files() -> None:
    for name, (wanted, hashes) in pinned().items():
        assert re.fullmatch(r"==[\w.]+", str(wanted.specifier)), name
        assert hashes, name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), name


@pytest.mark.parametrize("wanted", sorted(needed(), key=str), ids=str)
def test_what_the_project_asks_for_is_pinned_within_its_bounds(wanted: Requirement) -> None:
    pin, _ = pinned()[canonicalize_name(wanted.name)]
    version = Version(str(pin.specifier).removeprefix("=="))
    assert version in wanted.specifier
    assert [s.operator for s in wanted.specifier] == [">="], "a lower bound, and no other"


@pytest.mark.parametrize(
    ("packages", "code", "last"),
    [
        ([("a", [])], 0, "1 of 1 pinned packages audited, 0 known holes in them"),
        ([("a", ["X-1"]), ("b", [])], 1, "2 of 2 pinned packages audited, 1 known holes in them"),
        (
            [("a", []), ("b", None)],
            0,
            "1 of 2 pinned packages audited; of the others the service knows nothing here, "
            "0 known holes in them",
        ),
        ([("a", None)], 0, "not audited: the service knows none of these 1 packages here"),
    ],
)
def test_an_audit_says_what_it_found_and_how_much_it_asked(
    packages: list[tuple[str, list[str] | None]], code: int, last: str
) -> None:
    report = [
        {"name": name, "skip_reason": "not found"}
        if holes is None
        else {
            "name": name,
            "version": "1",
            "vulns": [{"id": one, "fix_versions": ["2"]} for one in holes],
        }
        for name, holes in packages
    ]
    lines, found = verdict(json.dumps({"dependencies": report, "fixes": []}))
    assert (found, lines[-1]) == (code, last)
    assert lines[:-1] == ["a 1: X-1, fixed in 2"] * code


@pytest.mark.parametrize("report", ["", "Traceback", "[]", "{}"])
def test_without_the_service_nothing_fails_and_nothing_is_claimed(report: str) -> None:
    assert verdict(report, "no route") == (["not audited: no route"], 0)
