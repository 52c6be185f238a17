"""Loss and accuracy on the training inputs of an epoch."""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor

from ferturb.training.targets import Head, split_heads


class Meter:
    """Both, summed on the device, and the time since it was made."""

    def __init__(self, device: torch.device) -> None:
        self.start = time.perf_counter()
        self.loss = torch.zeros((), device=device)
        self.correct = torch.zeros((), device=device)
        self.asked = torch.zeros((), device=device)
        self.seen = 0

    def add(self, loss: Tensor, logits: Tensor, first: Head) -> None:
        """`first`: what the first head, whose accuracy this is, should say of the batch's faces."""
        true = first.true.repeat_interleave(len(logits) // len(first.true))
        self.loss += loss.detach() * len(true)
        self.correct += (split_heads(logits.detach())[0].argmax(1) == true).sum()
        self.asked += (true >= 0).sum()
        self.seen += len(true)

    def means(self) -> tuple[float, float]:
        """Loss and accuracy over the inputs so far; where none is asked about, nan."""
        asked = float(self.asked)
        right = float(self.correct) / asked if asked else math.nan
        return float(self.loss) / self.seen, right

    def seconds(self) -> float:
        """Since it was made."""
        return time.perf_counter() - self.start
