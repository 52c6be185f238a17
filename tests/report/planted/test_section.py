"""What the report says of drawn faces whose features are known, from made-up matrices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from ferturb.base.config import DatasetConfig
from ferturb.base.emotions import EMOTIONS
from ferturb.data.drawn.action_units import FEATURES_OF_EMOTION
from ferturb.evaluation.ablation.measure import Ablation, Outcomes
from ferturb.evaluation.ablation.planted import CARRIED, JUDGED
from ferturb.evaluation.saliency.benchmark import Benchmark
from ferturb.evaluation.saliency.parts import PARTS
from ferturb.report.form.style import GREEN, NARROW, VERMILLION, Picture
from ferturb.report.form.tables import Table
from ferturb.report.planted.figures import planted_faces, truth_grid
from ferturb.report.planted.section import ranking_table, section
from ferturb.report.planted.truth import judged_matrices, taken_for
from ferturb.report.results import StudyResults
from made_up_results import run_result, study_of

EACH = 30
LABELS = np.repeat(np.arange(7), EACH)


def said(predicted: np.ndarray) -> Outcomes:
    right = predicted == LABELS
    return Outcomes(np.where(right, 0.9, 0.1).astype(np.float32), predicted.astype(np.int8))


def ablation(alarms: tuple[tuple[str, str], ...] = (), deaf: tuple[str, ...] = ()) -> Ablation:
    """A network that takes an emotion for neutral without any feature that carries it, and without
    those of `alarms` too; but never without those of `deaf`."""
    without = np.stack([LABELS] * len(JUDGED))
    for i, feature in enumerate(JUDGED):
        for label, emotion in enumerate(EMOTIONS):
            carries = feature in FEATURES_OF_EMOTION[emotion] and feature not in deaf
            if carries or (feature, emotion) in alarms:
                without[i, label == LABELS] = EMOTIONS.index("neutral")
    control = np.stack([np.stack([LABELS] * 2)] * len(JUDGED))
    record = {"split": "test", "fill": "mean", "augmentation": "none", "features": list(JUDGED)}
    area = np.full((len(JUDGED), len(LABELS)), 97, np.int32)
    return Ablation(JUDGED, LABELS, said(LABELS), said(without), said(control), area, record)


def study(methods: dict[str, Ablation], **options: object) -> StudyResults:
    return study_of(
        [
            replace(run_result("compact", method, **options), ablations={"ablation": found})  # type: ignore[arg-type]
            for method, found in methods.items()
        ]
    )


def test_what_was_planted_is_found_and_what_was_not_is_an_alarm() -> None:
    found = ablation(alarms=(("nose", "fear"),), deaf=("jaw",))
    planted = sum(len(FEATURES_OF_EMOTION[e]) for e in CARRIED)
    jaws = sum("jaw" in FEATURES_OF_EMOTION[e] for e in CARRIED)
    for one in judged_matrices(study({"baseline": found})):
        assert one.counts["hit"] == planted - jaws
        assert one.counts["miss"] == jaws
        assert one.counts["false alarm"] == 1
        assert one.verdicts["nose", "fear"] == "false alarm"
    assert taken_for(found, "nose", "fear") == "neutral"


def test_networks_that_have_seen_holes_come_first() -> None:
    results = study({"baseline": ablation(deaf=("mouth",)), "features-left-out": ablation()})
    order = [(one.shown.title, one.measure) for one in judged_matrices(results)]
    assert order == [
        ("compact, features-left-out", "accuracy"),
        ("compact, features-left-out", "probability"),
        ("compact, baseline", "accuracy"),
        ("compact, baseline", "probability"),
    ]
    made = section(results)
    assert made is not None
    first, second, emotions, tallies = made.items
    assert isinstance(first, Picture)
    assert isinstance(second, Picture)
    assert first.narrow
    assert second.narrow
    assert "23 of 23 planted features are found, with 0 false alarms" in first.alt
    assert isinstance(emotions, Table)
    assert emotions.rows[3] == ("happy", "eyes, cheeks, mouth", "eyes, cheeks, mouth", "–")
    assert isinstance(tallies, Table)
    assert [row[2:] for row in tallies.rows[:2]] == [(23, 0, 0)] * 2
    missed = sum("mouth" in FEATURES_OF_EMOTION[e] for e in CARRIED)
    assert [row[2:] for row in tallies.rows[2:]] == [(23 - missed, missed, 0)] * 2


@pytest.mark.parametrize(
    "options",
    [{"kind": "fer2013"}, {"dataset": DatasetConfig(face_masks="mixed")}],
)
def test_nothing_is_judged_where_the_truth_is_not_known(options: dict[str, object]) -> None:
    assert judged_matrices(study({"baseline": ablation()}, **options)) == []
    assert section(study({"baseline": ablation()}, **options)) is None


def test_each_mark_stands_in_its_row_and_column() -> None:
    verdicts = {("mouth", "happy"): "hit", ("nose", "fear"): "false alarm", ("jaw", "fear"): "miss"}
    figure = truth_grid(verdicts, {("mouth", "happy"): -0.25})  # type: ignore[arg-type]
    axes = figure.axes[0]
    marks = {
        (int(line.get_xdata()[0]), int(line.get_ydata()[0])): line
        for line in axes.lines
        if line.get_linestyle() == "None"
    }
    place = {name: i for i, name in enumerate(JUDGED)}
    column = {name: i for i, name in enumerate(CARRIED)}
    hit = marks.pop((column["happy"], place["mouth"]))
    alarm = marks.pop((column["fear"], place["nose"]))
    miss = marks.pop((column["fear"], place["jaw"]))
    assert marks == {}
    assert to_hex(hit.get_markerfacecolor()) == GREEN.lower()
    assert to_hex(alarm.get_color()) == VERMILLION.lower()
    assert to_hex(miss.get_markerfacecolor()) == "#ffffff"
    assert "−25.0" in [text.get_text() for text in axes.texts]
    assert figure.get_size_inches()[0] == NARROW


def test_the_tinted_pixels_are_those_that_the_emotion_changes() -> None:
    faces = planted_faces()
    brows = faces["surprise"][1] & faces["sad"][1]
    assert brows.any()
    mouth_only = faces["happy"][1] & ~faces["surprise"][1]
    assert mouth_only.any()
    for emotion, (image, carries) in faces.items():
        other = faces["disgust" if emotion != "disgust" else "happy"]
        changed = np.abs(image - other[0]) > 0.1
        assert not (changed & ~(carries | other[1])).sum() > 0.01 * changed.size, emotion


def test_saliency_methods_are_ranked_by_how_often_they_name_what_was_planted() -> None:
    labels = np.array([3, 3, 3, 3])  # happy: eyes, cheeks, mouth
    mouth, nose = PARTS.index("mouth"), PARTS.index("nose")
    planted = np.array([[p in FEATURES_OF_EMOTION[e] for p in PARTS] for e in EMOTIONS])
    named = np.array([[nose, nose, nose, mouth], [mouth] * 4, [nose] * 4])
    curves = np.zeros((3, 4, 3), np.float32)
    unknown = np.full((3, 1), np.nan)
    shares = np.full((3, 4, len(PARTS)), 1 / len(PARTS), np.float32)
    found = Benchmark(
        *(("poor", "good", "random"), np.arange(4), labels, shares[0], shares, curves, curves),
        *(named, named, unknown, unknown, planted),
    )
    table = ranking_table({"compact": found})
    assert [row[1] for row in table.rows] == ["good", "poor", "random"]
    assert [row[3].estimate for row in table.rows] == [1.0, 0.25, 0.0]  # type: ignore[union-attr]
    assert "A random feature does in 43 %" in table.note
