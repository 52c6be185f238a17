from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest

from ferturb.base.errors import FerturbError
from ferturb.report.search.build import build_search_report
from ferturb.report.search.results import SearchResults, Trial
from ferturb.report.search.section import headline, sentences


def trial(number: int, state: str, *by_epoch: float, rate: float = 0.1, error: str = "") -> Trial:
    values = {"recipe.learning_rate": rate, "model.name": "compact" if number % 2 else "vgg16"}
    best = max(by_epoch, default=None)
    return Trial(number, state, best, len(by_epoch), 60.0, values, f"run-{number}", by_epoch, error)


FOUND = SearchResults(
    [
        trial(1, "complete", 0.3, 0.5, rate=0.1),
        trial(2, "complete", 0.2, 0.6, rate=0.05),
        trial(3, "stopped early", 0.1, rate=0.4),
        trial(4, "failed", rate=90.0, error="the loss is not finite"),
        trial(5, "complete", 0.25, 0.55, rate=0.03),
        trial(6, "running", 0.7, rate=0.07),
    ],
    budget=6,
    epochs=2,
    sampler="genetic",
    prune_after=1,
    first={"recipe.learning_rate": 0.1, "model.name": "compact"},
    ranges={"recipe.learning_rate": True},
    importances={"recipe.learning_rate": 0.8, "model.name": 0.2},
    model="compact",
    source="toy",
    validation_faces=400,
)


def test_the_page_has_every_trial_and_the_best(tmp_path: Path) -> None:
    page = build_search_report(tmp_path, FOUND).read_text(encoding="utf-8")
    assert (
        "Trial 2 has 60.00% on the validation split: learning_rate 0.05, model.name vgg16" in page
    )
    assert "http" not in re.sub('http-equiv|base64,[^"]+', "", page)
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {"history.png", "curves.png", "slices.png", "importances.png"}
    with (tmp_path / "tables" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == [t.state for t in FOUND.trials]
    assert rows[1]["recipe.learning_rate"] == "0.05"
    assert rows[3]["error"] == "the loss is not finite"
    again = build_search_report(tmp_path / "again", FOUND).read_text(encoding="utf-8")
    assert again == page


def test_the_sentences_state_the_budget_and_the_doubt() -> None:
    spent, own, worth = sentences(FOUND)
    assert "6 of 6 trials of 2 epochs" in spent
    assert "genetic algorithm" in spent
    assert "3 came to their end, 1 were ended early" in spent
    assert "1 failed. In all 8 epochs, 0.1 hours" in spent
    assert "recipe as it is (trial 1) has 50.00% there" in own
    assert "±4.9 points (95 %, 400 faces)" in own  # 1.96 · sqrt(0.25 / 400)
    assert "too high by chance" in worth
    assert len(sentences(replace(FOUND, first=None))) == 2


def test_a_search_without_an_ended_trial_has_no_page(tmp_path: Path) -> None:
    with pytest.raises(FerturbError, match=r"no trial .*: the loss is not finite"):
        build_search_report(tmp_path, replace(FOUND, trials=FOUND.trials[2:4]))


def test_the_earliest_of_two_alike_is_the_best_and_one_on_its_way_is_not() -> None:
    alike = [*FOUND.trials, trial(7, "complete", 0.6)]
    assert replace(FOUND, trials=alike).best.number == 2
    assert headline(replace(FOUND, trials=alike[:1])).startswith("Trial 1 has 50.00%")
