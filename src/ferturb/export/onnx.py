"""ONNX: one file with everything inside, uint8 faces in, calibrated probabilities out.

    input   faces          uint8   (n, 48, 48), 0 … 255, grayscale; n is free
    output  probabilities  float32 (n, 7), in the order of `EMOTIONS`; rows add up to 1

A model of two heads has a second output, `label_probabilities`: the first is of ten people's votes
(which share of them would say so), the second of FER2013's labels.

Scaling, normalisation, test-time augmentation, calibration and softmax are in the graph. The
file's metadata say which emotions in which order, from which probability on an answer counts,
and where the network comes from.

- ``float32``: weights and arithmetic as in torch.
- ``float16``: weights kept as float16, half the size; arithmetic in float32.
- ``int8``: static quantisation of weights (per channel) and feature maps, calibrated on faces
  (Jacob et al., "Quantization and Training of Neural Networks for Efficient
  Integer-Arithmetic-Only Inference", CVPR 2018).

Making these files needs torch and the package onnx; running them needs onnxruntime alone.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from jaxtyping import UInt8
from torch import nn

from ferturb.base.checks import require_path
from ferturb.base.config import choose
from ferturb.base.decode import FACE_SIZE
from ferturb.base.errors import FerturbError, first_line
from ferturb.base.storage import write_bytes
from ferturb.data.drawn.synthetic import draw
from ferturb.data.faces import Faces
from ferturb.export.comparison import Exported, compare
from ferturb.export.int8 import quantised
from ferturb.export.onnx_weights import halved
from ferturb.export.torch_models import calibrated_module
from ferturb.models.wrapped import Wrapped
from ferturb.predict.onnx_session import META_KEY, sealed
from ferturb.predict.shipped import About

OPSET = 17
_CALIBRATION_FACES = 512
_SYNTHETIC_SEED = 11


def export(
    source: str | Path | Wrapped,
    path: str | Path,
    format: str = "float32",
    faces: UInt8[np.ndarray, "n h w"] | None = None,
    labels: Sequence[int] | np.ndarray | None = None,
    calibration: UInt8[np.ndarray, "m h w"] | None = None,
) -> Exported:
    """Write a pretrained model, a run's, or a wrapped one as one ONNX file, and compare it.

    `faces` are compared on (None: synthetic ones), with `labels` for the accuracy; `calibration`
    are the faces that int8 sets its ranges by (None: synthetic ones).
    """
    make, path = choose("format", format, FORMATS), require_path("path", path)
    module, model = _made(source)
    write_bytes(path, sealed(make(model, calibration).SerializeToString()))
    compared = example_faces(128) if faces is None else faces
    return compare(module, path, format, compared, labels)


def _made(source: str | Path | Wrapped) -> tuple[nn.Module, onnx.ModelProto]:
    """What it is compared with, and what is written."""
    if isinstance(source, Wrapped):
        from ferturb.export.answering import Answering, wrapped_onnx  # which is made by `to_onnx`

        return Answering(source), wrapped_onnx(source)
    module, about = calibrated_module(source)
    return module, calibrated_onnx(module, about)


def export_with_data(
    source: str | Path | Wrapped,
    path: str | Path,
    format: str = "float32",
    faces: Faces | None = None,
) -> Exported:
    """`export`, compared on the test split of these faces and calibrated on their training split.

    Without faces it is `export`.
    """
    if faces is None:
        return export(source, path, format)
    test, train = faces.split("test"), faces.split("train")
    if not len(test) or tuple(test.images.shape[1:]) != (FACE_SIZE, FACE_SIZE):
        raise FerturbError(
            f"{faces.source} has no {FACE_SIZE}×{FACE_SIZE} test faces to compare on"
        )
    some = faces_to_calibrate_on(train) if len(train) else None
    return export(source, path, format, test.images.numpy(), test.labels.numpy(), some)


def faces_to_calibrate_on(train: Faces) -> UInt8[np.ndarray, "m h w"]:
    """Some of the training faces, evenly spread: what int8 sets its ranges by."""
    step = max(1, len(train) // _CALIBRATION_FACES)
    return np.asarray(train.images[::step][:_CALIBRATION_FACES].numpy())


def calibrated_onnx(module: nn.Module, about: About, fold: bool = True) -> onnx.ModelProto:
    """A calibrated module as an ONNX model that knows what it is."""
    outputs = ("probabilities", *(f"{head}_probabilities" for head in about.others))
    return to_onnx(module, ("faces",), outputs, example_faces(2), about.to_dict(), fold)


def to_onnx(
    module: nn.Module,
    inputs: Sequence[str],
    outputs: Sequence[str],
    example: np.ndarray,
    meta: Mapping[str, Any],
    fold: bool = True,
    opset: int = OPSET,
) -> onnx.ModelProto:
    """A torch module as an ONNX model whose first axes are free.

    `fold` takes batch normalisation into the convolutions; without it every weight keeps its
    name and value. A module that ONNX can't express raises `FerturbError`.
    """
    free = {name: {0: "n"} for name in (*inputs, *outputs)}
    buffer = io.BytesIO()
    mode = torch.onnx.TrainingMode
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                module.eval(),
                (torch.from_numpy(example),),
                buffer,  # type: ignore[arg-type]
                dynamo=False,  # the exporter that needs no further package
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes=free,
                opset_version=opset,
                training=mode.EVAL if fold else mode.PRESERVE,
                do_constant_folding=fold,
            )
        except Exception as error:  # whatever the tracer or the exporter stumbles over
            raise FerturbError(
                f"this network can't be written as ONNX: {first_line(error)}"
            ) from error
    model: onnx.ModelProto = onnx.load_from_string(buffer.getvalue())
    return described(model, meta)


def described(model: onnx.ModelProto, meta: Mapping[str, Any]) -> onnx.ModelProto:
    """An ONNX model that says that ferturb made it, and what it is."""
    model.producer_name, model.doc_string = "ferturb", ""
    for node in model.graph.node:
        node.doc_string = ""
    entry = model.metadata_props.add()
    entry.key, entry.value = META_KEY, json.dumps(meta)
    return model


def example_faces(n: int) -> UInt8[np.ndarray, "n 48 48"]:
    """Synthetic faces, always the same: what is compared on without other data."""
    return draw(n, seed=_SYNTHETIC_SEED, size=FACE_SIZE).images.numpy()


def _int8(model: onnx.ModelProto, faces: np.ndarray | None) -> onnx.ModelProto:
    return quantised(model, example_faces(_CALIBRATION_FACES) if faces is None else faces)


FORMATS: dict[str, Callable[[onnx.ModelProto, np.ndarray | None], onnx.ModelProto]] = {
    "float32": lambda model, faces: model,
    "float16": lambda model, faces: halved(model),
    "int8": _int8,
}
"""Name of a format -> what it makes of a float32 model."""
