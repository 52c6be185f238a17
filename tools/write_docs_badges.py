"""The badges of the README: pictures of what pyproject.toml says, so that they stay true."""

from __future__ import annotations

import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "img"
_LETTER, _AIR = 6.6, 14
"""Pixels of a letter, and around a text."""


def badges() -> dict[Path, str]:
    """Each badge's file and what is in it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    least = project["requires-python"].partition(",")[0].removeprefix(">=")
    torch = any(need.startswith("torch") for need in project["dependencies"])
    said = {
        "version": project["version"],
        "python": f"{least} or newer",
        "licence": project["license"],
        "prediction": "with torch" if torch else "without torch",
    }
    return {FOLDER / f"badge_{name}.svg": badge(name, text) for name, text in said.items()}


def badge(name: str, text: str) -> str:
    """Two words beside each other, the second on colour."""
    left, right = (round(len(words) * _LETTER + _AIR) for words in (name, text))
    name, text = escape(name), escape(text)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="{name}: {text}">\n'
        f'  <rect width="{left + right}" height="20" rx="3" fill="#3f4a54"/>\n'
        f'  <path d="M{left} 0h{right - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{right - 3}z" '
        'fill="#0d6b74"/>\n'
        '  <g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" '
        'text-anchor="middle">\n'
        f'    <text x="{left / 2:g}" y="14">{name}</text>\n'
        f'    <text x="{left + right / 2:g}" y="14">{text}</text>\n'
        "  </g>\n</svg>\n"
    )
