"""Write left_out.onnx and worn_KIND.onnx: leaving out and wearing, for machines without torch.

    python tools/ship_altering.py

Run this again after a change of regions, fills or face masks, or of the points. It prints how
many pixels differ from torch's on synthetic faces, and by how much.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
from altering_modules import FILLS, LEAVABLE, WORN, LeftOut, Wearing
from torch import Tensor, nn

from ferturb.base.storage import write_bytes
from ferturb.export.onnx import OPSET, example_faces
from ferturb.features.landmarks import find_landmarks
from ferturb.predict.altering import FOLDER
from ferturb.predict.onnx_session import META_KEY, OnnxModel


def _maximum(g: Any, a: Any, b: Any, out: Any = None) -> Any:
    return g.op("Max", a, b)


def _and(g: Any, a: Any, b: Any) -> Any:
    return g.op("And", a, b)


def to_onnx(
    module: nn.Module, inputs: Sequence[str], outputs: Sequence[str], example: Sequence[Tensor]
) -> onnx.ModelProto:
    """A module as an ONNX model; the first axis of `left_out` and of what follows it is free."""
    torch.onnx.register_custom_op_symbolic("aten::maximum", _maximum, OPSET)
    torch.onnx.register_custom_op_symbolic("aten::__iand_", _and, OPSET)
    free = {name: {0: "m"} for name in (*inputs[2:], *(outputs if inputs[2:] else ()))}
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        module(*example)  # what it draws at random is a constant from here on
        torch.onnx.export(
            module.eval(),
            tuple(example),
            buffer,
            dynamo=False,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=free,
            opset_version=OPSET,
        )
    model = onnx.load_from_string(buffer.getvalue())
    model.producer_name, model.doc_string = "ferturb", ""
    for node in model.graph.node:
        node.name = node.doc_string = ""
    return without_repetition(model)


def without_repetition(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with equal nodes and equal constants kept once."""
    graph = model.graph
    same: dict[str, str] = {}
    seen: dict[bytes, str] = {}
    constants = [t for t in graph.initializer if not _twin(t, seen, same)]
    nodes = []
    for node in graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]
        if len(node.output) == 1 and node.output[0] not in {o.name for o in graph.output}:
            bare = onnx.NodeProto()
            bare.CopyFrom(node)
            del bare.output[:]
            first = seen.setdefault(bare.SerializeToString(deterministic=True), node.output[0])
            if first != node.output[0]:
                same[node.output[0]] = first
                continue
        nodes.append(node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(constants)
    graph.node.extend(nodes)
    return model


def _twin(tensor: onnx.TensorProto, seen: dict[bytes, str], same: dict[str, str]) -> bool:
    """Whether a constant is equal to one seen before, which then stands for it."""
    bare = onnx.TensorProto()
    bare.CopyFrom(tensor)
    bare.name = ""
    first = seen.setdefault(bare.SerializeToString(deterministic=True), tensor.name)
    if first != tensor.name:
        same[tensor.name] = first
    return first != tensor.name


def ship(name: str, module: nn.Module, outputs: Sequence[str], choices: Tensor | None) -> None:
    faces = torch.from_numpy(example_faces(48))
    points = find_landmarks(faces).points
    more = () if choices is None else (choices,)
    inputs = ("face", "points", "left_out")[: 2 + len(more)]
    model = to_onnx(module, inputs, outputs, (faces[:1], points[:1], *more))
    entry = model.metadata_props.add()
    entry.key = META_KEY
    entry.value = json.dumps({"features": LEAVABLE, "fills": FILLS, "worn": WORN})
    path = FOLDER / f"{name}.onnx"
    write_bytes(path, model.SerializeToString())
    run = OnnxModel(path, threads=1)
    off, most = 0, 0
    for i in range(len(faces)):
        given = (faces[i : i + 1], points[i : i + 1], *more)
        expected = module(*given)
        expected = expected if isinstance(expected, tuple) else (expected,)
        found = run.run({k: v.numpy() for k, v in zip(inputs, given, strict=True)})
        for a, b in zip(found, expected, strict=True):
            difference = np.abs(a.astype(int) - b.numpy().astype(int))
            off, most = off + int((difference > 0).sum()), max(most, int(difference.max()))
    print(f"{path.name}: {path.stat().st_size:,} bytes, {len(model.graph.node)} nodes;", end=" ")
    print(f"{off} pixels of {len(faces)} faces differ from torch's, by {most} at most")


def main() -> None:
    ship("left_out", LeftOut(), FILLS, torch.eye(len(LEAVABLE)) > 0)
    for kind in WORN:
        ship(f"worn_{kind}", Wearing(kind), ("worn",), None)


if __name__ == "__main__":
    main()
