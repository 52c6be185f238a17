"""The weights of an ONNX file stored as float16.

This changes how weights are *kept*; the arithmetic stays float32: each float16 weight passes
through a Cast, which onnxruntime computes once, when it opens the file. A processor gains nothing
from float16 arithmetic, but half the bytes are half the download.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with its kernels and matrices kept as float16."""
    kept: list[TensorProto] = []
    casts: list[onnx.NodeProto] = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or len(weight.dims) < 2:
            kept.append(weight)
            continue
        numbers = numpy_helper.to_array(weight).astype(np.float16)
        half = numpy_helper.from_array(numbers, f"{weight.name}_half")
        kept.append(half)
        casts.append(cast_to_float(half.name, weight.name))
    return with_weights(model, kept, casts)


def cast_to_float(source: str, target: str) -> onnx.NodeProto:
    """A node that gives the float16 weight `source` as the float32 weight `target`."""
    return helper.make_node("Cast", [source], [target], to=TensorProto.FLOAT)


def with_weights(
    model: onnx.ModelProto, weights: list[TensorProto], casts: list[onnx.NodeProto]
) -> onnx.ModelProto:
    """The same model with these weights, and casts before its other nodes."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    nodes = [*casts, *model.graph.node]
    del changed.graph.node[:], changed.graph.initializer[:]
    changed.graph.node.extend(nodes)
    changed.graph.initializer.extend(weights)
    return changed
