"""Drawn faces that show every action unit of their emotion in full."""

from __future__ import annotations

import torch
from torch import Tensor

from ferturb.base.emotions import EMOTIONS
from ferturb.data.drawn.action_units import PROTOTYPES, units
from ferturb.data.drawn.synthetic import draw_with


def strong_faces(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """n faces (n, 48, 48) in uint8 and their labels, the emotions in turn."""
    labels = torch.arange(n) % len(EMOTIONS)
    rows = torch.stack([units(dict.fromkeys(PROTOTYPES[emotion], 1.0)) for emotion in EMOTIONS])
    return draw_with(rows[labels], seed=seed).images, labels
