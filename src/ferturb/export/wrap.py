"""`wrap`: anything that names emotions as one object that every tool here takes.

| model | what |
|---|---|
| a torch module | faces (b, channels, side, side) to logits or probabilities |
| a function | the same on NumPy arrays; it can only be asked, so saliency is occlusion or RISE |
| ``FILE.onnx`` | of any maker |
| a folder of transformers | its class names and its normalisation are its own |
| a timm name, with ``weights`` | |
| ``FILE.py:NAME`` | a module or a function in a Python file, which is run |
| ``clean``, ``robust``, ``tiny`` | the models in the package |
| a run, or its folder | |

Classes are told by their names, side and channels by whoever knows: see
`ferturb.models.class_names` and `ferturb.models.wrapped`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ferturb.base.checks import require_whole
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.raster import PLAIN
from ferturb.base.reading import from_home
from ferturb.data.vocabulary import ORDERS, label_order
from ferturb.export.foreign.hub_folder import is_hub_folder, of_hub_folder
from ferturb.export.foreign.onnx_files import of_onnx
from ferturb.export.foreign.opened import Opened
from ferturb.export.foreign.python_files import of_python
from ferturb.export.foreign.timm_names import of_timm
from ferturb.export.one_look import asked
from ferturb.export.torch_models import calibrated_module
from ferturb.models.class_names import Classes, classes_of
from ferturb.models.classifier import Classifier
from ferturb.models.ensemble import Ensemble
from ferturb.models.wrapped import InputForm, Wrapped
from ferturb.perturb.view_classifier import ViewClassifier
from ferturb.predict.onnx_session import OnnxModel
from ferturb.predict.shipped import NAMES, PretrainedModel, Readout, load_pretrained
from ferturb.runs.run import Run

Names = str | Sequence[str]
Numbers = float | Sequence[float]


@dataclass(frozen=True)
class _Given:
    """What the caller said; None for what was left open."""

    classes: Names | None
    side: int | None
    channels: int | None
    mean: Numbers | None
    std: Numbers | None
    target_layer: str | nn.Module | None
    weights: str | Path | None

    def refuse(self, what: str, *allowed: str) -> None:
        """`FerturbError` for anything said of a model that knows it itself, or can't use it."""
        said = [f.name for f in fields(self) if getattr(self, f.name) is not None]
        for name in said:
            if name not in allowed:
                raise FerturbError(f"{what} takes no {name}; leave {name} out")


def wrap(
    model: Any,
    classes: Names | None = None,
    *,
    side: int | None = None,
    channels: int | None = None,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    target_layer: str | nn.Module | None = None,
    weights: str | Path | None = None,
) -> Wrapped:
    """Any model, so that every tool here takes it: a torch module from faces to seven logits.

    `model`: see the table above. `classes`: the names of its outputs in their order, as a list, as
    text (``neutral,happy,…``), or the name of an order (`ORDERS`: ``affectnet``, ``raf-db``, …);
    needed wherever the model doesn't say them itself. `side`, `channels` (1 grey, 3 RGB), `mean`
    and `std`: what it takes, faces in [0, 1] less `mean` over `std` (default: what its files say,
    else 48, 1, 0 and 1). `target_layer`: the layer that Grad-CAM looks at, or its name. `weights`:
    the file with a timm network's.

    Outputs are taken as probabilities where they add up to 1, else as logits. Extra classes
    (contempt) are left aside, missing emotions are never named; both are in `Wrapped.notes`.
    Raises `FerturbError` for what can't be opened or run, and for classes that are in doubt.
    """
    given = _Given(classes, side, channels, mean, std, target_layer, weights)
    if isinstance(model, str | Path):
        return _of_text(str(model), given)
    return _of_object(model, given)


def _of_object(model: Any, given: _Given, name: str | None = None) -> Wrapped:
    if isinstance(model, Wrapped):
        given.refuse("a model that is wrapped already")
        return model
    if isinstance(model, PretrainedModel):
        given.refuse("a model of ferturb's")
        return _own(partial(asked, model), model.name)
    if isinstance(model, Run):
        given.refuse("a run")
        return _own(model.require_done().load_model(), model.name)
    if isinstance(model, Classifier | Ensemble | ViewClassifier):
        given.refuse("a network of ferturb's")
        return _own(model, name or type(model).__name__.lower())
    if not isinstance(model, nn.Module) and not callable(model):
        raise FerturbError(
            f"a model is a torch module, a function, a run, a name or a file, got "
            f"{type(model).__name__}"
        )
    given.refuse("a torch module or a function", *_FORM, "classes", "target_layer")
    name = name or str(getattr(model, "__name__", type(model).__name__))
    return _wrapped(Opened(model, name), given)


def _of_text(text: str, given: _Given) -> Wrapped:
    path, python = from_home(text), re.fullmatch(r"(.+\.py):(\w+)", text)
    if python:
        file = from_home(python[1])
        return _of_object(of_python(file, python[2]), given, f"{file.stem}:{python[2]}")
    if text in NAMES:
        given.refuse(f"the model {text}")
        return _shipped(text)
    if given.weights is not None:
        return _timm(text, given)
    if path.suffix == ".onnx":
        if OnnxModel(path).meta:
            return _of_object(load_pretrained(path, torch.get_num_threads()), given)
        return _wrapped(of_onnx(path), given)
    if path.is_dir() and is_hub_folder(path):
        return _wrapped(of_hub_folder(path), given)
    if path.is_dir():
        return _of_object(Run.open(path), given)
    raise FerturbError(
        f"{text!r} is not a run folder and not a model's file or name; give one of "
        f"{', '.join(NAMES)}, a run folder, a folder of transformers, FILE.onnx, FILE.py:FUNCTION, "
        "or a timm name with weights"
    )


_FORM = ("side", "channels", "mean", "std")


def _wrapped(opened: Opened, given: _Given) -> Wrapped:
    """A foreign model: what the caller says goes before what its files say."""
    given.refuse(f"the model {opened.name}", *_FORM, "classes", "target_layer")
    said = {name: getattr(given, name) for name in _FORM}
    found = {name: getattr(opened, name) for name in _FORM}
    form = {k: found[k] if v is None else v for k, v in said.items()}
    classes = _classes(given.classes, opened)
    layer = given.target_layer
    if isinstance(layer, nn.Module):
        layer = _name_of(layer, opened)
    return Wrapped(opened.model, classes, _form(form), opened.name, layer)


def _form(said: dict[str, Any]) -> InputForm:
    known = {name: value for name, value in said.items() if value is not None}
    for name in {"mean", "std"} & set(known):
        known[name] = tuple(map(float, np.atleast_1d(known[name]).tolist()))
    for name in {"side", "channels"} & set(known):
        known[name] = require_whole(name, known[name], 1, None)
    return InputForm(**known)


def _classes(said: Names | None, opened: Opened) -> Classes:
    if said is None and opened.classes is None:
        raise FerturbError(
            f"{opened.name} doesn't say which output is which emotion; give the names of its "
            f"classes in their order, or the name of an order ({', '.join(ORDERS)})"
        )
    if isinstance(said, str):
        order = label_order(said)
        said = [order[number] for number in sorted(order)]
    names = opened.classes if said is None else said
    return classes_of(list(names or ()))


def _name_of(layer: nn.Module, opened: Opened) -> str:
    network = opened.model if isinstance(opened.model, nn.Module) else nn.Module()
    layers: dict[str, nn.Module] = dict(network.named_modules())
    names = [name for name, module in layers.items() if module is layer]
    if not names:
        raise FerturbError(f"target_layer is not a layer of {opened.name}; give one of its modules")
    return names[0]


def _timm(name: str, given: _Given) -> Wrapped:
    classes = _classes(given.classes, Opened(nn.Identity(), name))
    channels = 3 if given.channels is None else require_whole("channels", given.channels, 1, 3)
    path = from_home(str(given.weights))
    opened = of_timm(name.removeprefix("timm:"), path, len(classes.names), channels)
    return _wrapped(opened, replace(given, weights=None))


def _own(model: Any, name: str) -> Wrapped:
    parts = model.modules() if isinstance(model, nn.Module) else ()
    raster = next((part.raster for part in parts if isinstance(part, Classifier)), PLAIN)
    return Wrapped(model, classes_of(EMOTIONS), InputForm(*raster), name)


def _shipped(name: str) -> Wrapped:
    """A model of the package in torch, without its test-time augmentation: the tools have that.

    Of a model with two heads the one that learnt labels, which is what tools compare with. Its
    calibration is put into its last layer, so that its logits are calibrated.
    """
    module, about = calibrated_module(name)
    network = module.model
    assert isinstance(network, Classifier)
    heads, labels = (
        network.config.heads,
        about.of("label" if "label" in about.heads else about.head),
    )
    rows = heads.index(labels.head) * len(EMOTIONS) + torch.arange(len(EMOTIONS))
    _calibrate(network.head, rows, labels)
    return _own(network.answering(labels.head), name)


@torch.no_grad()
def _calibrate(layer: nn.Linear, rows: torch.Tensor, readout: Readout) -> None:
    layer.weight[rows] /= readout.temperature
    layer.bias[rows] /= readout.temperature
    if readout.bias:
        layer.bias[rows] += torch.tensor(readout.bias)
