"""The command line: one function a verb, no logic.

Every verb parses its options, calls the library, and shows what came back. Bad input is one line
on standard error and exit code 2, some of several files that can't be read exit code 1; Ctrl-C is
exit code 130.
"""

from __future__ import annotations

import sys

from tyro.conf import FlagCreatePairsOff
from tyro.extras import SubcommandApp

from ferturb.base.errors import FerturbError, missing
from ferturb.cli.ablate import ablate
from ferturb.cli.app import app, serve
from ferturb.cli.data import data
from ferturb.cli.evaluate import evaluate
from ferturb.cli.explain import explain, faithfulness
from ferturb.cli.features import leave_out, mask
from ferturb.cli.predict import export, predict
from ferturb.cli.push import push
from ferturb.cli.study import report, study
from ferturb.cli.train import train

commands = SubcommandApp()
commands.command(train)
commands.command(evaluate)
commands.command(name="leave-out")(leave_out)
for verb in (mask, study, report, ablate, explain, faithfulness, predict, export, push, app, serve):
    commands.command(verb)
commands.command(data, name="data", help="Look at face datasets, fetch them, draw them.")


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
    try:
        commands.cli(
            prog="ferturb",
            description="Which facial features does an emotion classifier need, and does leaving "
            "some behind make it better?",
            args=arguments,
            config=(FlagCreatePairsOff,),
        )
    finally:
        sys.stdout.flush()  # here, where a full disk can still be said
