"""What an earlier page left in its folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from pathlib import Path

_MADE = re.compile(r'href="((?:tables|figures)/[^"/\\]+\.(?:csv|tex|png))"')


def remove_earlier(folder: Path, written: Sequence[Path]) -> None:
    """Remove the tables and figures that the page in a folder names, but for those just written.

    Whatever else lies there stays.
    """
    page = folder / "index.html"
    if not page.is_file():
        return
    named = _MADE.findall(page.read_text(encoding="utf-8", errors="replace"))
    for path in {folder / unescape(name) for name in named} - set(written):
        path.unlink(missing_ok=True)
