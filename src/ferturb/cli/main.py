"""The command line: one function a verb, no logic.

Every verb parses its options, calls the library, and shows what came back. Bad input is one line
on standard error and exit code 2; Ctrl-C is exit code 130.
"""

from __future__ import annotations

import sys

from tyro.conf import FlagCreatePairsOff
from tyro.extras import SubcommandApp

from ferturb.base.errors import FerturbError
from ferturb.cli.ablate import ablate
from ferturb.cli.app import app
from ferturb.cli.data import data
from ferturb.cli.evaluate import evaluate
from ferturb.cli.explain import explain, faithfulness
from ferturb.cli.features import leave_out, mask
from ferturb.cli.predict import export, predict
from ferturb.cli.study import report, study
from ferturb.cli.train import train

commands = SubcommandApp()
commands.command(train)
commands.command(evaluate)
commands.command(name="leave-out")(leave_out)
for verb in (mask, study, report, ablate, explain, faithfulness, predict, export, app):
    commands.command(verb)
commands.command(data, name="data", help="Look at face datasets, fetch them, draw them.")


def main(arguments: list[str] | None = None) -> None:
    """The entry point of `ferturb`."""
    from ferturb.cli import terminal

    try:
        commands.cli(
            prog="ferturb",
            description="Which facial features does an emotion classifier need, and does leaving "
            "some behind make it better?",
            args=arguments,
            config=(FlagCreatePairsOff,),
        )
    except FerturbError as error:
        terminal.error(str(error))
        sys.exit(2)
    except ModuleNotFoundError as error:
        if not error.name:
            raise
        message = f"this needs the package {error.name}; pip install 'ferturb[train]'"
        if error.name.startswith("ferturb."):
            message = f"this installation was trimmed and has no {error.name}; install ferturb anew"
        terminal.error(message)
        sys.exit(2)
    except KeyboardInterrupt:
        terminal.errors.print("stopped; give the same command again to go on")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
