"""Logits of many faces, in batches, without gradients."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ferturb.base.emotions import EMOTIONS
from ferturb.base.pixels import as_input, at_once
from ferturb.models.device import sent
from ferturb.models.precision import autocast


@torch.no_grad()
def logits_of(
    model: nn.Module,
    images: UInt8[Tensor, "n *c h w"],
    batch_size: int | None = None,
    precision: str = "float32",
    device: torch.device | None = None,
    variants: Callable[[Tensor], list[Tensor]] = lambda faces: [faces],
) -> Float[Tensor, "n e"]:
    """Float32 logits on the CPU, one row a face, computed in evaluation mode; modules are left in
    the modes that they had. `device` None is where the model is.

    `batch_size` None is 256 faces of 48×48, and 1,024 on a GPU; of larger ones as many pixels.
    `variants` makes of the faces those whose logits are averaged.
    """
    if not len(images):
        return torch.empty(0, len(EMOTIONS))
    device = device or next((p.device for p in model.parameters()), torch.device("cpu"))
    batch_size = batch_size or at_once(256 if device.type == "cpu" else 1024, images)
    modes = {module: module.training for module in model.modules()}
    model.eval()
    rows = []
    for batch in images.split(batch_size):  # type: ignore[no-untyped-call]
        faces = as_input(sent(batch, device))
        with autocast(precision, device):
            parts = [model(shown).float() for shown in variants(faces)]
        rows.append(torch.stack(parts).mean(0).cpu())
    for module, training in modes.items():
        module.training = training
    return torch.cat(rows)
