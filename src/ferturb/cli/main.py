"""The command line: one function a verb, no logic.

Every verb parses its options, calls the library, and shows what came back. Bad input is one line
on standard error and exit code 2, some of several files that can't be read exit code 1; Ctrl-C is
exit code 130.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence

from tyro.extras import SubcommandApp

from ferturb import __version__
from ferturb.base.errors import FerturbError, missing
from ferturb.cli.ablate import ablate
from ferturb.cli.app import app, serve
from ferturb.cli.benchmark import benchmark
from ferturb.cli.data import VERBS as DATA_VERBS
from ferturb.cli.demo import demo
from ferturb.cli.evaluate import evaluate
from ferturb.cli.explain import explain, faithfulness
from ferturb.cli.features import leave_out, mask
from ferturb.cli.parsing import run
from ferturb.cli.predict import export, predict
from ferturb.cli.push import push
from ferturb.cli.search import search
from ferturb.cli.study import report, study
from ferturb.cli.train import train

DESCRIPTION = (
    "Which facial features does an emotion classifier need, and does leaving some behind make it "
    "better?"
)
DATA = "Look at face datasets, fetch them, draw them."
GROUPS: dict[str, dict[str, Callable[..., None] | None]] = {
    "Use a model": {"demo": demo, "predict": predict, "app": app},
    "Hand it on": {"export": export, "serve": serve, "push": push},
    "Train and compare": {
        "train": train,
        "evaluate": evaluate,
        "search": search,
        "study": study,
        "report": report,
    },
    "Look into a model": {
        "benchmark": benchmark,
        "ablate": ablate,
        "explain": explain,
        "faithfulness": faithfulness,
    },
    "Faces": {"data": None, "leave-out": leave_out, "mask": mask},
}
"""The verbs by what they are for; `data` has verbs of its own."""
_TARGETS = {name: verb for group in GROUPS.values() for name, verb in group.items()}
VERBS = {name: DATA_VERBS if verb is None else () for name, verb in _TARGETS.items()}


def commands(begin: Sequence[str] = ()) -> SubcommandApp:
    """What a command is parsed with: the verb that it begins with alone, or all where it names
    none. A parser of one verb is made in two thirds of the time that one of all takes."""
    app = SubcommandApp()
    for name in _named(VERBS, begin[:1]):
        verb = _TARGETS[name]
        if verb is not None:
            app.command(name=name)(verb)
            continue
        data = SubcommandApp()
        for own in _named(DATA_VERBS, begin[1:2]):
            data.command(name=own)(DATA_VERBS[own])
        app.command(data, name=name, help=DATA)
    return app


def _named(verbs: Mapping[str, object], word: Sequence[str]) -> Sequence[str]:
    """The verb of that name; all of them if there is no such verb."""
    return [name for name in word if name in verbs] or list(verbs)


def main(arguments: list[str] | None = None) -> None:
    """The entry point of `ferturb`."""
    from ferturb.cli import streams, terminal

    streams.prepare()
    try:
        _run(arguments)
    except FerturbError as error:
        terminal.error(str(error))
        sys.exit(2)
    except ModuleNotFoundError as error:
        if not error.name:
            raise
        terminal.error(str(missing(error)))
        sys.exit(2)
    except KeyboardInterrupt:
        terminal.errors.print("stopped; give the same command again to go on")
        sys.exit(130)
    except BrokenPipeError:  # whoever read along has enough
        streams.abandon()
        sys.exit(1)
    except OSError as error:
        streams.abandon()
        terminal.error(streams.reason(error))
        sys.exit(2)
    except MemoryError:
        terminal.error("this needs more memory than there is; give less at a time")
        sys.exit(2)


def _run(arguments: list[str] | None) -> None:
    given = sys.argv[1:] if arguments is None else arguments
    try:
        if given in ([], ["-h"], ["--help"], ["--version"]):
            sys.stdout.write(f"ferturb {__version__}\n" if "--version" in given else overview())
            sys.exit(0)
        run(commands, VERBS, given)
    finally:
        sys.stdout.flush()  # here, where a full disk can still be said


def overview() -> str:
    """What `ferturb --help` prints: the verbs, by what they are for, each with what it does."""
    wide = max(map(len, VERBS)) + 2
    lines = ["usage: ferturb VERB …", "", *textwrap.wrap(DESCRIPTION, 79)]
    for title, group in GROUPS.items():
        lines += ["", f"{title}:"]
        for name, verb in group.items():
            does = DATA if verb is None else (verb.__doc__ or "").split("\n\n")[0]
            lines += textwrap.wrap(
                " ".join(does.split()),
                79,
                initial_indent=f"  {name.ljust(wide)}",
                subsequent_indent=" " * (wide + 2),
            )
    return "\n".join([*lines, "", "ferturb VERB --help says more; ferturb --version.", ""])
