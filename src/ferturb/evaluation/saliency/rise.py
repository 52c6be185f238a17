"""RISE: what a model predicts for a face seen through many random masks.

Petsiuk, Das and Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models",
BMVC 2018. Masks are random grids of 7×7 cells, each shown with probability ½, enlarged smoothly
and shifted at random. With f the probability of the emotion, the paper's map is the mean of f over
masks that show a pixel,

    S(λ) = E[f(I ⊙ M) · M(λ)] / E[M(λ)].

It is high everywhere, even where nothing matters, so that its mass would say little. What is
given here is how much more likely the emotion is when a pixel is shown than when it is hidden,
where that is positive:

    max(0,  E[f · M(λ)] / E[M(λ)]  −  E[f · (1 − M(λ))] / E[1 − M(λ)] )

Hidden pixels take the mean grey of the classifier's normalisation, as in the authors' program.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.base.pixels import at_once
from ferturb.evaluation.saliency.probability import BATCH, probabilities
from ferturb.models.classifier import MEAN

MASKS = 256
CELLS = 7
SHOWN = 0.5


@torch.no_grad()
def rise(
    model: nn.Module,
    faces: Float[Tensor, "b c h w"],
    target: Int64[Tensor, " b"],
    seed: int = 0,
    masks: int = MASKS,
) -> Float[Tensor, "b h w"]:
    """RISE maps, 0 or more, in units of probability; the same masks for all faces."""
    b, _, h, w = faces.shape
    of, shown = probabilities(model), rise_masks(masks, (h, w), seed).to(faces)
    scores = faces.new_zeros(b, masks)
    at_a_time = max(1, at_once(BATCH, faces) // b)
    for start in range(0, masks, at_a_time):
        some = shown[start : start + at_a_time]
        seen = MEAN + (faces - MEAN)[:, None] * some[None, :, None]
        index = target.repeat_interleave(len(some))[:, None]
        found = of(seen.flatten(0, 1)).gather(1, index)
        scores[:, start : start + at_a_time] = found.view(b, -1)
    hidden = 1 - shown
    with_pixel = torch.einsum("bm,mhw->bhw", scores, shown) / shown.sum(0).clamp_min(1e-6)
    without = torch.einsum("bm,mhw->bhw", scores, hidden) / hidden.sum(0).clamp_min(1e-6)
    return (with_pixel - without).clamp_min(0)


def rise_masks(count: int, size: tuple[int, int], seed: int = 0) -> Float[Tensor, "m h w"]:
    """Random smooth masks in [0, 1], 1 where the face is shown; the same seed, the same masks."""
    generator = torch.Generator().manual_seed(seed)
    h, w = size
    cell_h, cell_w = math.ceil(h / CELLS), math.ceil(w / CELLS)
    grid = (torch.rand(count, 1, CELLS, CELLS, generator=generator) < SHOWN).float()
    enlarged = ((CELLS + 1) * cell_h, (CELLS + 1) * cell_w)
    large = F.interpolate(grid, enlarged, mode="bilinear", align_corners=False)[:, 0]
    top = torch.randint(0, cell_h, (count,), generator=generator)
    left = torch.randint(0, cell_w, (count,), generator=generator)
    rows = top[:, None, None] + torch.arange(h)[None, :, None]
    columns = left[:, None, None] + torch.arange(w)[None, None, :]
    return large[torch.arange(count)[:, None, None], rows, columns]
