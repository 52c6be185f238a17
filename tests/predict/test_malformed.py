"""Thousands of damaged and hostile files: each an error of one line, in bounded memory."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from ferturb.base.decode import Limits
from ferturb.predict.predictor import Predictor
from ferturb.predict.reading import Reading
from made_photos import Told
from malformed_files import malformed

COUNT = 5000


def peak() -> float:
    """The most memory that this process ever took, in MiB; 0 on Windows, which doesn't say."""
    if sys.platform == "win32":
        return 0.0
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


@pytest.mark.slow
def test_no_file_crashes_or_fills_memory(tmp_path: Path) -> None:
    predictor = Predictor("clean", Told(np.zeros((0, 4))), threads=1, limits=Limits(frames=20))
    suffixes = (".jpg", ".png", ".gif", ".webp", ".tif", ".bmp")
    paths = []
    for i, data in enumerate(malformed(COUNT)):
        path = tmp_path / f"{i:05d}{suffixes[i % len(suffixes)]}"
        path.write_bytes(data)
        paths.append(path)
    before = peak()
    found = list(predictor.predict_files(paths, Reading(frames=True)))
    grown = peak() - before
    assert {photo.name for photo in found} == {str(path) for path in paths}
    errors = [photo.error for photo in found if photo.error is not None]
    assert len(errors) > COUNT / 3
    assert all(error and "\n" not in error and len(error) < 300 for error in errors)
    assert not any("Traceback" in error for error in errors)
    assert grown < 2500, f"{grown:.0f} MiB more memory"
