"""A hook of mkdocs: links from a page to a file of the repository work on the site as well.

A page links to `../results/landmarks.csv`, which a reader of the repository can follow. For the
site the file is copied to `files/results/landmarks.csv`, and the link goes there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"(?<=\]\()\.\./(?!\.)([\w./-]+\.(?:csv|json|cff|html))(?=\))")


def on_files(files: Files, config: Any) -> Files:
    """Add the files of the repository that pages link to."""
    wanted = set()
    for page in files.documentation_pages():
        if page.src_uri.endswith(".md"):
            wanted |= set(_LINK.findall(page.content_string))
    for path in sorted({found for link in wanted for found in _needed(link)}):
        source = str(ROOT / path)
        files.append(File.generated(config, f"files/{path}", abs_src_path=source))
    return files


def _needed(link: str) -> list[str]:
    """The file that is linked; of a page everything in its folder, which it links to in turn."""
    file = ROOT / link
    there = file.parent.rglob("*") if file.suffix == ".html" else [file]
    return [found.relative_to(ROOT).as_posix() for found in there if found.is_file()]


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Point the links of a page at the copies."""
    return _LINK.sub(lambda found: f"files/{found[1]}", markdown)
