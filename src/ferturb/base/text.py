"""Names and messages as text that every terminal and every file format takes, and tells apart."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SURROGATE = re.compile("[\ud800-\udfff]")
_NOT_SHOWN = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters (they could end a line or steer a terminal), and lone surrogates."""


def encodable(text: str) -> str:
    r"""The text with bytes that are not UTF-8, which Python keeps as lone surrogates, written out.

    >>> encodable("caf\udce9.png")
    'caf\\xe9.png'
    """
    return _SURROGATE.sub(_escaped, text)


def is_utf8(text: str) -> bool:
    r"""Whether a name is UTF-8, which some libraries take alone.

    >>> is_utf8("café.png"), is_utf8("caf\udce9.png")
    (True, False)
    """
    return _SURROGATE.search(text) is None


def printable(text: str) -> str:
    r"""The text as one line: line breaks and all other control characters written out.

    >>> printable("a\nb\x1b[2J.png")
    'a\\nb\\x1b[2J.png'
    """
    return _NOT_SHOWN.sub(_escaped, text)


def numbered(names: Sequence[str], form: str = "{} ({})") -> list[str]:
    """Names that are there once each: those that come more than once are numbered.

    >>> numbered(["a", "b", "a"])
    ['a (1)', 'b', 'a (2)']
    """
    found = list(names)
    while len(set(found)) < len(found):  # "a (1)" may have been there before
        found = [
            name if found.count(name) == 1 else form.format(name, found[:i].count(name) + 1)
            for i, name in enumerate(found)
        ]
    return found


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii")
