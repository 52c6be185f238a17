"""What made a run: data, software, hardware."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ferturb.base.processor import processor_name
from ferturb.data.faces import Faces
from ferturb.models.precision import autocast_dtype

HASHED = ("images", "labels", "splits")
"""What `Faces.content_hash` is of."""


def describe_data(faces: Faces) -> dict[str, Any]:
    """What a run stores of its data; of arrays beside pixels, labels and splits a hash each."""
    arrays = {f.name: getattr(faces, f.name) for f in fields(faces) if f.name not in HASHED}
    others = {k: _hash(v) for k, v in arrays.items() if isinstance(v, Tensor)}
    return {
        "source": faces.source,
        "kind": faces.kind,
        "hash": faces.content_hash(),
        **({"arrays": others} if others else {}),
        "notes": list(faces.notes),
        "counts": faces.counts(),
    }


def changed_data(record: Mapping[str, Any], data: Mapping[str, Any]) -> str | None:
    """What differs between the faces that a run's record names and `data`; None if nothing does.

    A run of an earlier ferturb, which names none until it is finished, is taken as it is.
    """
    known = record.get("data", {})
    if not known.get("hash"):
        return None
    old, new = ({"faces": d["hash"], **d.get("arrays", {})} for d in (known, data))
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            return f"{name} {str(old.get(name))[:12]}, now {str(new.get(name))[:12]}"
    return None


def begun(
    record: Mapping[str, Any] | None,
    software: Mapping[str, Any],
    data: Mapping[str, Any],
    went_on: bool,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """run.json of a training that starts now, or goes on (`went_on`) after what `record` says.

    A run that another version goes on with keeps the first one's commit and lists the other under
    "resumed_with". What a reader should know about its faces, or how it was trained (`notes`),
    stands in "notes".
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    known = dict(record or {**software, "started": now})
    commit, resumed = software.get("commit"), known.get("resumed_with", [])
    notes = [note for note in notes if note not in known.get("notes", [])]
    if commit != known.get("commit") and commit not in resumed:
        known["resumed_with"] = [*resumed, commit]
    changed = changed_data(known, data)
    if went_on and not known.get("data", {}).get("hash"):
        notes.append(f"which faces it was begun on is not known; they are noted from {now} on")
    elif went_on and changed:
        notes.append(f"it went on with other faces than it was begun on ({changed}), on purpose")
    if notes:
        known["notes"] = [*known.get("notes", []), *notes]
    return known | {"data": dict(data)}


def _hash(array: Tensor) -> str:
    data = array.contiguous().reshape(-1).view(torch.uint8).numpy().data
    return hashlib.sha256(f"{array.dtype} {tuple(array.shape)}".encode() + data).hexdigest()


def describe_software() -> dict[str, Any]:
    """Versions and the git commit of this ferturb, if it runs from a checkout."""
    names = ("ferturb", "torch", "torchvision", "timm", "numpy")
    ours = _git("ls-files", "--error-unmatch", Path(__file__).name) is not None
    commit = _git("rev-parse", "HEAD") if ours else None
    return {
        "versions": {"python": platform.python_version()}
        | {name: _version(name) for name in names},
        "commit": commit,
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")) if commit else None,
    }


def describe_analysis(faces: Faces, started: float) -> dict[str, Any]:
    """Data, software and the seconds since `started` (of `time.monotonic`) of an analysis."""
    return {
        "data": describe_data(faces),
        "software": describe_software(),
        "seconds": round(time.monotonic() - started, 1),
    }


def describe_hardware(device: torch.device, precision: str) -> dict[str, Any]:
    """Processor, cores, threads, memory, device, and the number format of the forward pass."""
    dtype = autocast_dtype(precision, device)
    return {
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(_memory() / 2**30, 1),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "precision": "bfloat16" if dtype is torch.bfloat16 else "float32",
    }


def _version(name: str) -> str | None:
    """None for a package that isn't installed: ferturb itself can run from its sources."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _memory() -> int:
    """The machine's memory, in bytes; 0 where Windows doesn't say."""
    if sys.platform == "win32":
        kib = ctypes.c_ulonglong(0)
        ctypes.windll.kernel32.GetPhysicallyInstalledSystemMemory(ctypes.byref(kib))
        return 1024 * kib.value
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _git(*arguments: str) -> str | None:
    here = Path(__file__).resolve().parent
    try:
        out = subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return out.stdout.strip() if out.returncode == 0 else None
