"""The picture is checked by what is in it: bars as high as the numbers."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ferturb.report.form.style import BLUE, GREEN
from research.evidence_figure import cluster_evidence_figure


def bars(shared: float, own: float) -> tuple[int, int]:
    """Pixels of the bars' colours; legend included, which is the same in every picture."""
    images = np.full((2, 48, 48), 120, np.uint8)
    maps = np.tile(np.arange(48) // 16, (2, 48, 1))
    means = {
        (scope, name): np.full((2, 3), value if name == "coverage" else 0.0)
        for scope, value in (("shared", shared), ("face", own))
        for name in ("coverage", "anywhere", "in-the-face")
    }
    means["shared", "coverage"][:, 0] = 1.0  # so that the axis is the same
    means["shared", "coverage"][:, 1] = 3 * shared - 1 - means["shared", "coverage"][:, 2]
    blank = np.zeros((2, 48, 48))
    png = cluster_evidence_figure(
        images, ("happy", "sad"), blank, blank, {"shared": maps, "face": maps}, means
    )
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    counts = []
    for colour in (BLUE, GREEN):
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        counts.append(int((np.abs(picture - rgb).max(-1) <= 6).sum()))
    return counts[0], counts[1]


def test_bars_are_as_high_as_the_means() -> None:
    low, high = bars(0.8, 0.2), bars(0.8, 0.6)
    lowest = bars(0.8, 0.0)
    assert low[0] == pytest.approx(high[0], rel=0.02)
    assert high[1] - lowest[1] == pytest.approx(3 * (low[1] - lowest[1]), rel=0.06)
