"""The form of a help text: prose in lines, options that repeat in short, groups by plain names.

tyro makes the boxes of options. What it makes them of is changed by two of its private functions,
and what it prints by `finished`; with another tyro the text is as right, and less plain.
"""

from __future__ import annotations

import re
import textwrap

try:
    from tyro import _strings as strings
except ImportError:  # pragma: no cover
    strings = None  # type: ignore[assignment]

ANSI = r"\x1b\[[\d;]*m"
"""What colours a text in a terminal."""
_TITLES = {
    "model.form": "options of a foreign model",
    "form": "options of a foreign model",
    "reading": "photo and video options",
    "shown": "output options",
    "many": "options for many files",
    "perturb": "method options",
    "process": "training options",
    "changes": "options in place of the preset's",
    "options": "{verb} options",
    "benchmark": "{verb} options",
}
"""What the program calls a group of options -> what its readers call it."""
_TOGETHER = re.compile(r"\[[^\]]*\]")
"""What stays on one line of a usage."""
_TITLE = re.compile(r"╭─ (.+) options (─+)╮")
_NOISE = re.compile(rf"\(default:(?:{ANSI}|[\s│])*(?:None|False)?\)")
_BLANK = re.compile(rf"^(?:{ANSI})*│?(?:{ANSI}| ){{10,}}│?(?:{ANSI})*\n", re.MULTILINE)


def prepare() -> None:
    """Let tyro take the line breaks of a program for what they are, and say once what repeats."""
    for name, function in (
        ("remove_single_line_breaks", paragraphs),
        ("multi_metavar_from_single", lambda single: f"[{single} ...]"),
    ):
        if hasattr(strings, name):
            setattr(strings, name, function)


def paragraphs(text: str) -> str:
    r"""A docstring's paragraphs, each on one line; tyro breaks before what is no letter.

    >>> paragraphs("one\n    `two`\n\n\nthree")
    'one `two`\n\nthree'
    """
    parts = (" ".join(part.split()) for part in re.split(r"\n\s*\n", text))
    return "\n\n".join(part for part in parts if part)


def finished(printed: str, verb: str, columns: int) -> str:
    """What tyro printed of a verb, without defaults that say nothing, on so many columns."""
    text = _BLANK.sub("", _NOISE.sub(_spaces, printed))
    head, box, rest = text.partition("╭")
    start = head[head.rfind("\n") + 1 :]  # the colour of the first box
    lines = [_wrapped(line, columns) for line in head[: len(head) - len(start)].splitlines()]
    prose = re.sub(r"\n{3,}", "\n\n", "\n".join([*lines, ""]))
    return prose + "\n".join(_named(line, verb) for line in (start + box + rest).split("\n"))


def _wrapped(line: str, columns: int) -> str:
    """A line of prose, or of usage, on as many lines as it takes."""
    plain = re.sub(ANSI, "", line)
    if len(plain) <= columns:
        return line
    command = plain.startswith(("usage: ", "Example: "))
    broken = textwrap.fill(
        _TOGETHER.sub(lambda part: part[0].replace(" ", "\0"), plain) if command else plain,
        columns,
        subsequent_indent="    " if command else "",
        break_long_words=False,
        break_on_hyphens=False,
    ).replace("\0", " ")
    return broken if line == plain else broken.replace("usage:", "\x1b[1musage:\x1b[0m", 1)


def _named(line: str, verb: str) -> str:
    """The line above a group of options, with the group's plain name."""
    found = _TITLE.fullmatch(plain := re.sub(ANSI, "", line))
    if found is None or found[1] not in _TITLES:
        return line
    title = f"╭─ {_TITLES[found[1]].format(verb=verb)} "
    named = title + "─" * (len(plain) - len(title) - 1) + "╮"
    return named if plain == line else f"\x1b[37;2m{named}\x1b[0m"


def _spaces(found: re.Match[str]) -> str:
    """As much room as the text took, in the same lines."""
    return re.sub(rf"({ANSI}|[\s│])|.", lambda part: part[1] or " ", found[0])
