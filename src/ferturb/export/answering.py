"""A wrapped model behind the predictor, and as a file of ferturb's that needs no torch.

The predictor cuts faces out as FER2013 has them, 48×48 and grey; a model that takes more is shown
them enlarged, with grey repeated for RGB. Its probabilities are taken as they are: nothing says for
which frequencies of emotions they hold, so those of FER2013 are assumed where others are asked for.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import onnx
import torch
from jaxtyping import Float, Shaped, UInt8
from onnx import compose, version_converter
from torch import Tensor, nn

from ferturb.base.decode import FACE_SIZE
from ferturb.base.errors import FerturbError, first_line
from ferturb.export.comparison import run_in_torch
from ferturb.export.foreign.onnx_files import OnnxFunction
from ferturb.export.onnx import OPSET, calibrated_onnx, described, to_onnx
from ferturb.models.wrapped import Wrapped
from ferturb.predict.shipped import About, PretrainedModel

_OPSETS = range(13, 21)
"""What torch writes, and `onnx.compose` can join without a loss."""


class Answering(nn.Module):
    """Faces as they are stored to probabilities: a wrapped model and all that belongs to it."""

    def __init__(self, model: Wrapped) -> None:
        super().__init__()
        self.model = model
        self.eval()

    def forward(self, faces: Shaped[Tensor, "b h w"]) -> tuple[Float[Tensor, "b 7"], ...]:
        """uint8 faces -> probabilities, float32; rows add up to 1."""
        return (self.model(_input(faces)).softmax(1),)


def in_predictor(model: Wrapped) -> PretrainedModel:
    """A wrapped model as `ferturb.Predictor`, the page and the server take one."""
    return PretrainedModel(_about(model), "wrapped", partial(run_in_torch, Answering(model)))


def cut_note(model: Wrapped) -> str | None:
    """What to know of a model that takes more of a face than the predictor cuts out."""
    form = model.form
    if (form.side, form.channels) == (FACE_SIZE, 1):
        return None
    colour = "grey" if form.channels == 1 else "RGB"
    return (
        f"it takes faces of {form.side}×{form.side} {colour} and is shown those that the predictor "
        f"cuts out, {FACE_SIZE}×{FACE_SIZE} grey, enlarged"
    )


def wrapped_onnx(model: Wrapped) -> onnx.ModelProto:
    """A wrapped torch module or ONNX file as an ONNX model that knows what it is.

    `FerturbError` for a function, and for what ONNX can't express or join.
    """
    if model.network is not None:
        return calibrated_onnx(Answering(model), _about(model))
    if not isinstance(model.function, OnnxFunction):
        raise FerturbError(
            f"{model.name} is a function, which can't be written as ONNX; give the torch module "
            "or the ONNX file that it asks"
        )
    if model.function.batch is not None:
        raise FerturbError(
            f"{model.name} takes exactly {model.function.batch} faces at a time; write it anew "
            "with its first axis left free"
        )
    try:
        return described(_joined(model, model.function), _about(model).to_dict())
    except FerturbError:
        raise
    except Exception as error:  # onnx has an exception class of its own for each failure
        raise FerturbError(
            f"{model.function.model.path} can't be joined with what prepares its faces: "
            f"{first_line(error)}; give the torch module that it was made of"
        ) from error


def _about(model: Wrapped) -> About:
    return About(name=model.name)


def _joined(model: Wrapped, function: OnnxFunction) -> onnx.ModelProto:
    """What prepares faces, the file, and what makes probabilities of its first output."""
    inner = onnx.load(function.model.path)
    opset = max(o.version for o in inner.opset_import if o.domain in ("", "ai.onnx"))
    if opset not in _OPSETS:
        inner = version_converter.convert_version(inner, OPSET)
        opset = OPSET
    faces = np.zeros((2, FACE_SIZE, FACE_SIZE), np.uint8)
    given = function.as_taken(model.form.prepared(_input(torch.from_numpy(faces))).numpy())
    found = function.model.run({function.name: given})[0]
    before = to_onnx(_Before(model, function), ("faces",), ("given",), faces, {}, opset=opset)
    after = to_onnx(_After(model), ("found",), ("probabilities",), found, {}, opset=opset)
    parts = [before, inner, compose.add_prefix(after, "after/", rename_outputs=False)]
    for part in parts:
        part.ir_version = inner.ir_version
        del part.metadata_props[:]
    inner = compose.add_prefix(inner, "model/")
    first = inner.graph.output[0].name
    ready = compose.merge_models(before, inner, [("given", f"model/{function.name}")], [], [first])
    whole = compose.merge_models(ready, parts[2], [(first, "after/found")])
    domains = {entry.domain: entry for entry in whole.opset_import}  # each was there three times
    kept = list(domains.values())
    del whole.opset_import[:]
    whole.opset_import.extend(kept)
    return whole


def _input(faces: UInt8[Tensor, "b h w"]) -> Float[Tensor, "b 1 h w"]:
    return faces.unsqueeze(1).float() / 255


class _Before(nn.Module):
    """uint8 faces to what an ONNX file takes (`OnnxFunction.as_taken`)."""

    def __init__(self, model: Wrapped, function: OnnxFunction) -> None:
        super().__init__()
        self.form, self.last = model.form, function.last
        self.kind: torch.dtype = torch.from_numpy(np.zeros(0, function.kind)).dtype

    def forward(self, faces: Tensor) -> Tensor:
        x = self.form.prepared(_input(faces))
        x = x.permute(0, 2, 3, 1) if self.last else x
        return (x.clamp(0, 255).round() if self.kind == torch.uint8 else x).to(self.kind)


class _After(nn.Module):
    """The outputs of a model to probabilities of the seven emotions."""

    def __init__(self, model: Wrapped) -> None:
        super().__init__()
        self.by_emotion: Any = model.by_emotion

    def forward(self, found: Tensor) -> Tensor:
        probabilities: Tensor = self.by_emotion(found.float()).softmax(1)
        return probabilities
