"""The words of a command: what is wrong with them is one line that says what to write instead."""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import re
import shutil
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from tyro.conf import DisallowNone, FlagCreatePairsOff
from tyro.extras import SubcommandApp

from ferturb.base.errors import FerturbError
from ferturb.cli.help_form import ANSI, finished, prepare

try:
    from tyro import _errors as failures  # private: without it tyro prints a box of its own
except ImportError:  # pragma: no cover
    failures = None  # type: ignore[assignment]

prepare()

Verbs = Mapping[str, Collection[str]]
"""Each verb, and those that may follow it."""

Commands = Callable[[Sequence[str]], SubcommandApp]
"""What parses a command that begins with these words."""

_WIDEST = 100
"""Columns of a help text, at most; in more tyro puts boxes beside each other."""
_HELP = ("-h", "--help")
_KINDS = {
    "INT": ("a whole number", "whole numbers"),
    "FLOAT": ("a number", "numbers"),
    "PATH": ("a path", "paths"),
    "STR": ("a word", "words"),
}
_LISTED = re.compile(r"^│ (-.*?)(?:  |$)", re.MULTILINE)
_OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def run(commands: Commands, verbs: Verbs, arguments: Sequence[str]) -> None:
    """Parse the arguments and call the verb that they name; what is wrong raises `FerturbError`."""

    def refuse(event: Any) -> None:
        verb = _verb(arguments, verbs)
        more = f"see {' '.join(['ferturb', *verb])} --help"
        try:
            said = _said(event, arguments, verb, verbs, partial(help_text, commands))
        except (AttributeError, LookupError, TypeError):
            return  # another tyro, whose own words follow
        raise FerturbError(said + more)

    with contextlib.nullcontext() if failures is None else failures.on_parse_error(refuse):
        words = [word for word in arguments if word not in _HELP]
        if len(words) < len(arguments) and _verb(words, verbs):
            sys.stdout.write(help_text(commands, words))
            sys.exit(0)
        _call(commands, words)


def help_text(commands: Commands, arguments: Sequence[str]) -> str:
    """What `--help` prints of a verb."""
    printed = _LikeStdout()
    before, columns = os.environ.get("COLUMNS", ""), shutil.get_terminal_size().columns
    os.environ["COLUMNS"] = str(columns := min(columns, _WIDEST))
    try:
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            _call(commands, [*arguments, "--help"])
    finally:
        os.environ["COLUMNS"] = before  # an empty one counts as none
    return finished(printed.getvalue(), (*arguments, "")[0], columns)


def _call(commands: Commands, arguments: Sequence[str]) -> None:
    config = (FlagCreatePairsOff, DisallowNone)
    commands(arguments).cli(prog="ferturb", args=list(arguments), config=config)


class _LikeStdout(io.StringIO):
    """A text that is written as standard output would be: with its letters and its colours."""

    def __init__(self) -> None:
        super().__init__()
        self._real = sys.stdout

    @property
    def encoding(self) -> str | None:  # type: ignore[override]
        name = getattr(self._real, "encoding", None)
        return None if name is None else str(name).lower()

    def isatty(self) -> bool:
        return self._real.isatty()


def _said(
    event: Any,
    arguments: Sequence[str],
    verb: Sequence[str],
    verbs: Verbs,
    help_of: Callable[[Sequence[str]], str],
) -> str:
    """What is wrong and what was expected, up to the hint where more is to be read."""
    name, command = type(event).__name__, " ".join(["ferturb", *verb])
    unknown = getattr(event, "tokens", getattr(event, "unrecognized_tokens", ()))
    argument = getattr(event, "argument", None)
    if name == "BadValue" and event.argument.is_positional():  # an option stands in its place
        given, known = (a for a in arguments if a.startswith("-")), _options(help_of(verb))
        unknown = [option for option in given if option.partition("=")[0] not in known]
    if unknown:
        return f"{_unknown(unknown[0], verb, verbs, help_of)}; "
    if name == "MissingSubcommand":
        return f"{command} needs one of {', '.join(event.subcommand_spec.parser_from_name)}; "
    if name == "MissingArgs":
        missing = ", ".join(_flag(found.arg) for found in event.missing_arguments)
        return f"{command} needs {missing}; "
    if name == "InvalidChoice":
        choices = sorted(set(event.choices) - {"None"})
        got = f"{_short(event.value)}{_near(event.value, choices)}"
        return f"{_flag(argument)} takes one of {', '.join(choices)}, got {got}; "
    if argument is not None:
        wrong = f"got {_given(argument, arguments)}"
        if name == "BadValue":
            wrong = "and nothing came"
        return f"{_flag(argument)} takes {_kind(argument)}, {wrong}; "
    words = str(getattr(event, "message", "")) or "this can't be understood"
    return f"{words.splitlines()[0]}; "


def _unknown(
    token: str, verb: Sequence[str], verbs: Verbs, help_of: Callable[[Sequence[str]], str]
) -> str:
    """A word that has no place, and the one that may be meant."""
    if token.startswith("-"):
        option = token.partition("=")[0]
        known = [name for name in _options(help_of(verb)) if name.startswith("--")]
        return f"unknown option {_short(option)}{_near(option, known)}"
    known = list(verbs[verb[0]] if len(verb) == 1 else () if verb else verbs)
    if known:
        return f"unknown verb {_short(token)}{_near(token, known)}"
    return f"{' '.join(['ferturb', *verb])} has no use for {_short(token)}"


def _options(text: str) -> list[str]:
    """Those that a help text lists; other verbs' may be spoken of in it."""
    rows = _LISTED.findall(re.sub(ANSI, "", text))
    return sorted({option for row in rows for option in _OPTION.findall(row)})


def _verb(arguments: Sequence[str], verbs: Verbs) -> list[str]:
    """The verb that the arguments begin with, and what is done of it, as in `data info`."""
    found = [word for word in arguments[:1] if word in verbs]
    return found + [word for word in arguments[1:2] if found and word in verbs[found[0]]]


def _near(word: str, known: Sequence[str]) -> str:
    """A question for the word that was meant, if there is one like it."""
    close = difflib.get_close_matches(word, known, 1, 0.65)
    return f" (did you mean {close[0]}?)" if close else ""


def _flag(argument: Any) -> str:
    flags = argument.lowered.name_or_flags
    return str(argument.lowered.metavar if argument.is_positional() else flags[0])


def _kind(argument: Any) -> str:
    words: list[str] = re.findall(r"[A-Z]+", str(argument.lowered.metavar))
    one, many = _KINDS.get(words[0], (words[0].lower(),) * 2) if words else ("a value", "values")
    if not isinstance(argument.lowered.nargs, int):
        return many
    return one if argument.lowered.nargs == 1 or len(words) < 2 else f"{len(words)} {many}"


def _given(argument: Any, arguments: Sequence[str]) -> str:
    """What was given to an option, as far as it can be told."""
    count = argument.lowered.nargs if isinstance(argument.lowered.nargs, int) else 1
    for flag in argument.lowered.name_or_flags:
        for place, word in enumerate(arguments):
            if word.startswith(f"{flag}="):
                return _short(word.partition("=")[2])
            if word == flag:
                return " ".join(map(_short, arguments[place + 1 : place + 1 + count]))
    return "something else"


def _short(word: str) -> str:
    return repr(word if len(word) <= 60 else f"{word[:60]}…")
