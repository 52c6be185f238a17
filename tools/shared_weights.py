"""The weights of an ONNX file, shared with a safetensors file beside it.

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

import onnx
from onnx import TensorProto

from ferturb.base.errors import FerturbError
from ferturb.export.onnx_weights import cast_to_float, with_weights

_TYPES = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}


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
            casts.append(cast_to_float(name, weight.name))
    return with_weights(model, kept, casts)


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
