"""What the command line shows on a terminal: tables, progress bars, one-line errors."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
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

if TYPE_CHECKING:
    from ferturb.study.local import Job
    from ferturb.training.loop import Step

errors = Console(stderr=True, highlight=False)
out = Console(highlight=False)
if not out.is_terminal:
    out.width = 160  # a file or a pipe has no width of its own: don't cut names short


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table whose first column is words and whose others are numbers."""
    shown = Table(title=title, title_justify="left", header_style="bold", title_style="bold")
    for i, column in enumerate(columns):
        shown.add_column(column, justify="left" if i == 0 else "right", no_wrap=True)
    for row in rows:
        shown.add_row(*(cell if isinstance(cell, str) else f"{cell:,}" for cell in row))
    out.print(shown)


def print_json(value: object) -> None:
    """JSON on standard output, for a script to read."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def facts(pairs: Mapping[str, object]) -> None:
    """Lines of "name  value"."""
    width = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        text = f"{value:,}" if isinstance(value, int) else str(value)
        out.print(f"[bold]{name.ljust(width)}[/bold]  ", end="")
        out.print(text, markup=False)


def notes(lines: Sequence[str]) -> None:
    """What the reader should know about a dataset."""
    for line in lines:
        out.print("[yellow]note[/yellow] ", end="")
        out.print(line, markup=False)


def _bars() -> Progress:
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
    )


@contextlib.contextmanager
def reading(quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A progress bar for reading a source; call it with (done, total)."""
    bars = _bars()
    bars.disable = quiet or not errors.is_terminal
    with bars:
        task = bars.add_task("reading faces", total=None, info="")
        yield lambda done, total: bars.update(task, completed=done, total=total)
        bars.remove_task(task)


@contextlib.contextmanager
def working(title: str, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A progress bar for any other long work; call it with (done, total)."""
    bars = _bars()
    bars.disable = quiet or not errors.is_terminal
    with bars:
        task = bars.add_task(title, total=None, info="")
        yield lambda done, total: bars.update(task, completed=done, total=total)
        bars.remove_task(task)


@contextlib.contextmanager
def training(name: str, quiet: bool = False) -> Iterator[Callable[[Step], None]]:
    """A progress bar over the steps of a training, and a line for each finished epoch."""
    bars = _bars()
    bars.disable = quiet or not errors.is_terminal
    with bars:
        task = bars.add_task(name, total=None, info="")
        shown = 0

        def report(step: Step) -> None:
            nonlocal shown
            last = step.history[-1] if step.history else None
            info = f"epoch {step.epoch}/{step.epochs}, {step.faces_per_second:,.0f} faces/s"
            if last is not None:
                info += f", validation {last.validation_accuracy:.1%}"
            bars.update(
                task,
                completed=(step.epoch - 1) * step.steps + step.step,
                total=step.epochs * step.steps,
                info=info,
            )
            if last is not None and last.epoch != shown and not quiet and not errors.is_terminal:
                shown = last.epoch
                errors.print(
                    f"{name} epoch {last.epoch}/{step.epochs}: loss {last.train_loss:.3f}, "
                    f"validation {last.validation_accuracy:.2%}, {last.seconds:.0f} s"
                )

        yield report


@contextlib.contextmanager
def study(
    quiet: bool = False,
) -> Iterator[tuple[Callable[[Sequence[Job]], None], Callable[[str, int, int], None]]]:
    """A bar for every running run and one for the whole; plain lines where there is no terminal.

    Gives two functions: one takes the jobs, the other an analysis' title and how much of it is
    done, of how much.
    """
    bars = _bars()
    live = errors.is_terminal and not quiet
    bars.disable = not live
    tasks: dict[str, TaskID] = {}
    states: dict[str, str] = {}
    started = time.monotonic()
    with bars:
        whole = bars.add_task("[bold]study", total=None, info="runs")

        def report(jobs: Sequence[Job]) -> None:
            finished = sum(job.state == "done" for job in jobs)
            bars.update(whole, completed=finished, total=len(jobs))
            for job in jobs:
                name, old = job.run.name, states.get(job.run.name)
                states[name] = job.state
                if job.state == "running":
                    if name not in tasks:
                        tasks[name] = bars.add_task(name, total=None, info="starting")
                    _advance(bars, tasks[name], job.progress())
                elif name in tasks:
                    bars.remove_task(tasks.pop(name))
                if old != job.state and old is not None and not quiet:
                    minutes = (time.monotonic() - started) / 60
                    said = f"{job.state}: {job.error}" if job.error else job.state
                    bars.console.print(f"[dim]{minutes:6.1f} min[/dim]  {name}  {said}")

        def analysed(title: str, done: int, total: int) -> None:
            if "analysis" not in tasks:
                tasks["analysis"] = bars.add_task(title, total=total, info="")
            bars.update(tasks["analysis"], description=title, completed=done, total=total)
            if done == 0 and not quiet and not live:
                minutes = (time.monotonic() - started) / 60
                bars.console.print(f"[dim]{minutes:6.1f} min[/dim]  {title}")

        yield report, analysed


def _advance(bars: Progress, task: TaskID, progress: Mapping[str, Any]) -> None:
    if not progress:
        return
    bars.update(
        task,
        completed=(progress["epoch"] - 1) * progress["steps"] + progress["step"],
        total=progress["epochs"] * progress["steps"],
        info=f"epoch {progress['epoch']}/{progress['epochs']}, "
        f"{progress['faces_per_second']:,.0f} faces/s",
    )
