"""A few faults of each kind that `tools/reliability.py` injects by the hundred: all are borne."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import fault_files
import fault_inputs
import fault_processes
import faults
import numpy as np
import pytest
import reliability

from ferturb.base.storage import write_rows

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes, devices and fork")


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> faults.Setting:
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "the-cache"))
    (tmp_path / "faults").mkdir()
    return faults.Setting(tmp_path / "faults", np.random.default_rng(1), 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inject", "step"),
    [
        (fault_files.own_files, 23),
        (fault_files.kept_files, 7),
        (fault_files.models, 9),
        (fault_processes.kills, 4),
        (fault_inputs.images, 5),
        (fault_inputs.tables, 3),
        (fault_inputs.outputs, 9),
        (fault_inputs.options, 5),
        (fault_inputs.names, 6),
    ],
)
def test_every_kind_of_fault_is_borne(
    setting: faults.Setting, inject: Callable[[faults.Setting], object], step: int
) -> None:
    failed, count = {}, 0
    for words, act in itertools.islice(inject(setting), 0, None, step):  # type: ignore[call-overload]
        count += 1
        try:
            act()
        except Exception as error:
            failed[words] = f"{type(error).__name__}: {error}"
    assert count > 1
    assert not failed


def test_what_is_not_borne_is_told(setting: faults.Setting) -> None:
    assert faults.goes(lambda: None)

    def refuse() -> None:
        raise faults.FerturbError("one line")

    def chatter() -> None:
        raise faults.FerturbError("two\nlines")

    assert not faults.goes(refuse)
    with pytest.raises(AssertionError, match="not one line"):
        faults.goes(chatter)
    with pytest.raises(ZeroDivisionError):
        faults.goes(lambda: 1 // 0)
    with pytest.raises(faults.LostError, match="weights"):
        faults.require_same([1.0, 2.0], [1.0, 3.0], "weights")
    faults.require_same([1.0], [1.0], "weights")


def test_damages_are_drawn_from_the_seed_and_undone(setting: faults.Setting) -> None:
    def drawn(seed: int) -> list[tuple[str, bytes]]:
        return list(faults.damages(bytes(range(99)), [], np.random.default_rng(seed), 2))

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    path = setting.place / "x"
    path.write_bytes(b"good")
    for _, data in drawn(1):
        with faults.damaged(path, data):
            assert not path.is_file() or path.read_bytes() == data
        assert path.read_bytes() == b"good"


def test_rows_of_a_table_that_is_there_stay_as_they_are(tmp_path: Path) -> None:
    rows = [{"kind": "files", "what": "a\r\nb, ä"}, {"kind": "all", "what": "x"}]
    write_rows(tmp_path / "table.csv", rows)
    assert reliability.rows_before(tmp_path / "table.csv") == {row["kind"]: row for row in rows}
    assert reliability.rows_before(tmp_path / "none.csv") == reliability.rows_before(None) == {}
