"""The faces that an analysis looks at, and the name it is kept under."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.runs.run import Run


def analysis_name(run: Run, faces: Faces, base: str, split: str = "test") -> str:
    """Under which name an analysis is kept: `base`, the split if it isn't test, and the faces if
    they aren't the run's own."""
    words = [base] + ([split] if split != "test" else [])
    content = faces.content_hash()
    if content != run.record().get("data", {}).get("hash"):
        words += ["on", content[:12]]
    return "-".join(words)


def chosen_faces(
    faces: Faces, split: str, n: int, seed: int = 0
) -> tuple[Faces, Int64[Tensor, " m"]]:
    """Up to n faces of each emotion of a split, by lot from the seed, and their places in it."""
    if n < 1:
        raise FerturbError(f"saliency needs at least 1 face of each emotion, got {n}")
    part = faces.split(split)
    index = stratified(part.labels, n, seed)
    if not len(index):
        raise FerturbError(f"{faces.source} has no {split} faces; give another source or split")
    return part.select(index), index


def stratified(labels: Int64[Tensor, " m"], n: int, seed: int = 0) -> Int64[Tensor, " k"]:
    """The places of up to n faces of each emotion, drawn by lot, in order."""
    lot = torch.rand(len(labels), generator=torch.Generator().manual_seed(seed))
    some = [torch.nonzero(labels == e).flatten() for e in range(len(EMOTIONS))]
    return torch.cat([own[lot[own].argsort()[:n]] for own in some]).sort().values
