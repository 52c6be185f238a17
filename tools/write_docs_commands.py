"""The command line's help texts as Markdown; `tools/write_docs.py` puts them into docs/."""

from __future__ import annotations

import contextlib
import io
import os
from unittest import mock

from ferturb.cli.main import VERBS, main

WIDTH = 88
"""Columns of a help text."""

_BOX = "╭"


def help_text(*words: str) -> str:
    """What `ferturb WORDS --help` prints on a terminal of `WIDTH` columns."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with (
        mock.patch.dict(os.environ, {"COLUMNS": str(WIDTH), "NO_COLOR": "1"}),
        contextlib.redirect_stdout(out),
        contextlib.suppress(SystemExit),
    ):
        main([*words, "--help"])
    printed = out.buffer.getvalue().decode()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in printed.strip().splitlines())


def commands() -> str:
    """A section for each verb, with its help text as the program prints it."""
    return "\n\n".join(_section((verb,)) for verb in VERBS)


def _section(words: tuple[str, ...]) -> str:
    text = help_text(*words)
    heading = f"{'#' * (len(words) + 1)} ferturb {' '.join(words)}"
    below = [_section((*words, verb)) for verb in VERBS[words[0]] if len(words) == 1]
    usage, prose, options = _parts(text)
    if below:
        return "\n\n".join([heading, prose, *below])
    return "\n\n".join([heading, prose, f"```text\n{usage}\n\n{options}\n```"])


def _parts(text: str) -> tuple[str, str, str]:
    """Usage, what the verb does as Markdown (its example as code), and the boxes of options."""
    head, box, rest = text.partition(_BOX)
    usage, _, prose = head.strip().partition("\n\n")
    paragraphs = []
    for paragraph in prose.strip().split("\n\n"):
        words = " ".join(paragraph.split())
        example = words.removeprefix("Example: ")
        paragraphs.append(f"    {example}" if example != words else words)
    return usage, "\n\n".join(paragraphs), box + rest
