"""What other processes can read of a training that is under way."""

from __future__ import annotations

import time
from collections.abc import Callable

from ferturb.runs.contents import SHOWN
from ferturb.runs.run import Run
from ferturb.training.loop import Step


def reporting(run: Run, on_step: Callable[[Step], None]) -> Callable[[Step], None]:
    """Pass steps on, and keep history.csv and progress.json fresh for other processes."""
    last = 0.0

    def report(step: Step) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= 2 or step.step == step.steps:
            last = now
            if step.history:
                run.write_history(step.history)
            run.write_progress({name: getattr(step, name) for name in SHOWN})
        on_step(step)

    return report
