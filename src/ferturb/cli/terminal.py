"""What the command line shows on a terminal: tables, progress bars, one-line errors."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from ferturb.base.storage import finite
from ferturb.base.text import encodable, printable

if TYPE_CHECKING:
    from ferturb.study.jobs import Job
    from ferturb.training.loop import Step

errors = Console(stderr=True, highlight=False, emoji=False)
out = Console(highlight=False, emoji=False)
if not out.is_terminal:
    out.width = 160  # a file or a pipe has no width of its own: don't cut names short


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table whose first column is words and whose others are numbers."""
    heading = Text(printable(title))
    shown = Table(title=heading, title_justify="left", header_style="bold", title_style="bold")
    for i, column in enumerate(columns):
        shown.add_column(Text(column), justify="left" if i == 0 else "right", no_wrap=True)
    for row in rows:
        cells = (cell if isinstance(cell, str) else f"{cell:,}" for cell in row)
        shown.add_row(*(Text(printable(cell)) for cell in cells))
    out.print(shown)


def line(text: str) -> None:
    """One line on standard output, as it is."""
    out.print(printable(text), markup=False, soft_wrap=True)


def json_text(value: object, indent: int | None = None) -> str:
    """JSON that any parser reads: null stands for what is not a finite number."""
    return json.dumps(finite(value, encodable), indent=indent, allow_nan=False)


def print_json(value: object) -> None:
    """JSON on standard output, for a script to read."""
    sys.stdout.write(json_text(value, indent=2) + "\n")


def facts(pairs: Mapping[str, object]) -> None:
    """Lines of "name  value"."""
    width = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        text = f"{value:,}" if isinstance(value, int) else str(value)
        out.print(Text(f"{name.ljust(width)}  ", "bold"), end="")
        line(text)


def notes(lines: Sequence[str], to: Console | None = None) -> None:
    """What the reader should know about a dataset; on standard output unless said otherwise."""
    to = to or out
    for text in lines:
        to.print("[yellow]note[/yellow] ", end="")
        to.print(printable(text), markup=False, soft_wrap=True)


def error(message: str) -> None:
    """One line on standard error about what went wrong."""
    errors.print("[red]error[/red] ", end="")
    errors.print(printable(message), markup=False, soft_wrap=True)


def _bars(quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("[dim]{task.fields[info]}"),
        TimeElapsedColumn(),
        TextColumn("[dim]left"),
        TimeRemainingColumn(),
        console=errors,
        refresh_per_second=4,
        disable=quiet or not errors.is_terminal,
    )


@contextlib.contextmanager
def working(title: str, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A progress bar for long work; call it with (done, total)."""
    with _bars(quiet) as bars:
        task = bars.add_task(escape(printable(title)), total=None, info="")
        yield lambda done, total: bars.update(task, completed=done, total=total)
        bars.remove_task(task)


@contextlib.contextmanager
def training(name: str, quiet: bool = False) -> Iterator[Callable[[Step], None]]:
    """A progress bar over the steps of a training; a line an epoch where there is no terminal."""
    with _bars(quiet) as bars:
        task = bars.add_task(escape(printable(name)), total=None, info="")
        shown = 0

        def report(step: Step) -> None:
            nonlocal shown
            last = step.history[-1] if step.history else None
            info = "" if last is None else f", validation {share(last.validation_accuracy, 1)}"
            _advance(bars, task, vars(step), info)
            if last is not None and last.epoch != shown and not quiet and not errors.is_terminal:
                shown = last.epoch
                errors.print(
                    f"{printable(name)} epoch {last.epoch}/{step.epochs}: "
                    f"loss {last.train_loss:.3f}, "
                    f"validation {share(last.validation_accuracy, 2)}, {last.seconds:.0f} s",
                    markup=False,
                )

        yield report


def share(value: float | None, digits: int) -> str:
    """A share in percent, or a dash where it was not measured (None or NaN)."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}%}"


def _advance(bars: Progress, task: TaskID, step: Mapping[str, Any], more: str = "") -> None:
    """Move a training's bar to where its step is."""
    bars.update(
        task,
        completed=(step["epoch"] - 1) * step["steps"] + step["step"],
        total=step["epochs"] * step["steps"],
        info=f"epoch {step['epoch']}/{step['epochs']}, "
        f"{step['faces_per_second']:,.0f} faces/s{more}",
    )


@contextlib.contextmanager
def study(
    quiet: bool = False, title: str = "study"
) -> Iterator[tuple[Callable[[Sequence[Job]], None], Callable[[str, int, int], None]]]:
    """A bar for every running run and one for the whole; plain lines where there is no terminal.

    Gives two functions: one takes the jobs, the other an analysis' title and how much of it is
    done, of how much.
    """
    with _bars(quiet) as bars:
        shown = _StudyBars(bars, quiet, title)
        yield shown.on_change, shown.on_analysis


def _bar_title(text: str) -> str:
    """What a bar of a study is about, in two fifths of the terminal; its middle is left out."""
    shown, most = printable(text), max(24, 2 * errors.width // 5)
    if len(shown) > most:
        shown = f"{shown[: most // 3]}…{shown[len(shown) - (most - most // 3 - 1) :]}"
    return escape(shown)


class _StudyBars:
    """The bars of a study, and what they showed last."""

    def __init__(self, bars: Progress, quiet: bool, title: str) -> None:
        self.bars, self.quiet = bars, quiet
        self.whole = bars.add_task(f"[bold]{title}", total=None, info="runs")
        self.tasks: dict[str, TaskID] = {}
        self.states: dict[str, str] = {}
        self.started = time.monotonic()

    def on_change(self, jobs: Sequence[Job]) -> None:
        """Show how the runs stand; a line for each that changed since the last call."""
        finished = sum(job.state == "done" for job in jobs)
        self.bars.update(self.whole, completed=finished, total=len(jobs))
        for job in jobs:
            name = job.run.name
            if job.state == "running":
                if name not in self.tasks:
                    title = _bar_title(name)
                    self.tasks[name] = self.bars.add_task(title, total=None, info="starting")
                progress = job.run.progress()
                if progress:
                    _advance(self.bars, self.tasks[name], progress)
            elif name in self.tasks:
                self.bars.remove_task(self.tasks.pop(name))
            if self.states.get(name, job.state) != job.state:
                self._line(f"{name}  {job.state}{f': {job.error}' if job.error else ''}")
            self.states[name] = job.state

    def on_analysis(self, title: str, done: int, total: int) -> None:
        """Show how far an analysis is; a line for its start where there are no bars."""
        if title not in self.tasks:
            self.tasks[title] = self.bars.add_task(_bar_title(title), total=total, info="")
        self.bars.update(self.tasks[title], completed=done, total=total)
        if done == total:  # of a part of it, if it goes on
            self.bars.remove_task(self.tasks.pop(title))
        if self.bars.disable and title not in self.states:
            self._line(title)
        self.states[title] = "analysed"

    def _line(self, text: str) -> None:
        if not self.quiet:
            minutes = (time.monotonic() - self.started) / 60
            self.bars.console.print(f"[dim]{minutes:6.1f} min[/dim]  ", end="")
            self.bars.console.print(printable(text), markup=False)
