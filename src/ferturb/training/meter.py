"""Loss and accuracy on the training inputs of an epoch."""

from __future__ import annotations

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
        self.seen = 0

    def add(self, loss: Tensor, logits: Tensor, first: Head) -> None:
        """`first`: what the first head, whose accuracy this is, should say of the batch's faces."""
        true = first.true.repeat_interleave(len(logits) // len(first.true))
        self.loss += loss.detach() * len(true)
        self.correct += (split_heads(logits.detach())[0].argmax(1) == true).sum()
        self.seen += len(true)

    def seconds(self) -> float:
        """Since it was made."""
        return time.perf_counter() - self.start
