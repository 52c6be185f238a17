"""The faces that an analysis looks at, their landmarks, and the name it is kept under."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.faces import SPLITS, Faces
from ferturb.features.landmarks import Landmarks
from ferturb.runs.run import Run


def name_of(run: Run, faces: Faces, base: str, split: str, words: Sequence[str] = ()) -> str:
    """Under which name an analysis is kept: `base`, the split if it isn't test, what else is
    special, and the faces if they aren't the run's own."""
    name = [base, *([split] if split != "test" else []), *words]
    content = faces.content_hash()
    if content != run.record().get("data", {}).get("hash"):
        name += ["on", content[:12]]
    return "-".join(name)


def chosen_faces(
    faces: Faces, split: str, n: int, seed: int = 0
) -> tuple[Faces, Int64[Tensor, " m"]]:
    """Up to n faces of each emotion of a split, drawn at random, and their places in it."""
    if n < 1:
        raise FerturbError(f"saliency needs at least 1 face of each emotion, got {n}")
    part = faces.split(split)
    index = stratified(part.labels, n, seed)
    if not len(index):
        raise FerturbError(f"{faces.source} has no {split} faces; give another source or split")
    return part.select(index), index


def stratified(labels: Int64[Tensor, " m"], n: int, seed: int = 0) -> Int64[Tensor, " k"]:
    """The places of up to n faces of each emotion, drawn at random, in order."""
    drawn = torch.rand(len(labels), generator=torch.Generator().manual_seed(seed))
    some = [torch.nonzero(labels == e).flatten() for e in range(len(EMOTIONS))]
    return torch.cat([own[drawn[own].argsort()[:n]] for own in some]).sort().values


def landmarks_at(
    landmarks: Landmarks | None, faces: Faces, split: str, index: Int64[Tensor, " m"] | None = None
) -> Landmarks | None:
    """Of the landmarks of all faces, those of a split, or of these places in it; None of None.

    Raises `FerturbError` for landmarks of other faces.
    """
    if landmarks is None:
        return None
    if len(landmarks) != len(faces):
        raise FerturbError(
            f"give the landmarks of all {len(faces)} faces, of every split, in their order; "
            f"got {len(landmarks)}"
        )
    places = torch.nonzero(faces.splits == SPLITS.index(split)).flatten()
    return landmarks.select(places if index is None else places[index])
