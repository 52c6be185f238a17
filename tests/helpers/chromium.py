"""The Chromium that tests open pages in."""

from __future__ import annotations

from typing import Any

from needed_tools import module, needs, require

in_chromium = needs("chromium")


def playwright_api() -> Any:
    """What drives a browser; without it the test skips, or fails where all tools should be."""
    return module("playwright.sync_api", "playwright is not installed")


def launched(playwright: Any, *options: str) -> Any:
    """A headless browser with no more processes than it needs: starting them takes seconds."""
    # No sandbox: it can't be had as root in a container, and only our own page is opened.
    return playwright.chromium.launch(
        executable_path=require("chromium"),
        args=["--no-sandbox", "--disable-gpu", "--renderer-process-limit=1", *options],
    )
