"""Rivals that drop what is attended to from feature maps, in training alone.

- `adl`: Attention-based Dropout Layer (Choe and Shim, CVPR 2019), after the authors' program. The
  attention of a place is the mean of its channels. Once a pass, with probability 0.75, the places
  with at least 0.8 of the face's highest attention are set to 0; else all are multiplied by
  sigmoid(attention). Behind the last two stages, as there in ResNet-50.
- `mad`: Multi-Attention Dropping (Xue, Wang and Guo, "TransFER", ICCV 2021), after the authors'
  later program: one of the maps of local attention (`ferturb.models.local_maps`), drawn uniformly,
  is set to 0 in 0.6 of the faces. Needs a network with such maps (`ModelConfig.local_maps`).

Both draw from torch's global generator, which the training loop seeds for each epoch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ferturb.base.config import MethodConfig
from ferturb.base.errors import FerturbError
from ferturb.models.classifier import Classifier
from ferturb.models.local_maps import DropOne, LocalMaps
from ferturb.training.inputs import TrainingInputs

DROP_RATE = 0.75
"""Probability that `adl` drops, and does not weigh, in a pass."""
THRESHOLD = 0.8
"""Share of the highest attention from which on `adl` drops."""
STAGES = 2
"""Behind how many of the last stages `adl` stands."""
MAP_DROP_RATE = 0.6
"""Share of the faces that lose a map with `mad`."""


class AttendedDropout(TrainingInputs):
    """Method `adl`: whole faces, places of their feature maps dropped."""

    def __init__(self, config: MethodConfig) -> None:
        self.config = config

    def attach(self, network: nn.Module) -> Sequence[RemovableHandle]:
        """Behind the last stages."""
        assert isinstance(network, Classifier)
        stages = list(network.backbone.stages)[-STAGES:]
        if not stages:
            raise FerturbError(
                f"method adl drops from the maps of stages, and {network.config.name} has none; "
                "choose a convolutional network"
            )
        return [stage.register_forward_hook(self._drop) for stage in stages]

    def _drop(self, stage: nn.Module, inputs: tuple[Tensor], x: Tensor) -> Tensor | None:
        if not stage.training:
            return None
        attention = x.mean(1, keepdim=True)
        if float(torch.rand(())) >= DROP_RATE:
            return x * attention.sigmoid()
        gone = most_attended(attention)
        return x.masked_fill(shuffled(gone) if self.config.at_random else gone, 0.0)


def most_attended(attention: Float[Tensor, "b 1 h w"]) -> Bool[Tensor, "b 1 h w"]:
    """True at the places with at least `THRESHOLD` of a face's highest attention."""
    return attention >= THRESHOLD * attention.amax((2, 3), keepdim=True)


def shuffled(places: Bool[Tensor, "b 1 h w"]) -> Bool[Tensor, "b 1 h w"]:
    """As many places of each face, anywhere: the control."""
    flat = places.flatten(1)
    order = torch.rand(flat.shape, device=flat.device).argsort(1)
    return flat.gather(1, order).view_as(places)


class MapDropout(TrainingInputs):
    """Method `mad`: whole faces, one of a face's maps of attention dropped."""

    def attach(self, network: nn.Module) -> Sequence[RemovableHandle]:
        """Tell the network's maps how often."""
        count = sum(len(m.maps) for m in network.modules() if isinstance(m, LocalMaps))
        if count < 2:
            raise FerturbError(
                f"method mad drops one of two or more maps of local attention, and the network has "
                f"{count or 'none'}; give ModelConfig(local_maps=2), or --local-maps 2"
            )
        layers = [module for module in network.modules() if isinstance(module, DropOne)]
        return [_Dropping(layer) for layer in layers]


class _Dropping(RemovableHandle):
    """A layer drops maps until this is removed."""

    def __init__(self, layer: DropOne) -> None:
        super().__init__(OrderedDict())
        self.layer, self.before = layer, layer.rate
        layer.rate = MAP_DROP_RATE

    def remove(self) -> None:
        """Its rate is as before."""
        self.layer.rate = self.before
