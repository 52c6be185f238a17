"""Tensors as safetensors files, with a description and a checksum; nothing is ever unpickled."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferturb.base.errors import FerturbError
from ferturb.base.reading import reading
from ferturb.base.storage import atomic_path
from ferturb.base.text import is_utf8

if TYPE_CHECKING:
    from torch import Tensor
_META, _CHECKSUM = "ferturb", "crc32"
"""Where a safetensors file keeps its description, and the description the file's checksum."""


def save_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and a JSON description, with a checksum, as a safetensors file, atomically."""
    from safetensors.torch import save, save_file

    ready = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    described = {_META: json.dumps({**meta, _CHECKSUM: _checksum(ready, meta)})}
    with atomic_path(path) as temporary:
        try:
            if is_utf8(str(temporary)):
                save_file(ready, temporary, described)
            else:
                temporary.write_bytes(save(ready, described))
        except Exception as error:  # safetensors turns a full disk into its own exception
            if isinstance(error, OSError):
                raise
            raise OSError(str(error)) from error


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote: (tensors, description).

    Anything but a safetensors file (a pickle, a truncated file), and one whose checksum is wrong,
    raises `FerturbError`; nothing is ever unpickled. A file without a checksum (of an earlier
    ferturb) is taken as it is.
    """
    advice = "ferturb loads weights from safetensors only and never unpickles: convert it first"
    with reading(path, "a safetensors file", advice):
        tensors, described = _opened(path) if is_utf8(str(path)) else _read(path)
        meta = json.loads(described.get(_META, "{}"))
        if not isinstance(meta, dict):
            raise ValueError("its description is not a JSON object")
    written = meta.pop(_CHECKSUM, None)
    if written is not None and written != _checksum(tensors, meta):
        raise FerturbError(
            f"{path} is damaged: its checksum is not the one it was written with; restore it, or "
            "remove it and make it again"
        )
    return tensors, meta


def _opened(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return tensors, file.metadata() or {}


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The same of its bytes: safetensors opens no file whose name is not UTF-8."""
    from safetensors.torch import load

    data = path.read_bytes()
    tensors = load(data)  # which checks the head, too
    head = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return tensors, head.get("__metadata__", {})


def _checksum(tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> str:
    """CRC-32 of the description and of every tensor's name, kind, shape and bytes."""
    import torch

    total = zlib.crc32(json.dumps(dict(meta)).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        total = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), total)
        total = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, total)
    return f"{total:08x}"
