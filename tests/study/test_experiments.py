"""What an experiment trains, in which order, and what it chooses by what it found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ferturb.base.config import DatasetConfig, MethodConfig
from ferturb.base.config.changes import Changes
from ferturb.base.errors import FerturbError
from ferturb.perturb.methods import METHODS, passes
from ferturb.study.adapting import adapt
from ferturb.study.arms import CLUSTERS_K, EXPERIMENTS, LANDMARKS, LEAVING_OUT, PRECISION, RIVALS
from ferturb.study.experiments import Experiment, Item, Setting, adapted, first_reading
from ferturb.study.plan import PRESETS, plan


class Finished:
    """Finished trainings with an accuracy each: of 100 faces so many are right."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, item: Item) -> Path | None:
        path = self.folder / f"{item.name}.npz"
        return path if path.exists() else None

    def add(self, item: Item, right: int, whole: int | None = None) -> None:
        arrays = {"validation_none": self._logits(right)}
        if whole is not None:
            arrays["whole_validation_none"] = self._logits(whole)
        labels = np.zeros(100, np.int64)
        np.savez(self.folder / f"{item.name}.npz", labels_validation=labels, **arrays)  # type: ignore[arg-type]

    @staticmethod
    def _logits(right: int) -> np.ndarray:
        logits = np.zeros((100, 7), np.float32)
        logits[:right, 0], logits[right:, 1] = 1, 1
        return logits


SMALL = adapted(LEAVING_OUT, Changes(arms=("whole", "all-views", "landmarks"), replicates=2))


def test_rates_come_first_and_nothing_else_before_all_are_known(tmp_path: Path) -> None:
    finished = Finished(tmp_path)
    first = list(SMALL.queue(finished))
    assert {item.arm for item in first} == {"whole", "all-views", "one-view"}  # for landmarks
    assert len(first) == 9
    assert {item.config.seed for item in first} == {100}
    for item in first[:-1]:
        finished.add(item, 50)
    assert list(SMALL.queue(finished)) == first
    finished.add(first[-1], 50)
    later = list(SMALL.queue(finished))[9:]
    assert [item.cell for item in later] == ["2000"] * 4 + ["7000"] * 6 + ["all"] * 4
    assert {item.config.seed for item in later} == {0, 1}


def test_the_best_rate_by_the_first_reading_is_used_in_every_size(tmp_path: Path) -> None:
    finished = Finished(tmp_path)
    for item in SMALL.tuning():
        rate = item.config.recipe.learning_rate
        whole = {0.03: 60, 0.1: 50, 0.3: 60}[rate]  # of two alike the higher
        finished.add(item, int(100 * rate), None if item.arm == "whole" else whole)
    chosen = SMALL.settings(finished)
    assert chosen["whole"] == Setting(0.3)  # 3, 10 and 30 right
    assert chosen["all-views"] == Setting(0.3)  # by the summed views
    assert chosen["one-view"] == chosen["landmarks"] == Setting(0.3)
    finished.add(SMALL.candidates("one-view")[Setting(0.1)], 0, 99)
    assert SMALL.settings(finished)["landmarks"] == Setting(0.1)
    later = [i for i in SMALL.queue(finished) if i.arm == "landmarks"]
    assert {i.config.recipe.learning_rate for i in later} == {0.1}


def test_a_replicate_is_the_same_draw_for_every_arm() -> None:
    for experiment in EXPERIMENTS.values():
        by: dict[tuple[str, int], set[object]] = {}
        for item in experiment.planned():
            config = item.config
            by.setdefault((item.cell, config.seed), set()).add(config.dataset)
        assert all(len(datasets) == 1 for datasets in by.values())


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_names_are_the_trainings_alone(name: str) -> None:
    items = EXPERIMENTS[name].planned()
    names = {item.name: item.config for item in items}
    assert len(names) == len({item.config for item in items})
    assert all(item.config.method.name in METHODS for item in items)


def test_names_of_the_first_trainings_are_what_they_were() -> None:
    """Files of this name were kept before the arms came to lie here."""
    item = LEAVING_OUT.item("2000", "whole-4x", 100, Setting(0.03))
    assert item.name == "2000-whole-4x-r100-lr0.03"
    assert item.config.recipe.epochs == 400
    assert LEAVING_OUT.item("all", "whole", 2, Setting(0.1)).name == "all-whole-r2-lr0.1"


def test_rivals_are_compared_at_equal_compute() -> None:
    for arm in RIVALS.arms.values():
        assert arm.factor * passes(arm.method) == 2
    shared = RIVALS.arms["mad"].method, RIVALS.arms["mad-maps"].method
    assert [method.name for method in shared] == ["mad", "extra-epochs"]
    assert RIVALS.arms["mad"].local_maps == RIVALS.arms["mad-maps"].local_maps == 2


def test_eac_chooses_its_weight_with_its_rate() -> None:
    tried = RIVALS.candidates("eac")
    assert len(tried) == 9
    weights = {item.config.method.mirror_weight for item in tried.values()}
    assert weights == {0.05, 0.5, 5.0}
    assert len({item.name for item in tried.values()}) == 9
    assert len(RIVALS.candidates("eac-labels")) == 3


def test_the_two_best_rivals_go_on_at_full_size(tmp_path: Path) -> None:
    finished = Finished(tmp_path)
    scores = {"hide-and-seek": 70, "eac": 60, "whole-2x": 90, "eac-labels": 80}
    for item in RIVALS.tuning():
        finished.add(item, 50)
    queue = list(RIVALS.queue(finished))
    assert {item.cell for item in queue[len(RIVALS.tuning()) :]} == {"7000"}
    for item in queue:
        finished.add(item, scores.get(item.arm, 40) + item.config.seed % 3)
    later = list(RIVALS.queue(finished))[len(queue) :]
    mixed = [item for item in later if item.cell == "all-mixed"]
    assert {item.arm for item in mixed} == {"whole-2x", "hide-and-seek", "eac"}
    assert {item.config.recipe.name for item in mixed} == {"mixed"}
    assert {item.config.recipe.keep for item in mixed} == {"last"}
    assert {item.config.recipe.learning_rate for item in mixed} == {0.1}


def test_clusters_share_their_trainings_with_leaving_out() -> None:
    ours = {item.name: item.config for item in CLUSTERS_K.planned()}
    theirs = {item.name: item.config for item in LEAVING_OUT.planned()}
    both = set(ours) & set(theirs)
    assert {n for n in both if "r100" not in n} == {
        f"7000-{arm}-r{r}-lr0.03" for arm in ("whole", "one-view") for r in range(5)
    }
    assert all(ours[name] == theirs[name] for name in both)
    clusters = {config.method.clusters for config in ours.values()}
    assert clusters == {1, 2, 3, 4, 5, 6}


def test_landmarks_are_confirmed_on_trainings_that_are_new() -> None:
    """results/plan_landmarks.md."""
    ours = {item.name: item.config for item in LANDMARKS.planned()}
    theirs = {item.name: item.config for item in LEAVING_OUT.planned()}
    both = {name for name in set(ours) & set(theirs) if "r100" not in name}
    assert both == {
        f"2000-{arm}-r{r}-lr0.03"
        for arm in ("rectangle", "whole-4x", "one-view", "whole")
        for r in range(10)
    }
    assert all(ours[name] == theirs[name] for name in both)
    new = [config for name, config in ours.items() if name not in theirs]
    assert len(new) == 2 * 10 + 4 * 5
    assert not any(config.dataset.training_faces == 7000 and config.seed < 5 for config in new)
    of_others = [config.method for config in new if config.method.at_random]
    assert of_others == [replace(LANDMARKS.arms["landmarks"].method, at_random=True)] * 15


def test_only_the_precision_is_another_in_float32() -> None:
    """results/plan_precision.md."""
    ours = {item.name: item.config for item in PRECISION.planned()}
    theirs = {item.name: item.config for item in LEAVING_OUT.planned()}
    new = {name: config for name, config in ours.items() if name not in theirs}
    assert len(new) == 3 * 4
    for name, config in new.items():
        assert config.recipe.precision == "float32"
        plain = theirs[name.replace("-float32", "")]
        assert config == replace(plain, recipe=replace(plain.recipe, precision="float32"))
        assert plain.recipe.precision == "auto"
    assert all(theirs[name] == config for name, config in ours.items() if name not in new)


def test_first_readings() -> None:
    arrays = {"validation_none": 0, "whole_validation_none": 0}
    arms = LEAVING_OUT.arms
    assert first_reading(arms["all-views"], "validation", arrays) == "validation_none"
    assert first_reading(arms["one-view"], "validation", arrays) == "whole_validation_none"
    assert first_reading(arms["whole"], "test", {"test_none": 0}) == "test_none"


def test_a_study_with_some_arms_and_sizes_as_options() -> None:
    study = PRESETS["leaving-out"]
    assert adapt(study, Changes()) == study
    assert len(plan(study)) == 146  # results/plan_leaving_out.md: 21 rates, 70 + 40 + 15
    changes = Changes(
        data="x.zip", sizes=("7000",), arms=("whole", "one-view"), replicates=3, epochs=2
    )
    few = plan(adapt(study, changes))
    assert len(few) == 2 * 3 + 2 * 3
    assert {run.dataset.source for run in few} == {"x.zip"}
    assert {run.dataset.training_faces for run in few} == {2000, 7000}
    assert {run.recipe.epochs for run in few} == {2}
    other = adapt(study, Changes(models=("resnet18",), replicates=1))
    assert {run.model.name for run in plan(other)} == {"resnet18"}


@pytest.mark.parametrize(
    ("preset", "changes", "message"),
    [
        ("leaving-out", Changes(arms=("hole",)), "unknown arm 'hole': did you mean 'whole'"),
        ("leaving-out", Changes(sizes=("3000",)), "unknown training size"),
        ("leaving-out", Changes(methods=("perturb",)), "give arms, sizes or replicates"),
        ("leaving-out", Changes(models=("vgg16", "compact")), "one network, got vgg16, compact"),
        ("leaving-out", Changes(sizes=("all",), arms=("light",)), "no arm is left"),
        ("leaving-out", Changes(batch_size=32), "leave out faces, batch-size and learning-rate"),
        ("leaving-out", Changes(faces=700), "leave out faces, batch-size and learning-rate"),
        ("leaving-out", Changes(votes="v.csv"), "leave out votes and heads"),
        ("leaving-out", Changes(heads=("votes",)), "leave out votes and heads"),
        ("controls", Changes(arms=("whole",)), "of the study leaving-out, not of controls"),
    ],
)
def test_changes_that_make_no_sense(preset: str, changes: Changes, message: str) -> None:
    with pytest.raises(FerturbError, match=message):
        adapt(PRESETS[preset], changes)


def test_numbered_labels_are_read_in_the_order_that_is_given() -> None:
    study = adapt(PRESETS["leaving-out"], Changes(data="faces.csv", label_order="affectnet"))
    assert study.experiment is not None
    assert study.experiment.dataset == DatasetConfig("faces.csv", label_order="affectnet")


def test_no_replicate_is_none_to_train() -> None:
    with pytest.raises(FerturbError, match="replicates must be from 1 to 1000"):
        Changes(replicates=0)


def test_the_light_arm_hides_from_one_face_in_four() -> None:
    light: MethodConfig = LEAVING_OUT.arms["light"].method
    assert light.view_probability * light.clusters / (light.clusters + 1) == pytest.approx(1 / 4)
    assert isinstance(replace(LEAVING_OUT), Experiment)
