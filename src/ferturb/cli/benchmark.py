"""The verb `ferturb benchmark`: FER-Behind, for any model, beside any other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import OmitArgPrefixes

from ferturb.base.config import BenchmarkOptions
from ferturb.base.errors import FerturbError
from ferturb.base.text import numbered
from ferturb.cli.models import ModelOptions, Models, faces_for, open_models
from ferturb.cli.options import Computing, Json, LabelOrder, read_faces

if TYPE_CHECKING:
    from ferturb.evaluation.benchmark.scores import Entry
    from ferturb.models.wrapped import Wrapped


@dataclass(frozen=True)
class EntryOptions:
    """On which faces, and beside which entries."""

    data: str | None = None
    """A path, or `synthetic` (default: the faces the first run was trained on)."""
    label_order: LabelOrder = None
    faces: tuple[Path, ...] = ()
    """Lists of FER+ faces that are really occluded or turned away, in their published form."""
    beside: tuple[Path, ...] = ()
    """Entries (JSON) of other models, to stand beside these."""
    name: str | None = None
    """What one model is called in its entry (default: its own name)."""


def benchmark(
    models: Models,
    /,
    *,
    entry: OmitArgPrefixes[EntryOptions],
    options: OmitArgPrefixes[BenchmarkOptions],
    form: OmitArgPrefixes[ModelOptions],
    computing: OmitArgPrefixes[Computing],
    out: Path | None = None,
    json: Json = False,
) -> None:
    """FER-Behind 1: what is left of a model's accuracy when parts of the face are left behind.

    Whole faces; each facial feature left out at three areas; face masks, glasses, a hand, an
    occluder; blur, noise, light, low resolution, rotation, crop error; and as many pixels left out
    at random. Every number has its 95 % interval. A run that was stopped goes on where it was:
    give the same command again. `clean`, `robust`, `tiny` run on onnxruntime; no model is
    mirrored.

    Example: ferturb benchmark clean model.onnx --classes affectnet --data fer2013.zip --out bench

    Args:
        out: Folder for the page, an entry a model as JSON, and the tables as CSV and LaTeX.
    """
    from ferturb.base.storage import require_folder
    from ferturb.cli import terminal
    from ferturb.evaluation.benchmark.entries import entry_to_dict, read_entry, write_entry
    from ferturb.evaluation.benchmark.protocol import TITLE
    from ferturb.report.benchmark.section import benchmark_page, terminal_rows
    from ferturb.report.form.models_page import write_page
    from ferturb.report.form.tables import slugs

    if entry.name is not None and len(models) != 1:
        raise FerturbError(f"--name is for one model, and here are {len(models)}")
    if out is not None:
        require_folder(out)
    others = [read_entry(path) for path in entry.beside]
    entries = _entries(models, entry, options, form, computing, json)
    if entry.name is not None:
        entries = [replace(entries[0], name=entry.name)]
    shown = _told_apart([*entries, *others])
    files = []
    if out is not None:
        files = [out / f"{name}.json" for name in slugs([one.name for one in entries])]
        for one, path in zip(entries, files, strict=True):
            write_entry(one, path)
        files += write_page(benchmark_page(shown), out)
    if json:
        terminal.print_json([entry_to_dict(one) for one in entries])
        return
    columns = ["model", "whole %", "relative %", "excess, points", "n"]
    title = f"{TITLE}, {options.split} (95 % intervals over faces)"
    terminal.table(title, columns, terminal_rows(shown))
    if files:
        terminal.facts({"written": ", ".join(map(str, files))})


def _told_apart(entries: list[Entry]) -> list[Entry]:
    """Entries beside each other: those of one name are numbered."""
    names = numbered([one.name for one in entries])
    return [replace(one, name=name) for one, name in zip(entries, names, strict=True)]


def _entries(
    texts: tuple[str, ...],
    entry: EntryOptions,
    options: BenchmarkOptions,
    form: ModelOptions,
    computing: Computing,
    quiet: bool,
) -> list[Entry]:
    """The models asked and scored."""
    from ferturb.cli import terminal
    from ferturb.data.face_lists import read_face_list
    from ferturb.evaluation.benchmark.listed import score_lists
    from ferturb.evaluation.benchmark.measure import ask
    from ferturb.evaluation.benchmark.scores import entry_of
    from ferturb.report.saliency.explain import model_names

    for path in entry.faces:
        read_face_list(path)  # what is wrong with it is said before the work, not after
    device = computing.prepare()
    opened = open_models(texts, form)
    faces = read_faces(faces_for(opened, entry.data, entry.label_order), quiet)
    ready = [_ready(text, one, computing.threads) for text, one in zip(texts, opened, strict=True)]
    named = dict(zip(model_names(ready), ready, strict=True))
    with terminal.working("asking about faces", quiet) as bar:
        found = ask(named, faces, options, device=device, on_progress=bar)
    chosen = faces.split(options.split)
    return [entry_of(answers, score_lists(answers, chosen, entry.faces)) for answers in found]


def _ready(text: str, opened: object, threads: int | None) -> Wrapped:
    """The model as the benchmark asks it: those of the package in onnxruntime."""
    from ferturb.export.one_look import one_look
    from ferturb.export.wrap import wrap
    from ferturb.predict.shipped import NAMES

    return one_look(text, threads=threads) if text in NAMES else wrap(opened)
