"""Networks of timm by name, with weights from a file; nothing is downloaded, or unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ferturb.base.errors import FerturbError, first_line
from ferturb.base.reading import reading
from ferturb.base.tensors import load_tensors
from ferturb.export.foreign.opened import Opened

_NESTED = ("state_dict", "model", "model_state_dict")
"""Under which keys programs put a network's weights into a file."""


def of_timm(name: str, weights: Path, classes: int, channels: int = 3) -> Opened:
    """A timm network with the weights of a file.

    A safetensors file, or one of torch's that holds tensors alone (``weights_only``); anything
    else, and weights of another network, raise `FerturbError`.
    """
    import timm

    try:
        network = timm.create_model(name, False, num_classes=classes, in_chans=channels)
    except Exception as error:
        raise FerturbError(
            f"timm can't make {name!r} ({first_line(error)}); give a name of timm.list_models()"
        ) from error
    state = _weights(weights)
    try:
        network.load_state_dict(state)
    except Exception as error:  # its first line names the class alone
        reason = (str(error).splitlines() or [""])[-1].strip()[:160]
        raise FerturbError(
            f"{weights} doesn't fit timm's {name} of {classes} classes and {channels} channels: "
            f"{reason}; give the weights of this network"
        ) from error
    known: Any = network.pretrained_cfg
    return Opened(
        network,
        name,
        side=known["input_size"][-1],
        channels=channels,
        mean=_of(known["mean"], channels),
        std=_of(known["std"], channels),
    )


def _of(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return values if len(values) == channels else (sum(values) / len(values),)


def _weights(path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        return dict(load_tensors(path)[0])
    advice = "give weights as safetensors, or as tensors alone (torch.save of a state_dict)"
    with reading(path, "a file of weights", advice):
        found = torch.load(path, map_location="cpu", weights_only=True)
        found = next((found[key] for key in _NESTED if isinstance(found.get(key), dict)), found)
    return dict(found)
