"""What made a run: data, software, hardware."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import torch

from ferturb.data.faces import Faces
from ferturb.models.inference import autocast_dtype


def describe_data(faces: Faces) -> dict[str, Any]:
    """What a run stores of its data."""
    return {
        "source": faces.source,
        "kind": faces.kind,
        "hash": faces.content_hash(),
        "notes": list(faces.notes),
        "counts": faces.counts(),
    }


def describe_software() -> dict[str, Any]:
    """Versions and the git commit of this ferturb, if it runs from a checkout."""
    names = ("ferturb", "torch", "torchvision", "timm", "numpy")
    commit = _git("rev-parse", "HEAD")
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
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(memory, 1),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "precision": "bfloat16" if dtype is torch.bfloat16 else "float32",
    }


def _version(name: str) -> str | None:
    """None for a package that isn't installed: ferturb itself can run from its sources."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _git(*arguments: str) -> str | None:
    here = Path(__file__).resolve().parent
    try:
        out = subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return out.stdout.strip() if out.returncode == 0 else None
