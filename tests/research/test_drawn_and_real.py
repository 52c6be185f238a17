from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from calibrated_run import finished_run
from research.drawn_and_real import DRAWN, correlations, judge, losses


def test_what_a_network_said_is_asked_once(
    tmp_path: Path, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished_run(tmp_path / "run", tiny, heads=("label", "votes"))
    images = torch.arange(5 * 48 * 48).reshape(5, 48, 48).to(torch.uint8)
    true = np.array([0, 1, 2, 3, -1])
    plain = judge(run, true)(images)["people"]
    first = judge(run, true, tmp_path / "kept")(images)["people"]
    monkeypatch.setattr("research.drawn_and_real.predict_logits", None)  # can't be asked again
    again = judge(run, true, tmp_path / "kept")(images)["people"]
    assert plain.tolist() == first.tolist() == again.tolist()
    with pytest.raises(TypeError):
        judge(run, true, tmp_path / "kept")(images.flip(2))


def test_losses_by_hand() -> None:
    ways = {way for ways in DRAWN.values() for way in ways}
    right = {way: np.array([True, False, False, False]) for way in ways}
    right["whole"] = np.array([True, True, True, False])
    right["MaskFer"] = np.array([True, True, False, False])
    everyone = np.arange(2), np.arange(3)
    found = losses(right, np.array([True, False]), np.array([0, 1, 3]), everyone)
    assert found["really occluded"] == pytest.approx(100 * (2 / 3 - 1 / 2))
    assert found["MaskFer"] == pytest.approx(0.0)
    assert found["a hand"] == pytest.approx(100 / 3)
    assert found["worn things, mean"] == pytest.approx(100 * (2 / 3 - (2 / 3 + 3 / 3) / 4))
    some = losses(
        right, np.array([True, False]), np.array([0, 1, 3]), (np.array([0, 0]), np.array([0]))
    )
    assert some["really occluded"] == 0.0


def test_correlations_of_losses() -> None:
    rows = [{name: float(i) for name in DRAWN} | {"really occluded": 2.0 * i} for i in range(4)]
    for i, row in enumerate(rows):
        row["a hand"] = -float(i)
    found = correlations(rows)
    assert found["a hand"] == pytest.approx(-1.0)
    assert found["MaskFer"] == pytest.approx(1.0)
    assert all(np.isnan(r) for r in correlations(rows[:1] * 3).values())
