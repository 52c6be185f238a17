"""The page on a phone, in a real Chromium: words stay whole, and tables move sideways."""

from __future__ import annotations

from pathlib import Path

import pytest

from chromium import in_chromium, launched, playwright_api
from ferturb.report.build import STORIES, render_page
from made_up_results import small_study

BROKEN = """() => {
  const broken = [];
  for (const cell of document.querySelectorAll("tbody th")) {
    const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    for (let text; (text = texts.nextNode()); )
      for (const word of text.data.matchAll(/[^\\s-]+/g)) {
        const range = document.createRange();
        range.setStart(text, word.index);
        range.setEnd(text, word.index + word[0].length);
        const lines = new Set([...range.getClientRects()].map(box => Math.round(box.top)));
        if (lines.size > 1) broken.push(word[0]);
      }
  }
  return broken;
}"""
"""The words in the first columns that stand on two lines."""
SIDEWAYS = """() => [...document.querySelectorAll(".scroll")].filter(
  box => box.scrollWidth > box.clientWidth).length"""
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.slow
@in_chromium
def test_no_word_of_a_first_column_is_broken_and_wide_tables_scroll(tmp_path: Path) -> None:
    results = small_study(models=("compact-tiny", "densenet121"))
    sections = [section for story in STORIES if (section := story(results)) is not None]
    index = tmp_path / "index.html"
    index.write_text(render_page(results, sections), encoding="utf-8")
    with playwright_api().sync_playwright() as playwright:
        browser = launched(playwright)
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.goto(index.as_uri())
        assert page.locator("tbody th", has_text="compact-tiny").count() > 3
        assert page.evaluate(BROKEN) == []
        assert page.evaluate(SIDEWAYS) > 3
        assert page.evaluate(WIDER) == 0
        browser.close()
