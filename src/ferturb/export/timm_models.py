"""ferturb's networks by timm's names: what `write_hub_folder` wrote, for programs that use timm.

    import timm
    import ferturb.export.timm_models                     # tells timm of them

    network = timm.create_model("hf-hub:me/faces", pretrained=True)   # or local-dir:FOLDER

It takes float (b, 1, 48, 48) in [0, 1] (`timm.data.create_transform` makes that of a grey picture
of a face) and gives calibrated logits of one pass: their softmax are the probabilities of
`EMOTIONS`, without the mirror image that `Predictor` looks at too. `num_classes=` gives it another
head, 0 none; `forward_features` gives its last maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from timm.models import build_model_with_cfg, register_model
from torch import Tensor, nn

from ferturb.base.config import ModelConfig
from ferturb.base.config.fields import build
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.raster import PLAIN
from ferturb.models.classifier import Classifier
from ferturb.predict.shipped import About

ARCHITECTURE = "ferturb_face"
"""What timm calls all of them; `model_args` says which one it is."""


class TimmFace(Classifier):
    """A network of ferturb's with what timm expects of one."""

    def __init__(
        self,
        network: Mapping[str, Any],
        answering: str = "label",
        temperature: float = 1.0,
        bias: Sequence[float] = (),
        num_classes: int = len(EMOTIONS),
        in_chans: int = PLAIN.channels,
    ) -> None:
        """`network`: a ModelConfig's fields; `answering`: the head whose logits are given, divided
        by `temperature`, plus `bias`. Faces that aren't grey raise `FerturbError`."""
        if in_chans != PLAIN.channels:
            raise FerturbError(f"faces are grey here: in_chans is {PLAIN.channels}, got {in_chans}")
        super().__init__(build(ModelConfig, dict(network)))
        self.answering(answering)
        self.num_classes, self.temperature = len(EMOTIONS), temperature
        self.register_buffer("bias", torch.tensor(bias or [0.0] * len(EMOTIONS)), persistent=False)
        self.num_features = self.head_hidden_size = self.backbone.features
        if num_classes != self.num_classes:
            self.reset_classifier(num_classes)

    def get_classifier(self) -> nn.Module:
        """The last layer."""
        return self.head

    def reset_classifier(self, num_classes: int, global_pool: str = "avg") -> None:
        """Another last layer, fresh and not calibrated; without one for 0 classes."""
        del global_pool  # there is one kind
        self.num_classes, self.temperature, self._shown = num_classes, 1.0, None
        self.bias = torch.zeros(num_classes)
        classifier = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()
        self.register_module("head", classifier)

    def forward(self, faces: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b e"]:
        """Calibrated logits, (b, num_classes); features (b, c) where that is 0."""
        return self.forward_head(self.forward_features(faces))

    def forward_features(self, faces: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b c y x"]:
        """The last maps, (b, num_features, y, x)."""
        return self._maps(self._batch(faces))[0]

    def forward_head(
        self, maps: Float[Tensor, "b c h w"], pre_logits: bool = False
    ) -> Float[Tensor, "b e"]:
        """What follows from the maps; `pre_logits`: their means alone."""
        x: Tensor = self.dropout(maps.mean((2, 3)))
        if pre_logits or not self.num_classes:
            return x
        logits: Tensor = self.head(x)
        shown = logits if self._shown is None else logits[:, self._shown]
        return shown / self.temperature + self.bias


def timm_config(about: About, features: int, licence: str) -> dict[str, Any]:
    """What timm reads in a folder's config.json; `features`: channels of the last maps."""
    return {
        "architecture": ARCHITECTURE,
        "num_classes": len(EMOTIONS),
        "num_features": features,
        "label_names": list(EMOTIONS),
        "model_args": {
            "network": dict(about.network),
            "answering": about.head,
            "temperature": about.temperature,
            "bias": list(about.bias),
        },
        "pretrained_cfg": {
            "input_size": [PLAIN.channels, PLAIN.side, PLAIN.side],
            "mean": [0.0],
            "std": [1.0],
            "crop_pct": 1.0,
            "interpolation": "bilinear",
            "classifier": "head",
            "license": licence,
        },
    }


def ferturb_face(pretrained: bool = False, **given: Any) -> nn.Module:
    """A network of ferturb's, as timm makes one."""
    made: nn.Module = build_model_with_cfg(TimmFace, ARCHITECTURE, pretrained, **given)
    return made


register_model(ferturb_face)
