"""Plain English: phrases that a native reader stumbles over stay out of code and documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PHRASES = {
    r"so-manieth": "every N-th",
    r"so many-th|how many-th": "every s-th, the stride",
    r"\bby lot\b|drawn by lots?\b": "at random",
    r"\bis no (run folder|JSON|safetensors)\b": "is not a …",
    r"all alike likely": "uniformly",
    r"\bof one's own\b": "per-face, own",
    r"Whom the network": "the teacher",
}
"""What is not written -> what is."""
FILES = [
    *(ROOT / "src").rglob("*.py"),
    *(ROOT / "research").rglob("*.py"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "src").rglob("*.md"),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
]


@pytest.mark.parametrize("phrase", PHRASES)
def test_a_phrase_is_not_written(phrase: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in FILES
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(phrase, line)
    ]
    assert not found, f"write {PHRASES[phrase]!r}: {found}"
