"""A hook of mkdocs: the notebooks under examples/, with their outputs, are pages of the site.

They lie outside of docs/, where a reader of the repository looks for them. Their links to each
other and to pages of docs/ lead to the site's pages.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
_NOTEBOOK = re.compile(r'(?<=href=")([\w-]+)\.ipynb(?=["#])')
_PAGE = re.compile(r'(?<=href=")\.\./docs/([\w/-]+)\.md(?=["#])')


@event_priority(100)  # before mkdocs-jupyter looks for notebooks
def on_files(files: Files, config: Any) -> Files:
    """Add the notebooks."""
    for path in sorted(EXAMPLES.glob("*.ipynb")):
        place = f"{EXAMPLES.name}/{path.name}"
        files.append(File(place, str(EXAMPLES.parent), config.site_dir, False))
    return files


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """Point the links of a notebook at pages."""
    if page.file.src_uri.endswith(".ipynb"):
        html = _PAGE.sub(r"../\1.html", _NOTEBOOK.sub(r"\1.html", html))
    return html
