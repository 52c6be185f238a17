"""What to type to install an extra: from where this ferturb came, since that is known to exist."""

from __future__ import annotations

import json
import shlex
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

_PACKAGE = Path(__file__).parents[1]


def install(extra: str) -> str:
    """The command that adds an extra: `pip install '.[train]'` in the checkout, with the path of
    the checkout or wheel from elsewhere, and with the name where it came from an index."""
    return f"pip install {shlex.quote(f'{_origin()}[{extra}]')}"


def _origin() -> str:
    path = next(filter(_installable, (_PACKAGE.parents[1], _recorded())), None)
    if path is None:
        return "ferturb"
    return "." if path.resolve() == Path.cwd().resolve() else str(path)


def _installable(path: Path | None) -> bool:
    """Whether pip can install ferturb from there: a checkout, or a wheel."""
    if path is None or path.suffix == ".whl":
        return path is not None and path.is_file()
    try:
        return 'name = "ferturb"' in (path / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False


def _recorded() -> Path | None:
    """The folder or wheel that pip installed ferturb from, as it noted (PEP 610)."""
    try:
        noted = metadata.distribution("ferturb").read_text("direct_url.json")
        address = urlsplit(json.loads(noted or "{}")["url"])
    except (metadata.PackageNotFoundError, OSError, ValueError, KeyError, TypeError):
        return None
    return Path(url2pathname(unquote(address.path))) if address.scheme == "file" else None
