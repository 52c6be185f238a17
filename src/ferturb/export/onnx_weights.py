"""The weights of an ONNX file: stored as float16, or shared with a safetensors file beside it.

Both change how weights are *kept*; the arithmetic stays float32: each float16 weight passes
through a Cast, which onnxruntime computes once, when it opens the file. A processor gains nothing
from float16 arithmetic, but half the bytes are half the download.

A shared file is read in place: ONNX's external data are (file, offset, length), and that is
just how a safetensors file keeps its tensors. So the package ships each network's weights once,
for torch and for onnxruntime.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ferturb.base.errors import FerturbError

_TYPES = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with its kernels and matrices kept as float16."""
    kept: list[TensorProto] = []
    casts: list[onnx.NodeProto] = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or len(weight.dims) < 2:
            kept.append(weight)
            continue
        half = numpy_helper.from_array(
            numpy_helper.to_array(weight).astype(np.float16), f"{weight.name}_half"
        )
        kept.append(half)
        casts.append(_cast(half.name, weight.name))
    return _with_weights(model, kept, casts)


def shared(
    model: onnx.ModelProto, weights: Path, names: Mapping[str, str] | None = None
) -> onnx.ModelProto:
    """The same model, reading its weights from a safetensors file that will lie beside it.

    A weight called NAME is the tensor ``names[NAME]``, or the tensor whose name NAME ends with
    after a dot. Weights that the file doesn't hold stay in the model. A weight whose shape
    differs raises `FerturbError`.
    """
    header, start = _header(weights)
    kept: list[TensorProto] = []
    casts: list[onnx.NodeProto] = []
    for weight in model.graph.initializer:
        key = (names or {}).get(weight.name) or _key(weight.name, header)
        if key is None:
            kept.append(weight)
            continue
        entry = header[key]
        if list(weight.dims) != entry["shape"]:
            raise FerturbError(
                f"{weights}: {key} is {entry['shape']}, the ONNX graph expects {list(weight.dims)}"
            )
        half = entry["dtype"] == "F16"
        name = f"{weight.name}_half" if half else weight.name
        kept.append(_external(name, entry, weights, start))
        if half:
            casts.append(_cast(name, weight.name))
    return _with_weights(model, kept, casts)


def _key(name: str, header: Mapping[str, Any]) -> str | None:
    while name not in header:
        _, dot, name = name.partition(".")
        if not dot:
            return None
    return name


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """A safetensors file's description of its tensors, and where in the file they start."""
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header: dict[str, Any] = json.loads(file.read(length))
    return {k: v for k, v in header.items() if k != "__metadata__"}, 8 + length


def _external(name: str, entry: Mapping[str, Any], path: Path, start: int) -> TensorProto:
    first, last = entry["data_offsets"]
    tensor = TensorProto(name=name, data_type=_TYPES[entry["dtype"]], dims=entry["shape"])
    tensor.data_location = TensorProto.EXTERNAL
    place = {"location": path.name, "offset": start + first, "length": last - first}
    for key, value in place.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def _cast(source: str, target: str) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], to=TensorProto.FLOAT)


def _with_weights(
    model: onnx.ModelProto, weights: list[TensorProto], casts: list[onnx.NodeProto]
) -> onnx.ModelProto:
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    nodes = [*casts, *model.graph.node]
    del changed.graph.node[:], changed.graph.initializer[:]
    changed.graph.node.extend(nodes)
    changed.graph.initializer.extend(weights)
    return changed
