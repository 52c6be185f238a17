from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ferturb.models.device import sent

GPU = torch.device("cuda")


def test_what_goes_to_a_gpu_is_pinned_first_and_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pinned, said = torch.arange(3), list[tuple[object, ...]]()

    def to(values: Tensor, device: torch.device, non_blocking: bool = False) -> Tensor:
        said.append((values, device, non_blocking))
        return values

    monkeypatch.setattr(Tensor, "pin_memory", lambda values: pinned)
    monkeypatch.setattr(Tensor, "to", to)
    sent(torch.zeros(3), GPU)
    ((values, device, non_blocking),) = said
    assert values is pinned
    assert (device, non_blocking) == (GPU, True)


def test_elsewhere_nothing_is_copied() -> None:
    values = torch.zeros(3)
    assert sent(values, torch.device("cpu")) is values


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gets_the_values_without_a_wait() -> None:
    values = torch.rand(1000, 48, 48)
    torch.cuda.set_sync_debug_mode("error")
    there = sent(values, GPU)
    torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(there.cpu(), values)
