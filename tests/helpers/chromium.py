"""The Chromium that tests open pages in."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest

CHROMIUM = os.environ.get("FERTURB_CHROMIUM") or shutil.which("chromium")
in_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here: apt install chromium, or set FERTURB_CHROMIUM"
)


def launched(playwright: Any, *options: str) -> Any:
    """A headless browser with no more processes than it needs: starting them takes seconds."""
    # No sandbox: it can't be had as root in a container, and only our own page is opened.
    return playwright.chromium.launch(
        executable_path=CHROMIUM,
        args=["--no-sandbox", "--disable-gpu", "--renderer-process-limit=1", *options],
    )
