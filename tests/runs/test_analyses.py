"""What the dataclasses of analyses share: to a run's folder and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from ferturb.base.config import RunConfig
from ferturb.runs.analyses import Stored
from ferturb.runs.run import Run


@dataclass(frozen=True, eq=False)
class Pair:
    left: NDArray[np.float32]
    right: NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Measured(Stored):
    KIND: ClassVar[str] = "look"
    FORMAT: ClassVar[str] = "look-2"
    names: tuple[str, ...]
    method: str
    whole: Pair
    area: NDArray[np.int32]
    record: Mapping[str, Any] = field(default_factory=dict)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", RunConfig())


@pytest.fixture
def measured() -> Measured:
    pair = Pair(np.float32([[0.1, np.nan]]), np.int8([-1, 6]))
    record = {"names": ["ä", "b"], "method": "rise", "seed": 3}
    return Measured(("ä", "b"), "rise", pair, np.arange(3, dtype=np.int32), record)


def test_it_comes_back_as_it_was(run: Run, measured: Measured) -> None:
    assert Measured.load(run) is None
    measured.store(run, "look")
    kept = Measured.load(run)
    assert kept is not None
    assert (kept.names, kept.method) == (measured.names, measured.method)
    assert kept.record == {**measured.record, "format": "look-2"}
    assert set(kept.arrays()) == {"whole_left", "whole_right", "area"}
    for name, array in measured.arrays().items():
        np.testing.assert_array_equal(kept.arrays()[name], array)
        assert kept.arrays()[name].dtype == array.dtype


def test_a_kind_has_its_own_names_and_format(run: Run, measured: Measured) -> None:
    for name in ("look", "look-blur", "looking", "on-look"):
        measured.store(run, name)
    run.store_analysis("look-old", measured.arrays(), {**measured.record, "format": "look-1"})
    assert list(Measured.kept(run)) == ["look", "look-blur"]
    assert Measured.load(run, "look-old") is None
