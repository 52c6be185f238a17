"""Photograph the web page: ``python tools/photograph_app.py``.

Starts `ferturb app`, opens it in a headless Chromium and does what a visitor does with a
drawn face: leaves the mouth out and compares the models. Writes ``docs/img/app.png``
(a desktop) and ``docs/img/app_phone.png`` (a phone, dark). `--all DIR` also writes the page's other
states, to look at. `--python` names another environment's Python, a trimmed one for instance.
Needs playwright and Chromium (``FERTURB_CHROMIUM`` or on the path).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))
from needed_tools import chromium

IMG = Path(__file__).parents[1] / "docs" / "img"
DESKTOP = {"viewport": {"width": 1280, "height": 1010}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True}
PHONE_PIXELS = 390
"""The width at which the phone's picture is kept."""


@contextmanager
def served(python: str) -> Iterator[str]:
    """The address of a `ferturb app` that runs while this does."""
    command = [python, "-m", "ferturb", "app", "--port", "0", "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert server.stdout is not None
    said = []
    try:
        for line in server.stdout:
            said.append(line)
            if "http" in line:
                yield line[line.index("http") :].split()[0]
                return
        sys.exit("".join(said))
    finally:
        server.terminate()
        server.wait()


def opened(browser: Browser, address: str, **options: Any) -> Page:
    """The page, ready for a visitor."""
    page = browser.new_context(reduced_motion="reduce", **options).new_page()
    page.goto(address)
    expect(page.locator("body[data-ready]")).to_be_attached()
    return page


def choose(page: Page, example: str) -> None:
    """Show the model a drawn face."""
    page.locator(f"[data-example={example}]").click()
    expect(page.locator("#result:not([hidden])")).to_be_visible()


def leave_out(page: Page, feature: str, compare: bool) -> None:
    """Show the face without a feature, to one model or to all."""
    page.get_by_role("switch", name="Compare side by side").set_checked(compare)
    page.get_by_role("switch", name=feature, exact=True).check()
    models = page.locator("#model option").count() if compare else 1
    expect(page.locator(".before")).to_have_count(7 * models)


def photograph(page: Page, path: Path, whole: bool = False) -> None:
    """What a visitor sees, or all of the page."""
    page.wait_for_timeout(400)
    page.evaluate("document.activeElement && document.activeElement.blur()")
    page.screenshot(path=path, full_page=whole)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", default=sys.executable, help="whose ferturb to serve")
    parser.add_argument("--out", type=Path, default=IMG, help="a folder for the two pictures")
    parser.add_argument("--all", type=Path, help="a folder for the page's other states")
    options = parser.parse_args()
    expect.set_options(timeout=60_000)
    with served(options.python) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(os.environ, sys.platform), args=["--no-sandbox"]
        )
        page = opened(browser, address, **DESKTOP)
        choose(page, "sad")
        leave_out(page, "mouth", compare=True)
        photograph(page, options.out / "app.png")
        phone = opened(browser, address, color_scheme="dark", **PHONE)
        choose(phone, "sad")
        leave_out(phone, "mouth", compare=False)
        phone.evaluate("document.querySelector('#result').scrollIntoView()")
        small = options.out / "app_phone.png"
        photograph(phone, small)
        with Image.open(small) as picture:
            height = round(picture.height * PHONE_PIXELS / picture.width)
            kept = picture.convert("RGB").resize((PHONE_PIXELS, height), Image.Resampling.LANCZOS)
        kept.save(small, optimize=True)
        if options.all:
            others(browser, address, options.all)
        browser.close()


def others(browser: Browser, address: str, folder: Path) -> None:
    """The page's other main states, whole, in light and dark, on a desktop and a phone."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, device in (("desktop", DESKTOP), ("phone", PHONE)):
        for scheme in ("light", "dark"):
            page = opened(browser, address, color_scheme=scheme, **device)
            photograph(page, folder / f"{kind}-{scheme}-empty.png", whole=True)
            choose(page, "surprise")
            photograph(page, folder / f"{kind}-{scheme}-face.png", whole=True)
            page.get_by_role("radio", name="surgical").check()
            page.get_by_role("radio", name="what speaks for it").check()
            expect(page.locator("#legend")).not_to_be_empty()
            photograph(page, folder / f"{kind}-{scheme}-saliency.png", whole=True)
            page.get_by_role("radio", name="pieces it is cut into").check()
            expect(page.locator("#legend")).to_contain_text("K-means")
            page.get_by_role("button", name="Try every feature").click()
            expect(page.locator(".tried tbody tr").first).to_be_visible()
            photograph(page, folder / f"{kind}-{scheme}-tried.png", whole=True)


if __name__ == "__main__":
    main()
