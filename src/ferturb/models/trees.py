"""Boosted decision trees as a layer, so that they are stored, exported and tested like any other.

Every node of every tree asks whether one of the inputs is at most its threshold; a leaf has a
value. All trees go down one level at a time, together. `ferturb.training.fitting` fills them in;
untrained, every tree is a leaf of value 0.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ferturb.base.emotions import EMOTIONS

ROUNDS, LEAVES, DEPTH = 150, 31, 6
"""Rounds of boosting, one tree an emotion each; the most leaves and levels of a tree."""


class Trees(nn.Module):
    """(b, inputs) -> (b, 7): the sums of the values of the leaves that each emotion's trees reach.

    Trees in the order of their rounds, in a round in that of the emotions.
    """

    def __init__(self, rounds: int = ROUNDS, leaves: int = LEAVES, depth: int = DEPTH) -> None:
        super().__init__()
        self.depth = depth
        self.outputs = len(EMOTIONS)
        trees, nodes = rounds * self.outputs, 2 * leaves - 1
        own = torch.arange(nodes).repeat(trees, 1)  # a leaf leads to itself
        self.feature: Tensor
        self.threshold: Tensor
        self.left: Tensor
        self.right: Tensor
        self.value: Tensor
        self.register_buffer("feature", torch.zeros(trees, nodes, dtype=torch.int64))
        self.register_buffer("threshold", torch.zeros(trees, nodes))
        self.register_buffer("left", own)
        self.register_buffer("right", own.clone())
        self.register_buffer("value", torch.zeros(trees, nodes))

    @property
    def learnt(self) -> int:
        """How many numbers are learnt: a threshold a question, a value a leaf."""
        asks = self.left != torch.arange(self.left.shape[1], device=self.left.device)
        return int((asks | (self.value != 0)).sum())

    def forward(self, x: Float[Tensor, "b f"]) -> Float[Tensor, "b e"]:
        """The emotions' sums, in float32."""
        trees, nodes = self.feature.shape
        first = torch.arange(trees, device=x.device) * nodes
        at = first.expand(x.shape[0], -1)
        for _ in range(self.depth):
            asked = x.float().gather(1, self.feature.flatten()[at])
            below = asked <= self.threshold.flatten()[at]
            at = torch.where(below, self.left.flatten()[at], self.right.flatten()[at]) + first
        sums: Tensor = self.value.flatten()[at].reshape(-1, trees // self.outputs, self.outputs)
        return sums.sum(1)
