from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from captum.attr import GuidedBackprop
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.evaluation.saliency.guided import GuidedReLUs

RELUS: dict[str, Callable[[Tensor], Tensor]] = {
    "function": F.relu,
    "function in place": lambda x: F.relu(x + 0, inplace=True),
    "torch": torch.relu,
    "method": lambda x: x.relu(),
    "method in place": lambda x: (x + 0).relu_(),
    "module": nn.ReLU(),
    "module in place": lambda x: nn.ReLU(inplace=True)(x + 0),
}


@pytest.mark.parametrize("name", RELUS)
def test_every_way_to_call_a_relu_follows_the_rule(name: str) -> None:
    x = torch.tensor([-1.0, 2.0, 3.0, -4.0], requires_grad=True)
    weight = torch.tensor([5.0, -6.0, 7.0, -8.0])
    with GuidedReLUs() as guided:
        y = RELUS[name](x)
    (gradient,) = torch.autograd.grad((y * weight).sum(), x)
    assert guided.count == 1
    assert y.tolist() == [0, 2, 3, 0]
    assert gradient.tolist() == [0, 0, 7, 0]  # open, and the gradient positive
    plain = RELUS[name](x)
    (gradient,) = torch.autograd.grad((plain * weight).sum(), x)
    assert gradient.tolist() == [0, -6, 7, 0]


def test_captum_agrees_where_it_can() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, 7),
    )
    x, target = torch.rand(3, 1, 12, 12, requires_grad=True), torch.tensor([1, 2, 3])
    with pytest.warns(UserWarning, match="hooks"):
        expected = GuidedBackprop(model).attribute(x, target)
    with GuidedReLUs():
        score = model(x).gather(1, target[:, None]).sum()
    (found,) = torch.autograd.grad(score, x)
    torch.testing.assert_close(found, expected)
