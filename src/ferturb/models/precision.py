"""In which numbers a network computes: float32, or bfloat16 where the device has it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """bfloat16 where the recipe asks for it or (auto) the device computes in it, else None."""
    if precision == "auto":
        return torch.bfloat16 if _computes_bfloat16(device) else None
    return torch.bfloat16 if precision == "bfloat16" else None


@functools.cache
def _computes_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    cpuinfo = Path("/proc/cpuinfo")
    if device.type != "cpu" or not cpuinfo.exists():
        return False
    flags = cpuinfo.read_text(errors="replace")
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", " bf16"))


@contextlib.contextmanager
def autocast(precision: str, device: torch.device) -> Iterator[None]:
    """The context in which a recipe's forward pass runs on a device."""
    dtype = autocast_dtype(precision, device)
    if dtype is None:
        yield
        return
    depthwise = DepthwiseInFloat32() if device.type == "cpu" else contextlib.nullcontext()
    with torch.autocast(device.type, dtype=dtype), depthwise:
        yield


class DepthwiseInFloat32(TorchFunctionMode):
    """Within autocast on a CPU, convolutions of each channel by itself compute in float32.

    Their answers are in autocast's type, as of any other convolution. In bfloat16 their gradients
    take several times as long as in float32 (oneDNN 3.12 with AVX-512 and AMX: 128 faces, 1,152
    channels, maps of 2 x 2, kernels of 5 x 5, the weights' gradient 73 and 21 ms; with stride 2 the
    maps' gradient 114 and 1.5 ms), which is most of the time of EfficientNet or EmoNeXt.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """`func` as it is, but for depthwise convolutions."""
        if func is not torch.conv2d or not torch.is_autocast_enabled("cpu"):
            return func(*args, **(kwargs or {}))
        given = dict(zip(_CONV2D, args, strict=False)) | dict(kwargs or {})
        maps = given["input"]
        if given.get("groups", 1) != maps.shape[-3] or maps.shape[-3] == 1:
            return func(**given)
        answer = torch.get_autocast_dtype("cpu")
        with torch.autocast("cpu", enabled=False):
            return func(**given | {n: _float(given.get(n)) for n in _CONV2D[:3]}).to(answer)


_CONV2D = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
"""The parameters of `torch.conv2d`, in their order."""


def _float(values: Tensor | None) -> Tensor | None:
    return None if values is None else values.float()
