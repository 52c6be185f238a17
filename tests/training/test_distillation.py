from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ferturb.training.distillation import Teacher, distillation_loss

CPU = torch.device("cpu")


class Fixed(nn.Module):
    """Says the same of every face."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.says = nn.Parameter(torch.tensor(logits))

    def forward(self, faces: Tensor) -> Tensor:
        return self.says.expand(len(faces), -1)


def test_the_loss_by_hand() -> None:
    student, teacher = torch.tensor([[0.0, 0.0]]), torch.tensor([[2.0 * math.log(3.0), 0.0]])
    # T = 2: teacher 3/4, 1/4; student 1/2, 1/2
    expected = 4 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert float(distillation_loss(student, teacher, 2.0)) == pytest.approx(expected, abs=1e-6)


def test_who_says_what_the_teacher_says_has_nothing_to_learn() -> None:
    logits = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = distillation_loss(logits, logits.detach() + 3.0, 1.5)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0.0, abs=1e-6)
    assert logits.grad is not None
    assert float(logits.grad.abs().max()) < 1e-6


def test_at_temperature_one_the_gradient_is_the_difference_of_probabilities() -> None:
    generator = torch.Generator().manual_seed(1)
    student = torch.randn(4, 7, generator=generator, dtype=torch.float64).requires_grad_()
    teacher = torch.randn(4, 7, generator=generator, dtype=torch.float64)
    distillation_loss(student, teacher, 1.0).backward()
    expected = (student.detach().softmax(-1) - teacher.softmax(-1)) / 4
    assert student.grad is not None
    assert torch.allclose(student.grad, expected, atol=1e-12)


def test_several_teachers_are_their_mean_logits() -> None:
    models = [Fixed([1.0, 0.0, 2.0]), Fixed([3.0, -2.0, 0.0])]
    teacher = Teacher(models, 0.5, 1.0, "float32", CPU)
    assert torch.equal(
        teacher.logits(torch.zeros(2, 1, 4, 4)), torch.tensor([[2.0, -1.0, 1.0]] * 2)
    )
    assert not any(p.requires_grad for model in models for p in model.parameters())


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_blending_weighs_labels_and_teacher_and_serves_all_views(weight: float) -> None:
    teacher = Teacher([Fixed([1.0, 0.0])], weight, 2.0, "float32", CPU)
    logits = torch.tensor([[0.5, 0.0], [0.0, 0.5], [1.0, 1.0], [0.0, 0.0]])  # 2 faces, 2 views each
    hard = torch.tensor(0.7)
    told = torch.tensor([[1.0, 0.0]] * 4)
    expected = (1 - weight) * 0.7 + weight * float(distillation_loss(logits, told, 2.0))
    taught = teacher.logits(torch.zeros(2, 1, 4, 4))
    assert float(teacher.blend(hard, logits, taught)) == pytest.approx(expected)


def test_a_teacher_that_remembers_is_asked_once_about_each_batch() -> None:
    asked = []

    def faces(value: float) -> Tensor:
        asked.append(value)
        return torch.full((2, 1, 4, 4), value)

    class Echo(nn.Module):
        def forward(self, faces: Tensor) -> Tensor:
            return faces.mean((1, 2, 3))[:, None].expand(-1, 2)

    for remember, times in ((True, 2), (False, 4)):
        asked.clear()
        teacher = Teacher([Echo()], 0.5, 1.0, "float32", CPU, remember)
        for value in (1.0, 2.0) * 2:
            answer = teacher.answer((1, int(value)), lambda v=value: faces(v))  # type: ignore[misc]
            assert torch.equal(answer, torch.full((2, 2), value))
        assert len(asked) == times
