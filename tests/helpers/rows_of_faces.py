"""Boxes of faces in rows, each group in the order in which one reads it."""

from __future__ import annotations

import numpy as np


def _grid(
    rows: int, columns: int, uneven: float = 0.0, angle: float = 0.0, apart: float = 130.0
) -> np.ndarray:
    """Boxes (n, 4) of faces of 100 pixels: `uneven` pixels higher or lower each, and turned."""
    rng = np.random.default_rng(1)
    x, y = np.meshgrid(130.0 * np.arange(columns), apart * np.arange(rows))
    y = y + rng.uniform(-uneven, uneven, y.shape)
    turn = np.radians(angle)
    middles = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)])
    middles = middles.reshape(2, -1).T
    return np.concatenate([middles - 50, middles + 50], 1)


def _staggered() -> np.ndarray:
    """Four people, and in front of them three, whose heads are between theirs."""
    behind, before = _grid(1, 4), _grid(1, 3) + np.array([65, 60, 65, 60])
    return np.concatenate([behind, before])


def _of_all_sizes() -> np.ndarray:
    """A row of a large face, a small one and a large one, whose foreheads are on a line."""
    return np.array([[0.0, 0, 200, 200], [210, 0, 250, 40], [260, 10, 440, 210]])


ROWS: dict[str, np.ndarray] = {
    "none": np.zeros((0, 4)),
    "one": _grid(1, 1),
    "a row": _grid(1, 6, uneven=24),
    "a row that falls": _grid(1, 6, angle=15),
    "a row that rises": _grid(1, 6, angle=-15),
    "a column": _grid(4, 1),
    "a grid": _grid(4, 5, uneven=14),
    "a grid that falls": _grid(3, 5, angle=10),
    "a grid that rises": _grid(3, 5, angle=-10),
    "rows between each other": _staggered(),
    "a row of all sizes": _of_all_sizes(),
}
"""Boxes (n, 4), left, top, right, bottom, in reading order."""
