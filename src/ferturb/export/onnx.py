"""ONNX: one file with everything inside, uint8 faces in, calibrated probabilities out.

    input   faces          uint8   (n, 48, 48), 0 … 255, grayscale; n is free
    output  probabilities  float32 (n, 7), in the order of `EMOTIONS`; rows add up to 1

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

import importlib
import io
import json
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ferturb.base.config import DatasetConfig, choose
from ferturb.base.errors import FerturbError
from ferturb.base.storage import write_bytes
from ferturb.data.drawn.synthetic import draw
from ferturb.data.faces import Faces
from ferturb.data.sources import load_faces
from ferturb.export.torch_models import calibrated_module
from ferturb.predict.onnx_session import META_KEY, OnnxModel
from ferturb.predict.shipped import SIDE

if TYPE_CHECKING:
    import onnx

OPSET = 17
_CALIBRATION_FACES = 512
_SYNTHETIC_SEED = 11
_KEPT = 99.999
"""Percent of a feature map's values that int8 has a range for."""


@dataclass(frozen=True)
class Exported:
    """What was written, and how it compares with torch on the same faces."""

    path: Path
    format: str
    bytes: int
    faces: int
    """Faces compared."""
    max_difference: float
    """The largest difference of a probability."""
    agreement: float
    """Share of the faces whose most probable emotion is the same."""
    accuracy: float | None = None
    """On labelled faces, if they were given."""
    accuracy_in_torch: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return asdict(self) | {"path": str(self.path)}

    def facts(self) -> dict[str, object]:
        """Lines for a terminal."""
        lines: dict[str, object] = {
            "file": f"{self.path} ({self.format}, {self.bytes / 1e6:.1f} MB)",
            "compared with torch on": f"{self.faces:,} faces",
            "largest difference of a probability": f"{self.max_difference:.1e}",
            "same most probable emotion": f"{self.agreement:.2%}",
        }
        if self.accuracy is not None and self.accuracy_in_torch is not None:
            lost = 100 * (self.accuracy_in_torch - self.accuracy)
            lines["accuracy"] = f"{self.accuracy:.2%} ({lost:+.2f} points lost)"
        return lines


def export(
    source: str | Path,
    path: Path,
    format: str = "float32",
    faces: UInt8[np.ndarray, "n h w"] | None = None,
    labels: Sequence[int] | np.ndarray | None = None,
    calibration: UInt8[np.ndarray, "m h w"] | None = None,
) -> Exported:
    """Write a pretrained model, or a run's, as one ONNX file, and compare it with torch.

    `faces` are compared on (None: synthetic ones), with `labels` for the accuracy; `calibration`
    are the faces that int8 sets its ranges by (None: synthetic ones).
    """
    make = choose("format", format, FORMATS)
    module, about = calibrated_module(source)
    model = to_onnx(module, ("faces",), ("probabilities",), example_faces(2), about.to_dict())
    if calibration is None and format == "int8":
        calibration = example_faces(_CALIBRATION_FACES)
    write_bytes(path, make(model, calibration).SerializeToString())
    compared = example_faces(128) if faces is None else faces
    return compare(module, path, format, compared, labels)


def export_with_data(
    source: str | Path, path: Path, format: str = "float32", data: str | None = None
) -> Exported:
    """`export`, compared on a dataset's test split and calibrated on its training faces."""
    if data is None:
        return export(source, path, format)
    faces = load_faces(DatasetConfig(data))
    test, train = faces.split("test"), faces.split("train")
    if not len(test) or tuple(test.images.shape[1:]) != (SIDE, SIDE):
        raise FerturbError(f"{data} has no {SIDE}×{SIDE} test faces to compare on")
    some = faces_to_calibrate_on(train) if len(train) else None
    return export(source, path, format, test.images.numpy(), test.labels.numpy(), some)


def faces_to_calibrate_on(train: Faces) -> UInt8[np.ndarray, "m h w"]:
    """Some of the training faces, evenly spread: what int8 sets its ranges by."""
    step = max(1, len(train) // _CALIBRATION_FACES)
    return np.asarray(train.images[::step][:_CALIBRATION_FACES].numpy())


def compare(
    module: nn.Module,
    path: Path,
    format: str,
    faces: UInt8[np.ndarray, "n h w"],
    labels: Sequence[int] | np.ndarray | None = None,
    expected: Float[np.ndarray, "n c"] | None = None,
) -> Exported:
    """How an ONNX file differs from the torch module it was made of.

    `expected` are the module's probabilities, if they are known already.
    """
    model = OnnxModel(path)
    if expected is None:
        expected = in_torch(module, faces)
    found = in_batches(lambda x: model.run({"faces": x})[0], faces)
    return Exported(
        path=path,
        format=format,
        bytes=path.stat().st_size,
        faces=len(faces),
        max_difference=float(np.abs(expected - found).max(initial=0.0)),
        agreement=float((expected.argmax(1) == found.argmax(1)).mean()),
        accuracy=_accuracy(found, labels),
        accuracy_in_torch=_accuracy(expected, labels),
    )


def to_onnx(
    module: nn.Module,
    inputs: Sequence[str],
    outputs: Sequence[str],
    example: np.ndarray,
    meta: Mapping[str, Any],
    fold: bool = True,
) -> onnx.ModelProto:
    """A torch module as an ONNX model whose first axes are free.

    `fold` takes batch normalisation into the convolutions; without it every weight keeps its
    name and value. A module that ONNX can't express raises `FerturbError`.
    """
    _onnx()
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
                opset_version=OPSET,
                training=mode.EVAL if fold else mode.PRESERVE,
                do_constant_folding=fold,
            )
        except Exception as error:  # whatever the tracer or the exporter stumbles over
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise FerturbError(f"this network can't be written as ONNX: {reason}") from error
    model: onnx.ModelProto = _onnx().load_from_string(buffer.getvalue())
    model.producer_name, model.doc_string = "ferturb", ""
    for node in model.graph.node:
        node.doc_string = ""
    entry = model.metadata_props.add()
    entry.key, entry.value = META_KEY, json.dumps(meta)
    return model


def example_faces(n: int) -> UInt8[np.ndarray, "n 48 48"]:
    """Synthetic faces, always the same: what is compared on without other data."""
    return draw(n, seed=_SYNTHETIC_SEED, size=SIDE).images.numpy()


def in_batches(
    run: Callable[[np.ndarray], np.ndarray], faces: UInt8[np.ndarray, "n h w"], size: int = 64
) -> Float[np.ndarray, "n c"]:
    """`run` over faces, some at a time."""
    return np.concatenate([run(faces[i : i + size]) for i in range(0, len(faces), size)])


def in_torch(module: nn.Module, faces: UInt8[np.ndarray, "n h w"]) -> Float[np.ndarray, "n c"]:
    """A module's probabilities of faces."""

    def run(some: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            found: Tensor = module(torch.from_numpy(np.ascontiguousarray(some)))
        return np.asarray(found.numpy())

    return in_batches(run, faces)


def _accuracy(probabilities: np.ndarray, labels: Sequence[int] | np.ndarray | None) -> float | None:
    if labels is None:
        return None
    return float((probabilities.argmax(1) == np.asarray(labels)).mean())


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise FerturbError(
            "writing ONNX files needs the package onnx; pip install 'ferturb[train]'"
        ) from error
    return onnx


def _as_it_is(model: onnx.ModelProto, faces: np.ndarray | None) -> onnx.ModelProto:
    return model


def _half(model: onnx.ModelProto, faces: np.ndarray | None) -> onnx.ModelProto:
    from ferturb.export.onnx_weights import halved

    return halved(model)


def _int8(model: onnx.ModelProto, faces: np.ndarray | None) -> onnx.ModelProto:
    q: Any = importlib.import_module("onnxruntime.quantization")
    assert faces is not None
    if not len(faces):
        raise FerturbError("int8 needs faces to set its ranges on, got none")
    for i, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{i}"
    as_they_are = [node.name for node in _left_in_float(model)]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(model.SerializeToString())
        with _quiet():
            q.quantize_static(
                source,
                target,
                _Faces(faces),
                quant_format=q.QuantFormat.QDQ,
                per_channel=True,
                activation_type=q.QuantType.QUInt8,
                weight_type=q.QuantType.QInt8,
                calibrate_method=q.CalibrationMethod.Percentile,
                op_types_to_quantize=["Conv", "Add", "Relu", "MaxPool", "Concat", "Gemm"],
                nodes_to_exclude=as_they_are,
                extra_options={"CalibPercentile": _KEPT},
            )
        quantised: onnx.ModelProto = _onnx().load(target)
    return quantised


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress and the advice that onnxruntime's quantisation prints."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _left_in_float(model: onnx.ModelProto) -> list[Any]:
    """The nodes that int8 leaves alone: up to the first addition, and from the last layer on.

    Rounding the early maps costs most. With the first block in float, int8 gives the same emotion
    as float32 for 99.5 to 99.6 % of PublicTest (all shipped models) in place of 98.7 to 99.4 %, at
    about a third less speed. Networks that add nothing keep their first two convolutions.
    """
    nodes = list(model.graph.node)
    layers = [i for i, n in enumerate(nodes) if n.op_type in ("Conv", "Gemm", "MatMul")]
    sums = [i for i, n in enumerate(nodes) if n.op_type == "Add" and layers[0] < i < layers[-1]]
    first = sums[0] if sums else layers[min(1, len(layers) - 1)]
    return nodes[: first + 1] + nodes[max(first + 1, layers[-1]) :]


class _Faces:
    """Calibration faces as onnxruntime's quantisation reads them: in batches of one size.

    The last batch is filled up with the first faces.
    """

    def __init__(self, faces: np.ndarray) -> None:
        size = min(64, len(faces))
        filled = np.concatenate([faces, faces[: -len(faces) % size]])
        self._batches = iter(np.split(filled, len(filled) // size))

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch, None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {"faces": batch}


FORMATS: dict[str, Callable[[onnx.ModelProto, np.ndarray | None], onnx.ModelProto]] = {
    "float32": _as_it_is,
    "float16": _half,
    "int8": _int8,
}
"""Name of a format -> what it makes of a float32 model."""
