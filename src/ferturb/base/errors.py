"""The one exception for bad input: what was expected, what came, what to do."""

from __future__ import annotations


class FerturbError(ValueError):
    """Input ferturb can't work with.

    Its text is one line that says what was expected, what came and what to do; the command
    line prints it as it is and exits with code 2.
    """


def first_line(error: Exception) -> str:
    """The first line of an error's text, or the name of its class where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]
