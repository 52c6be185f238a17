"""How often a network of two stages tells whether a face wears a mask."""

from __future__ import annotations

from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from ferturb.models.classifier import Classifier
from ferturb.models.inference import logits_of
from ferturb.models.two_stage import TwoStage


def called_masked(model: nn.Module, images: UInt8[Tensor, "n *c h w"]) -> Bool[Tensor, " n"] | None:
    """Which faces the detector of a network calls masked; None of a network that has none."""
    if not isinstance(model, Classifier):
        return None
    found = [module for module in model.modules() if isinstance(module, TwoStage)]
    return logits_of(_Scores(model, found[0]), images)[:, 0] > 0 if found else None


class _Scores(nn.Module):
    """Faces in [0, 1] to what the detector says of them, (b, 1)."""

    def __init__(self, network: Classifier, stages: TwoStage) -> None:
        super().__init__()
        self.network, self.stages = network, stages

    def forward(self, faces: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1"]:
        shown = self.network.backbone.stem(self.network.scaled(faces))
        return self.stages.mask_scores(shown)[:, None]
