"""Annotations that NumPy 2.5 and jaxtyping understand alike."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jaxtyping import Float, Int

from ferturb.base.arrays import Floats, Integers

ROOT = Path(__file__).resolve().parents[2]
SHAPED = re.compile(r"\b(?:Float|Int|UInt|Bool|Shaped|Num)\d*\[\s*NDArray\b")


@pytest.mark.parametrize("folder", ["src", "tools", "research", "tests"])
def test_no_shape_is_given_to_numpys_own_alias(folder: str) -> None:
    """Since NumPy 2.5 jaxtyping can't look into `NDArray`, and importing such a module fails."""
    found = [p for p in (ROOT / folder).rglob("*.py") if SHAPED.search(p.read_text("utf-8"))]
    assert not found


LABELS, LOGITS = np.zeros(3, np.int64), np.zeros((3, 7), np.float32)


@pytest.mark.parametrize(
    ("array", "shaped", "fits"),
    [
        (LABELS, Int[Integers, " n"], True),
        (LOGITS, Float[Floats, "n 7"], True),
        (LOGITS, Float[Floats, "n 6"], False),
        (LOGITS, Int[Integers, "n 7"], False),
    ],
)
def test_shapes_and_types_are_checked(array: object, shaped: Any, fits: bool) -> None:
    assert isinstance(array, shaped) == fits
