"""Which processor computes."""

from __future__ import annotations

import platform
from pathlib import Path


def processor_name() -> str:
    """As the system calls it; of Linux the model's name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
