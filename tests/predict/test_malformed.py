"""Thousands of damaged and hostile files: each an error of one line, in bounded memory."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest

from ferturb.base.decode import Limits
from ferturb.predict.predictor import Predictor
from ferturb.predict.reading import Reading
from made_photos import Told
from malformed_files import malformed

COUNT = 5000


@pytest.mark.slow
def test_no_file_crashes_or_fills_memory(tmp_path: Path) -> None:
    predictor = Predictor("clean", Told(np.zeros((0, 4))), threads=1, limits=Limits(frames=20))
    suffixes = (".jpg", ".png", ".gif", ".webp", ".tif", ".bmp")
    paths = []
    for i, data in enumerate(malformed(COUNT)):
        path = tmp_path / f"{i:05d}{suffixes[i % len(suffixes)]}"
        path.write_bytes(data)
        paths.append(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = list(predictor.predict_files(paths, Reading(frames=True)))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert {photo.name for photo in found} == {str(path) for path in paths}
    errors = [photo.error for photo in found if photo.error is not None]
    assert len(errors) > COUNT / 3
    assert all(error and "\n" not in error and len(error) < 300 for error in errors)
    assert not any("Traceback" in error for error in errors)
    assert grown < 2500, f"{grown:.0f} MiB more memory"
