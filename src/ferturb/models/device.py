"""Where a network computes, and with how many threads."""

from __future__ import annotations

import torch
from torch import Tensor

from ferturb.base.allocation import keep_freed_memory
from ferturb.base.checks import require_whole
from ferturb.base.errors import FerturbError, first_line


def prepare_process(device: str, threads: int | None = None) -> torch.device:
    """Set up this process for training: the device, torch's threads, denormal numbers off, freed
    memory kept (`ferturb.base.allocation`).

    Denormal numbers (below 1e-38) are computed tens of times slower on most CPUs and carry
    nothing a network learns from. An unknown or missing device raises `FerturbError`.
    """
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).item()  # a device that computes, which "meta" is not
    except (RuntimeError, AssertionError) as error:
        raise FerturbError(
            f"can't use device {device!r} ({first_line(error)}); "
            "give cpu, or cuda where torch sees a GPU"
        ) from error
    torch.set_flush_denormal(True)
    keep_freed_memory()
    if threads is not None:
        torch.set_num_threads(require_whole("threads", threads, 1, 1024))
    return chosen


def sent(values: Tensor, device: torch.device) -> Tensor:
    """The values on a device. From the CPU to a GPU they go by pinned memory, so that the program
    goes on while they are copied; what computes with them there waits for them by itself."""
    if values.device.type == "cpu" and device.type == "cuda":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)
