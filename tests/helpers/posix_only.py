"""The mark of tests that need what Windows lacks: pipes in folders, devices, signals that kill."""

from __future__ import annotations

import sys

import pytest

posix_only = pytest.mark.skipif(
    sys.platform == "win32", reason="needs POSIX's pipes, devices, signals"
)
