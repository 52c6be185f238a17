"""The models that verbs take: run folders, and anything that `ferturb.wrap` opens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from ferturb.base.config import SIDES, DatasetConfig
from ferturb.base.config.fields import in_range
from ferturb.base.errors import FerturbError
from ferturb.base.raster import FACE_SIZE, PLAIN, Raster
from ferturb.base.reading import each_opened, from_home
from ferturb.base.text import numbered
from ferturb.cli.options import other_faces, require_data

if TYPE_CHECKING:
    from ferturb.models.wrapped import Wrapped
    from ferturb.predict.shipped import PretrainedModel
    from ferturb.runs.run import Run

_WHAT = (
    "A run folder, `clean`, `robust`, `tiny`, an ONNX file, FILE.py:NAME of a function or a torch "
    "module (the file is run, with all that it does), a folder of transformers, or a timm name "
    "with --weights."
)
Model = Positional[Annotated[str, arg(metavar="MODEL", help=_WHAT)]]
Models = Positional[Annotated[tuple[str, ...], arg(metavar="MODEL...", help=_WHAT)]]


@dataclass(frozen=True)
class ModelOptions:
    """What a model takes and gives that ferturb didn't train, where its own files don't say it."""

    classes: str | None = None
    """The names of its outputs in their order (`neutral,happy,…`; `-` for one that is no emotion),
    or the name of an order: `fer2013`, `alphabet`, `raf-db`, `affectnet`, `ck+`, `fer+`."""
    side: int | None = None
    """Pixels a side of the faces it takes (default: what its file says, else 48)."""
    channels: Literal[1, 3] | None = None
    """1 grey, 3 RGB (default: what its file says, else 1)."""
    mean: tuple[float, ...] = ()
    """Taken from the faces, which go from 0 to 1: one number, or one a channel (default: 0)."""
    std: tuple[float, ...] = ()
    """What is left is divided by it; 0.003921569 makes grey levels 0 … 255 (default: 1)."""
    target_layer: str | None = None
    """The layer of a torch module that Grad-CAM looks at, as `named_modules` calls it."""
    weights: Path | None = None
    """The weights of a timm network: safetensors, or a state_dict that torch saved."""

    def __post_init__(self) -> None:
        if self.side is not None:
            in_range("side", self.side, *SIDES)


UNSAID = ModelOptions()
"""Of a model that says all itself."""


def open_models(
    texts: Sequence[str], options: ModelOptions, refused: list[str] | None = None
) -> list[Run | Wrapped]:
    """The finished runs and the models of these names; `FerturbError` for none.

    With `refused` what is said of one that can't be opened goes there, as long as there are others.
    """
    if not texts:
        raise FerturbError(f"give at least one model: {_WHAT[0].lower()}{_WHAT[1:]}")
    own = [_is_own(text) for text in texts]  # these know their form, and take no options

    def opened(pair: tuple[str, bool]) -> Run | Wrapped:
        text, knows = pair
        return open_model(text, UNSAID if knows and not all(own) else options)

    return each_opened(zip(texts, own, strict=True), opened, refused)


def open_model(text: str, options: ModelOptions, quiet: bool = False) -> Run | Wrapped:
    """A finished run, or what `ferturb.wrap` makes of anything else; what it notes is said."""
    from ferturb.cli import terminal
    from ferturb.export.wrap import wrap
    from ferturb.predict.shipped import NAMES
    from ferturb.runs.run import Run

    said = {f.name: getattr(options, f.name) for f in fields(options)}
    said = {name: value for name, value in said.items() if value not in (None, ())}
    if not said and text not in NAMES and _is_own(text):
        return Run.open(from_home(text)).require_done()
    found = wrap(text, **said)
    if not quiet:
        terminal.notes([f"{found.name}: {note}" for note in found.notes], terminal.errors)
    return found


def titles_of(models: Sequence[Run | Wrapped]) -> list[str]:
    """What each is called on the terminal: a run by its folder; those of one name are numbered."""
    from ferturb.report.saliency.explain import model_names
    from ferturb.runs.run import Run

    named = zip(models, model_names(models), strict=True)
    return numbered([Run(o.folder.resolve()).name if isinstance(o, Run) else n for o, n in named])


def is_foreign(text: str, options: ModelOptions) -> bool:
    """Whether only `open_model` can open this: anything that ferturb neither made nor trained."""
    from ferturb.predict.onnx_session import OnnxModel
    from ferturb.predict.shipped import NAMES

    path = from_home(text)
    if options == UNSAID and text in NAMES:
        return False
    if options != UNSAID or re.fullmatch(r".+\.py:\w+", text):
        return True
    if path.suffix == ".onnx" and path.is_file():
        return not OnnxModel(path, 1).meta
    return path.is_dir() and not _is_own(text)


def for_predictor(
    text: str, options: ModelOptions, threads: int | None = None, quiet: bool = False
) -> str | PretrainedModel:
    """What `Predictor`, the page and the server take for a --model.

    A run folder and a foreign model are opened, with torch (so many `threads`); unless `quiet`,
    what is to be known of a foreign one is said.
    """
    from ferturb.predict.shipped import NAMES

    run = text not in NAMES and from_home(text).is_dir()
    if not is_foreign(text, options):
        if not run:
            return text
        from ferturb.export.torch_models import load_calibrated

        return load_calibrated(text)
    import torch

    from ferturb.cli import terminal
    from ferturb.export.answering import cut_note, in_predictor

    if threads is not None:
        torch.set_num_threads(threads)
    model = opened_alone(text, options, quiet)
    if (note := cut_note(model)) and not quiet:
        terminal.notes([f"{model.name}: {note}"], terminal.errors)
    return in_predictor(model)


def opened_alone(text: str, options: ModelOptions, quiet: bool = False) -> Wrapped:
    """A foreign model; `FerturbError` for a run, which takes no options."""
    from ferturb.export.wrap import wrap

    return wrap(open_model(text, options, quiet))


def _is_own(text: str) -> bool:
    """Whether this names a model of the package or a run folder."""
    from ferturb.export.foreign.hub_folder import is_hub_folder
    from ferturb.predict.shipped import NAMES

    path = from_home(text)
    return text in NAMES or (path.is_dir() and not is_hub_folder(path))


def raster_of(model: Run | Wrapped, source: str) -> Raster:
    """The grid on which a model is shown a source's faces: a run's own.

    For any other it is what the model takes, or what the source has where that is less: the model
    enlarges faces itself, after something was left out of them.
    """
    from ferturb.data.sources import full_raster
    from ferturb.runs.run import Run

    if isinstance(model, Run):
        return model.config.dataset.raster
    side, channels = max(model.form.side, FACE_SIZE), model.form.channels
    if (side, channels) == PLAIN:
        return PLAIN
    full = full_raster(source)
    return Raster(min(side, full.side), min(channels, full.channels))


def faces_for(
    models: Sequence[Run | Wrapped], data: str | None, label_order: str | None
) -> DatasetConfig:
    """The faces that --data names, as the first model takes them, else those of the first run.

    `FerturbError` where neither is there.
    """
    from ferturb.runs.run import Run

    require_data(data, label_order)
    if data is not None:
        return other_faces(data, label_order, raster_of(models[0], data))
    for model in models:
        if isinstance(model, Run):
            return model.config.dataset
    raise FerturbError(
        "a model that is not a run has no faces of its own; give --data, a path or `synthetic`"
    )
