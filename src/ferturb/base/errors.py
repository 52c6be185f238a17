"""The one exception for bad input: what was expected, what came, what to do."""

from __future__ import annotations


class FerturbError(ValueError):
    """Input ferturb can't work with.

    Its text is one line that says what was expected, what came and what to do; the command
    line prints it as it is and exits with code 2.
    """


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or the name of its type where it has none."""
    return (str(error).splitlines() or [""])[0] or type(error).__name__
