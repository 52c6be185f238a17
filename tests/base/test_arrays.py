"""Annotations that NumPy 2.5 and jaxtyping understand alike."""

from __future__ import annotations

import re
from pathlib import Path

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


def test_shapes_and_types_are_checked() -> None:
    labels, logits = np.zeros(3, np.int64), np.zeros((3, 7), np.float32)
    assert isinstance(labels, Int[Integers, " n"])
    assert isinstance(logits, Float[Floats, "n 7"])
    assert not isinstance(logits, Float[Floats, "n 6"])
    assert not isinstance(logits, Int[Integers, "n 7"])
