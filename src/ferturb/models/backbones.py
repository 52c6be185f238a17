"""The paper's networks, each fitted to small grayscale faces, and their registry.

Published networks halve a 224x224 photo five times before they pool. On a 48x48 face that
leaves 1.5 pixels, so the stems here halve once in place of twice: the 7x7 stride-2 convolution
and the max pool become one 3x3 stride-2 convolution, and the maps go 48 -> 24 -> 24 -> 12 -> 6
-> 3. Everything behind the stem is the published network, untrained.

Names that end in `-half` (half the channels everywhere) and `-pool` (a max pool behind the stem, as
published, so that the maps are half the size) are our own reductions for CPUs, with the depth of
the published network; tables name them so.

Every backbone takes (b, 1, h, w), or (b, 3, h, w) where it was built for colour, with h, w from 32
up, so faces of 36, 40 and 48 pixels all fit, and those of 100 or 224.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from ferturb.base.config.network import SHAPED, VggShape
from ferturb.base.errors import FerturbError
from ferturb.base.raster import PLAIN, Raster
from ferturb.models.compact import compact, compact_tiny, compact_wide
from ferturb.models.deep_emotion import deep_emotion
from ferturb.models.dlib_resnet import dlib_resnet
from ferturb.models.dpn import dpn26
from ferturb.models.emonext import SIZES, emonext
from ferturb.models.hog import hog, hog_boosted
from ferturb.models.hog_landmarks import hog_landmarks
from ferturb.models.resmasking import with_masking
from ferturb.models.stages import Staged, he_normal
from ferturb.models.timm_stages import timm_backbone
from ferturb.models.two_stage import two_stage
from ferturb.models.vgg import vgg, vgg16_dropout, vgg16_half, vgg_like

STAGE_NAMES = ("layer1", "layer2", "layer3", "layer4")


def build_backbone(name: str, raster: Raster = PLAIN, shape: VggShape | None = None) -> Staged:
    """The untrained backbone of this name for faces on a raster: one of `BACKBONES`, or any timm
    name. `shape` is for those that can be built in several (`SHAPED`).

    The same `torch.manual_seed` gives the same weights. An unknown name raises `FerturbError`
    with the nearest names.
    """
    check_backbone(name, shape)
    if name not in BACKBONES:
        return timm_backbone(name, raster)
    network = vgg_like(shape) if shape and name in SHAPED else BACKBONES[name]()
    if raster.channels == 1:
        return network
    return seen_in_grey(network) if name.startswith(GREY) else in_colour(network)


GREY = ("deep-emotion", "emonext", "hog", "dlib", "two-stage")
"""What the names of networks begin with that look at faces in grey, whatever they are given."""


class Grey(nn.Module):
    """The mean of red, green and blue, as `in_colour` has it."""

    def forward(self, faces: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
        """(b, 3, h, w) -> (b, 1, h, w)."""
        return faces.mean(1, keepdim=True)


def seen_in_grey(network: Staged) -> Staged:
    """A network for grey faces that takes RGB, and looks at the mean of the three."""
    network.stem = nn.Sequential(Grey(), network.stem)
    return network


def in_colour(network: Staged) -> Staged:
    """A network for grey faces that takes RGB: its first convolution looks at their mean.

    So it starts with the answers that the grey network has for grey faces in three channels; the
    channels' weights part in training. (timm makes RGB weights of grey ones in the same way.)
    """
    convolutions = (layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    first = next(layer for layer in convolutions if layer.in_channels == 1)
    first.weight = nn.Parameter(first.weight.detach().repeat(1, 3, 1, 1) / 3)
    first.in_channels = 3
    return network


def check_backbone(name: str, shape: VggShape | None = None) -> None:
    """Nothing for a known name; `FerturbError` with the nearest names for an unknown one, and for a
    shape that was chosen for a network that has one alone."""
    if shape not in (None, VggShape()) and name not in SHAPED:
        raise FerturbError(
            f"{name} has a shape of its own, and another was given; take the network {SHAPED[0]}, "
            "or leave model.shape as it is"
        )
    if name in BACKBONES:
        return
    import timm  # which takes longer to import than torch

    if timm.is_model(name):
        return
    every = list(dict.fromkeys([*BACKBONES, *timm.list_models()]))
    near = difflib.get_close_matches(name, every, n=3, cutoff=0.6)
    hint = f": did you mean {' or '.join(map(repr, near))}?" if near else ";"
    known = ", ".join(islice(BACKBONES, 12))
    raise FerturbError(f"unknown model {name!r}{hint} known: {known}, …, or any timm name")


def small_stem(width: int) -> nn.Conv2d:
    """The stem convolution for small faces: 1 -> `width` channels, 3x3, stride 2."""
    conv = nn.Conv2d(1, width, kernel_size=3, stride=2, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv


def resnet(name: str, max_pool: bool = False) -> Staged:
    """ResNet (He et al., "Deep Residual Learning", 2016): timm's `name` with a small stem.

    Stages are the four groups of residual blocks. No batch norm starts at zero: with so few steps
    a network that starts as its shortcuts learns later, not better. `max_pool` keeps the published
    pool behind the stem (48 -> 12 -> 6 -> 3 -> 2), for a quarter of the cost.
    """
    net = _untrained(name, zero_init_last=False)
    pool = net.maxpool if max_pool else nn.Identity()
    stem = nn.Sequential(small_stem(net.conv1.out_channels), net.bn1, net.act1, pool)
    stages = [getattr(net, stage) for stage in STAGE_NAMES]
    return Staged(stem, stages, nn.Identity(), net.num_features)


def densenet(name: str, max_pool: bool = False) -> Staged:
    """DenseNet-BC (Huang et al., 2017): timm's `name` with a small stem.

    A stage is a dense block, from the second on behind its transition; the last norm and
    activation are the tail. `max_pool` keeps the published pool.
    """
    net = _untrained(name)
    layers = dict(net.features.named_children())
    pool = [layers["pool0"]] if max_pool else []
    stem = nn.Sequential(small_stem(layers["conv0"].out_channels), layers["norm0"], *pool)
    stages = [nn.Sequential(layers["denseblock1"])]
    for i in (1, 2, 3):
        stages.append(nn.Sequential(layers[f"transition{i}"], layers[f"denseblock{i + 1}"]))
    return Staged(stem, stages, layers["norm5"], net.num_features)


def dpn(name: str) -> Staged:
    """Dual path network (Chen et al., 2017): timm's `name` with a small stem.

    Stages are the four groups of dual path blocks; the last norm and activation are the tail.
    Convolutions start from He's normal distribution (fan out).
    """
    net = _untrained(name)
    he_normal(net)
    layers = dict(net.features.named_children())
    conv1 = layers["conv1_1"]
    stem = nn.Sequential(small_stem(conv1.conv.out_channels), conv1.bn)
    tail = layers.pop("conv5_bn_ac")
    stages = [
        nn.Sequential(*(layer for key, layer in layers.items() if key.startswith(f"conv{i}_")))
        for i in (2, 3, 4, 5)
    ]
    return Staged(stem, stages, tail, net.num_features)


def resmasking() -> Staged:
    """ResMasking (Pham et al., 2020): `resnet("resnet34")`, a masking block behind each stage."""
    return with_masking(resnet("resnet34"))


def resmasking18() -> Staged:
    """ResMasking that a CPU can train: ResNet-18 for ResNet-34, and the max pool is kept.

    The masking blocks are the published ones; the network is our own reduction, and tables must
    name it so.
    """
    return with_masking(resnet("resnet18", max_pool=True))


def resmasking18_half() -> Staged:
    """`resmasking18` with half the channels, in the network and in the masking blocks."""
    from timm.models.resnet import BasicBlock, make_blocks

    channels = (32, 64, 128, 256)
    made, _ = make_blocks((BasicBlock,) * 4, channels, (2, 2, 2, 2), inplanes=channels[0])
    stages: list[nn.Module] = [stage for _, stage in made]
    norm = nn.BatchNorm2d(channels[0])
    pool = nn.MaxPool2d(3, stride=2, padding=1)
    stem = nn.Sequential(small_stem(channels[0]), norm, nn.ReLU(inplace=True), pool)
    net = Staged(stem, stages, nn.Identity(), channels[-1])
    he_normal(net)
    return with_masking(net, channels)


def _untrained(name: str, **options: Any) -> Any:
    import timm

    return timm.create_model(name, pretrained=False, in_chans=1, **options)


BACKBONES: dict[str, Callable[[], Staged]] = {
    "compact": compact,
    "compact-wide": compact_wide,
    "compact-tiny": compact_tiny,
    "vgg16": partial(vgg, "vgg16_bn"),
    "vgg16-half": vgg16_half,
    "vgg16-dropout": vgg16_dropout,
    "vgg16-dropout-half": partial(vgg16_dropout, 2),
    "vgg-like": vgg_like,
    "resnet18": partial(resnet, "resnet18"),
    "resnet34": partial(resnet, "resnet34"),
    "resnet50": partial(resnet, "resnet50"),
    "densenet121": partial(densenet, "densenet121"),
    "densenet121-pool": partial(densenet, "densenet121", max_pool=True),
    "dpn26": dpn26,
    "dpn26-pool": partial(dpn26, max_pool=True),
    "dpn68": partial(dpn, "dpn68"),
    "dpn92": partial(dpn, "dpn92"),
    "resmasking": resmasking,
    "resmasking18": resmasking18,
    "resmasking18-half": resmasking18_half,
    "deep-emotion": deep_emotion,
    "deep-emotion-streams": partial(deep_emotion, streams=True),
    **{f"emonext-{size}": partial(emonext, size) for size in SIZES},
    "dlib-resnet": dlib_resnet,
    "hog": hog,
    "hog-boosted": hog_boosted,
    "hog-landmarks": hog_landmarks,
    "two-stage-compact": partial(two_stage, compact),
    "two-stage-compact-tiny": partial(two_stage, compact_tiny),
    "two-stage-vgg16-half": partial(two_stage, vgg16_half),
    "two-stage-resnet18": partial(two_stage, partial(resnet, "resnet18")),
}
"""Every network by its name. Any other name is looked up in timm."""
