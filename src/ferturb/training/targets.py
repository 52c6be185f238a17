"""What the heads of a network should say of its training faces, and the loss against that.

A head has seven logits (`ModelConfig.heads`). The label head learns the faces' labels by
cross-entropy; the votes head learns how ten people's votes are shared among the emotions
(`ferturb.data.votes`) by cross-entropy with those shares, over the faces that have votes. With both
heads the loss is the mean of the two, weighted by `VotesConfig.share`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from ferturb.base.config import VotesConfig
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.data.votes import distribution, fer_plus_labels

Target = Int64[Tensor, " v"] | Float[Tensor, "v 7"]
"""Labels, or shares of the votes (rows of 0 for faces without)."""


@dataclass(frozen=True)
class Head:
    """One head and what it should say of each of n faces."""

    target: Target
    true: Int64[Tensor, " n"]
    """The emotion it is right with: the label, or FER+'s class. 7 (contempt) is never right; a face
    with −1 (no majority) isn't asked about."""
    weight: float
    """Of its loss; those of all heads add up to 1."""

    def at(self, places: Int64[Tensor, " b"]) -> Head:
        """The same for some of the faces."""
        return Head(self.target[places], self.true[places], self.weight)

    def to(self, device: torch.device) -> Head:
        """The same on a device."""
        return Head(self.target.to(device), self.true.to(device), self.weight)

    def repeated(self, times: int) -> Head:
        """Every face that many times in a row: its views."""
        if times == 1:
            return self
        target, true = (x.repeat_interleave(times, 0) for x in (self.target, self.true))
        return Head(target, true, self.weight)


def heads_of(faces: Faces, heads: tuple[str, ...], config: VotesConfig) -> tuple[Head, ...]:
    """What each head should say of these faces; `FerturbError` for votes that aren't there."""
    found = []
    for name in heads:
        if name == "label":
            weight = 1 - config.share if len(heads) > 1 else 1.0
            found.append(Head(faces.labels, faces.labels, weight))
            continue
        if faces.votes is None:
            raise FerturbError(
                f"{faces.source} has no votes for a votes head to learn; "
                "give FER+'s fer2013new.csv as the dataset's votes"
            )
        counts = faces.votes.numpy()
        shares = torch.from_numpy(distribution(counts, config).astype(np.float32))
        true = torch.from_numpy(fer_plus_labels(counts))
        found.append(Head(shares, true, config.share if len(heads) > 1 else 1.0))
    return tuple(found)


def split_heads(logits: Float[Tensor, "v e"]) -> tuple[Tensor, ...]:
    """The logits (v, 7) of each head, of those of all side by side."""
    return logits.split(len(EMOTIONS), -1)  # type: ignore[no-untyped-call, no-any-return]


def cross_entropy(
    logits: Float[Tensor, "v 7"], target: Target, smoothing: float
) -> Float[Tensor, ""]:
    """Mean over the faces that have a target. Shares are taken as they are: smoothing is for
    labels."""
    if target.ndim == 1:
        return F.cross_entropy(logits, target, label_smoothing=smoothing)
    return -(target * logits.log_softmax(1)).sum() / target.sum().clamp_min(1)


def weighted(
    heads: tuple[Head, ...],
    logits: Float[Tensor, "v e"],
    loss: Callable[[int, Head, Tensor], Float[Tensor, ""]],
) -> Float[Tensor, ""]:
    """The sum of the heads' losses by their weights; `loss` takes the head's place and logits."""
    own = split_heads(logits)
    parts = [loss(i, head, own[i]) for i, head in enumerate(heads)]
    if len(parts) == 1:
        return parts[0]
    return torch.stack([h.weight * part for h, part in zip(heads, parts, strict=True)]).sum()


def measured(heads: tuple[Head, ...], logits: Float[Tensor, "n e"]) -> tuple[float, float]:
    """Mean cross-entropy and accuracy over faces, and over heads with their weights."""
    loss = weighted(heads, logits, lambda _, head, own: cross_entropy(own, head.target, 0.0))
    accuracy = 0.0
    for head, own in zip(heads, split_heads(logits), strict=True):
        asked = head.true >= 0
        right = (own.argmax(1) == head.true)[asked]
        accuracy += head.weight * float(right.double().mean())
    return float(loss), accuracy
