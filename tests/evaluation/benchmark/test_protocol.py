from __future__ import annotations

from ferturb.evaluation.benchmark import corruptions, protocol
from ferturb.evaluation.benchmark.corruptions import CORRUPTIONS as DONE
from ferturb.evaluation.benchmark.protocol import (
    BY_KEY,
    CONDITIONS,
    CORRUPTIONS,
    FEATURES,
    HARD,
    HIDING,
    SUMMARIES,
    WORN,
)
from ferturb.features.masks.wear import KINDS
from ferturb.features.regions import FEATURES as REGIONS


def test_version_1_is_what_its_name_stands_for() -> None:
    """Entries are compared by this list: whoever changes it raises the version."""
    assert len(CONDITIONS) == len(BY_KEY) == 39
    assert [c.key for c in CONDITIONS[:4]] == ["whole", "brows 1", "brows 2", "brows 3"]
    assert (len(HARD), len(HIDING)) == (31, 25)
    assert "31 conditions" in SUMMARIES["relative_accuracy"]
    assert "25 conditions" in SUMMARIES["excess"]
    assert (protocol.SEED, protocol.FILL, protocol.ANSWERS_FROM) == (2411, "mean", 0.5)
    assert protocol.SEVERITIES == (0.05, 0.10, 0.20)
    assert (corruptions.BLUR, corruptions.NOISE, corruptions.GAMMA) == (0.02, 0.05, 2.0)
    assert (corruptions.COARSE, corruptions.TURN) == (1 / 2, 20.0)


def test_every_condition_can_be_made_and_every_control_is_asked_about() -> None:
    assert set(FEATURES) <= set(REGIONS)
    assert set(WORN.values()) <= set(KINDS)
    assert set(CORRUPTIONS) == set(DONE)
    assert all(BY_KEY[str(c.control)].family == "random" for c in HIDING)
    assert {c.control for c in HIDING} == {c.key for c in CONDITIONS if c.family == "random"}
