"""Any network of timm as a backbone, cut into stages where it can be.

The network is taken as published, untrained, for grey or RGB and without a head; nothing in it is
fitted to small faces, so a network that halves its maps five times ends on 2x2 pixels. The cut
is made at the modules that timm's `feature_info` names, and is kept only if the cut network gives
the same output, bit for bit, as the whole one. Then attention can sit behind those modules.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.base.errors import FerturbError
from ferturb.base.raster import PLAIN, Raster
from ferturb.models.stages import Staged

SIDES = (36, 40, 48)
"""Sides in pixels that a backbone for 48×48 faces must take; one for larger ones, theirs alone."""

STAGES = 4
"""How many stages a network is cut into, at most; what comes before them is the stem."""


def _options(side: int) -> tuple[tuple[dict[str, Any], tuple[int, int] | None], ...]:
    """(options, size that faces are resized to), tried in this order until the network takes faces
    of a side: convolutional ones do as they are, transformers must be told the size."""
    return (
        ({}, None),
        ({"img_size": side, "dynamic_img_size": True, "dynamic_img_pad": True}, None),
        ({"img_size": side}, (side, side)),
    )


def timm_backbone(name: str, raster: Raster = PLAIN) -> Staged:
    """The untrained timm network `name`: (b, channels, h, w) -> (b, features, h', w').

    Cut into stages, it takes attention. A network whose modules don't run one after the other
    on (b, c, h, w) maps (transformers, some multi-branch networks) has no stages and takes none.
    Maps with channels last are turned round; tokens (b, n, c) become maps of n x 1 pixels, so
    that pooling averages them. A network of fixed or larger input size gets the faces resized.
    One that gives neither maps nor tokens raises `FerturbError`.
    """
    net, size = _fitting(name, raster)
    cut = _cut(net, raster) if size is None else None
    if cut is not None:
        return cut
    whole = Whole(net, size)
    try:
        features = int(_probe(whole, raster).shape[1])
    except Exception as error:  # anything may come out of a network of another task
        raise FerturbError(
            f"model {name!r} can't be a backbone: expected maps (b, c, h, w) or tokens (b, n, c) "
            f"from one image, got {type(error).__name__}; choose another timm name"
        ) from error
    return Staged(nn.Identity(), [], whole, features)


class Whole(nn.Module):
    """A network in one piece, its output brought to (b, features, h', w')."""

    def __init__(self, net: nn.Module, size: tuple[int, int] | None) -> None:
        super().__init__()
        self.net = net
        self.size = size
        self.channels_last = str(getattr(net, "output_fmt", "NCHW")).endswith("NHWC")

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b f u v"]:
        """Maps, or tokens as maps one pixel wide."""
        if self.size is not None and x.shape[-2:] != self.size:
            x = F.interpolate(x, self.size, mode="bilinear", align_corners=False)
        out: Tensor = self.net(x)
        if out.ndim == 4:
            return out.permute(0, 3, 1, 2) if self.channels_last else out
        return out.mT[..., None] if out.ndim == 3 else out[..., None, None]


def _fitting(name: str, raster: Raster) -> tuple[nn.Module, tuple[int, int] | None]:
    """The network, and the size its faces must be resized to (None: as they are)."""
    sides = SIDES if raster.side == SIDES[-1] else (raster.side,)
    for options, size in _options(raster.side):
        try:
            net = _create(name, raster.channels, **options)
            for side in sides if size is None else size[:1]:
                _probe(net, Raster(side, raster.channels))
        except Exception:  # timm's networks refuse options and sizes in many ways
            continue
        return net, size
    try:
        net = _create(name, raster.channels)
    except Exception as error:
        raise FerturbError(
            f"timm can't build {name!r} for {raster} faces ({type(error).__name__}); "
            "choose another timm name"
        ) from error
    published: tuple[int, ...] = net.default_cfg["input_size"]
    return net, (published[-2], published[-1])


def _create(name: str, channels: int, **options: Any) -> Any:
    import timm

    options |= {"pretrained": False, "in_chans": channels, "num_classes": 0}
    try:
        return timm.create_model(name, global_pool="", **options)
    except Exception:  # some heads need their own pooling
        return timm.create_model(name, **options)


@torch.no_grad()
def _probe(net: nn.Module, raster: Raster) -> Any:
    """The output for one fixed random face, in eval mode; the global generator is left alone."""
    face = torch.rand(
        1, raster.channels, raster.side, raster.side, generator=torch.Generator().manual_seed(0)
    )
    training = net.training
    out = net.eval()(face)
    net.train(training)
    return out


def _cut(net: nn.Module, raster: Raster) -> Staged | None:
    """The network as stem, stages and tail, or None where that isn't the same network.

    Weights that start at zero would hide a difference, so the comparison is made on a copy
    without zeros.
    """
    trial = copy.deepcopy(net)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in trial.parameters():
            if not parameter.any():
                parameter.uniform_(0.1, 1.0, generator=generator)
    whole = _probe(trial, raster)
    maps = isinstance(whole, Tensor) and whole.ndim == 4
    parts = _parts(trial)
    if not maps or len(parts) < 2 or not _same(_staged(parts, 0), whole, raster):
        return None
    return _staged(_parts(net), int(whole.shape[1]))


def _staged(parts: list[nn.Sequential], features: int) -> Staged:
    *rest, tail = parts
    stem = nn.Sequential(*rest[:-STAGES])
    return Staged(stem, rest[-STAGES:], tail, features)


def _parts(net: nn.Module) -> list[nn.Sequential]:
    """The network's modules as a chain, in the order of registration, cut at its features.

    A part ends with each module that `feature_info` names; the last part is what follows. A
    `Sequential` is one link of the chain unless the features are inside it.
    """
    info = getattr(net, "feature_info", None)
    ends = {entry.get("module", "") for entry in info} if isinstance(info, list) else set()
    links: list[tuple[str, nn.Module]] = []
    for name, module in net.named_children():
        if any(end.startswith(f"{name}.") for end in ends) and isinstance(module, nn.Sequential):
            links += [(f"{name}.{key}", child) for key, child in module.named_children()]
        else:
            links.append((name, module))
    parts = [nn.Sequential()]
    for name, module in links:
        parts[-1].append(module)
        if name in ends:
            parts.append(nn.Sequential())
    return parts


def _same(staged: Staged, whole: Tensor, raster: Raster) -> bool:
    """Whether the stages give maps (b, c, h, w), none larger than the last, and the end `whole`."""
    shapes: list[tuple[int, ...]] = []

    def note(_module: nn.Module, _inputs: Any, out: Any) -> None:
        shapes.append(tuple(out.shape))

    for stage in staged.stages:
        stage.register_forward_hook(note)
    try:
        out = _probe(staged, raster)
    except Exception:  # not a chain of modules
        return False
    maps = all(len(shape) == 4 for shape in shapes)
    shrinks = all(a[-1] >= b[-1] for a, b in itertools.pairwise(shapes))
    return maps and shrinks and isinstance(out, Tensor) and torch.equal(out, whole)
