"""Knowledge distillation: a network learns what other networks predict, beside the labels.

Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015. With teacher
probabilities p = softmax(t / T) and student probabilities q = softmax(s / T)

    loss = (1 − w) · cross-entropy(s, label) + w · T² · KL(p ‖ q)

where t is the mean of the teachers' logits (their ensemble). Teacher and student see the same
augmented face (Beyer et al., "Knowledge distillation: A good teacher is patient and consistent",
CVPR 2022); a student that sees a face smaller, or with something hidden, learns what the teacher
predicts for the whole face at its full size. FER2013's labels are noisy, and a teacher's
probabilities show how ambiguous a face is. Where the training repeats its augmentations
(`RecipeConfig.distillation_views`), the teacher's logits are computed once and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.models.precision import autocast


class Teacher:
    """One or several finished networks, and how much is learnt from them."""

    def __init__(
        self,
        models: Sequence[nn.Module],
        weight: float,
        temperature: float,
        precision: str,
        device: torch.device,
        remember: bool = False,
    ) -> None:
        """`weight` is w, 0 … 1; `temperature` is T > 0; `remember` keeps the logits."""
        self.models = [m.to(device).eval().requires_grad_(False) for m in models]
        self.weight = weight
        self.temperature = temperature
        self.precision = precision
        self.device = device
        self.remember = remember
        self._answers: dict[tuple[int, int], Tensor] = {}

    def answer(
        self, batch: tuple[int, int], faces: Callable[[], Float[Tensor, "b c h w"]]
    ) -> Float[Tensor, "b e"]:
        """The logits of a batch's faces, which are made only if their logits aren't remembered.

        `batch` (augmentation, step) names the batch: the same name, the same faces.
        """
        logits = self._answers.get(batch)
        if logits is None:
            logits = self.logits(faces())
            if self.remember:
                self._answers[batch] = logits
        return logits

    @torch.no_grad()
    def logits(self, faces: Float[Tensor, "b c h w"]) -> Float[Tensor, "b e"]:
        """The mean of the teachers' logits, float32."""
        with autocast(self.precision, self.device):
            return torch.stack([model(faces).float() for model in self.models]).mean(0)

    def blend(
        self, hard: Float[Tensor, ""], logits: Float[Tensor, "v e"], taught: Float[Tensor, "b e"]
    ) -> Float[Tensor, ""]:
        """The loss, from the labels' loss `hard`, the student's logits and the teacher's.

        v may be a multiple of b: the views of a face stand together and share its teacher's logits.
        """
        taught = taught.repeat_interleave(len(logits) // len(taught), 0)
        soft = distillation_loss(logits, taught, self.temperature)
        return (1 - self.weight) * hard + self.weight * soft


def distillation_loss(
    student: Float[Tensor, "b e"], teacher: Float[Tensor, "b e"], temperature: float
) -> Float[Tensor, ""]:
    """T² · KL(teacher ‖ student) of probabilities softened by T, mean over faces."""
    target = (teacher / temperature).softmax(-1)
    predicted = (student / temperature).log_softmax(-1)
    return temperature**2 * F.kl_div(predicted, target, reduction="batchmean")
