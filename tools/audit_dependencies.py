"""Known holes in the pinned versions, as pip-audit knows them: `make audit`.

    python tools/audit_dependencies.py

The exit code is 1 where a pinned version has a published hole. Where the advisory service can't be
reached, or knows nothing of a package, that is said and is no failure: a build needs no network.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PINNED = ("constraints.txt", "constraints-deployment.txt")
SECONDS = 300
"""How long the service may take for all packages together."""


def verdict(report: str, error: str = "") -> tuple[list[str], int]:
    """What to say of pip-audit's JSON, line by line, and the exit code; without it, the error."""
    try:
        packages = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return [f"not audited: {error}"], 0
    asked = [package for package in packages if "skip_reason" not in package]
    holes = [
        f"{package['name']} {package['version']}: {hole['id']}, "
        f"fixed in {' or '.join(hole['fix_versions']) or 'no version'}"
        for package in asked
        for hole in package["vulns"]
    ]
    if not asked:
        return [f"not audited: the service knows none of these {len(packages)} packages here"], 0
    said = f"{len(asked)} of {len(packages)} pinned packages audited"
    if len(asked) < len(packages):
        said += "; of the others the service knows nothing here"
    return [*holes, f"{said}, {len(holes)} known holes in them"], int(bool(holes))


def audited(path: Path) -> tuple[list[str], int]:
    """`verdict` on one file of pinned versions."""
    options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    command = [sys.executable, "-m", "pip_audit", *options, "--requirement", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return verdict("", f"no answer in {SECONDS} s")
    return verdict(done.stdout, (done.stderr.splitlines() or [""])[-1][:300])


def main() -> int:
    codes = []
    for name in PINNED:
        lines, code = audited(ROOT / name)
        print(*(f"{name}: {line}" for line in lines), sep="\n")
        codes.append(code)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
