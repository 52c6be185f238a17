"""The command line: one function a verb, no logic.

Every verb parses its options, calls the library, and shows what came back. Bad input is one line
on standard error and exit code 2; Ctrl-C is exit code 130.
"""

from __future__ import annotations

import sys

from tyro.conf import FlagCreatePairsOff
from tyro.extras import SubcommandApp

from ferturb.base.errors import FerturbError
from ferturb.cli import ablate, app, data, evaluate, explain, features, predict, study, train

commands = SubcommandApp()
for verb in (train, evaluate, features, study, ablate, explain, predict, app, data):
    verb.register(commands)


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
