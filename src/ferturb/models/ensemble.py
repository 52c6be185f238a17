"""An ensemble: several classifiers whose logits are summed (the paper's Ensemble)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ferturb.base.checks import require_path
from ferturb.base.config.fields import fits
from ferturb.base.errors import FerturbError
from ferturb.base.storage import atomic_folder, read_object, write_json
from ferturb.models.classifier import Classifier

FORMAT = "ferturb-ensemble-1"
INDEX = "ensemble.json"


def sum_logits(logits: Sequence[Float[Tensor, "b c"]]) -> Float[Tensor, "b c"]:
    """The sum of several networks' logits for the same faces, each network weighing the same.

    >>> sum_logits([torch.tensor([[1.0, 2.0]]), torch.tensor([[10.0, 20.0]])])
    tensor([[11., 22.]])
    """
    if not logits:
        raise FerturbError("an ensemble needs the logits of at least one member, got none")
    shapes = {tuple(part.shape) for part in logits}
    if len(shapes) > 1:
        raise FerturbError(
            f"an ensemble sums logits of the same faces, got shapes {sorted(shapes)}; "
            "predict every member on the same split"
        )
    return torch.stack(list(logits)).sum(0)


class Ensemble(nn.Module):
    """Faces in [0, 1] to the summed logits of its members."""

    def __init__(self, members: Sequence[Classifier]) -> None:
        super().__init__()
        if not isinstance(members, Sequence) or not all(isinstance(m, nn.Module) for m in members):
            raise FerturbError("an ensemble takes a list of classifiers; put one into a list")
        if not members:
            raise FerturbError("an ensemble needs at least one member, got none")
        self.members = nn.ModuleList(members)

    def forward(self, faces: Float[Tensor, "b c h w"]) -> Float[Tensor, "b e"]:
        """Logits in the order of `EMOTIONS`, summed over the members."""
        return sum_logits([member(faces) for member in self.members])

    def save(self, folder: Path) -> None:
        """Write a folder of classifiers: one safetensors file per member and an index.

        The folder appears whole or not at all; one that exists and isn't empty is an error.
        """
        with atomic_folder(require_path("folder", folder)) as temporary:
            names = [f"member-{i:02}.safetensors" for i in range(len(self.members))]
            for name, member in zip(names, self.members, strict=True):
                assert isinstance(member, Classifier)
                member.save(temporary / name)
            write_json(temporary / INDEX, {"format": FORMAT, "members": names})

    @staticmethod
    def load(folder: Path) -> Ensemble:
        """Read what `save` wrote, set to evaluation."""
        folder = require_path("folder", folder)
        index = read_object(folder / INDEX)
        names: Any = index.get("members")
        if not fits(list[str], names) or index.get("format") != FORMAT:
            raise FerturbError(
                f"{folder / INDEX} lists no ensemble (expected format {FORMAT}); "
                "give a folder that Ensemble.save wrote"
            )
        return Ensemble([Classifier.load(folder / Path(name).name) for name in names]).eval()
