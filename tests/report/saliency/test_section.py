from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ferturb.base.config import (
    DatasetConfig,
    FaithfulnessOptions,
    MethodConfig,
    ModelConfig,
    RecipeConfig,
    RunConfig,
    SaliencyOptions,
)
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.data.faces import Faces
from ferturb.evaluation.saliency.benchmark import benchmark_saliency, summarise
from ferturb.evaluation.saliency.mass import explain_run, mass_by_emotion
from ferturb.evaluation.saliency.methods import METHODS
from ferturb.evaluation.saliency.parts import PARTS
from ferturb.report.form.captions import PRIVATE
from ferturb.report.form.files import write_items
from ferturb.report.form.style import Picture
from ferturb.report.form.tables import Table
from ferturb.report.results import Planned, StudyResults
from ferturb.report.run_results import read_run, run_names
from ferturb.report.saliency.explain import drawable, example_faces, explain_figure, paper_figures
from ferturb.report.saliency.figures import faces_and_saliency
from ferturb.report.saliency.section import section
from ferturb.runs.execute import execute_run, prepare
from ferturb.runs.run import Run

RECIPE = RecipeConfig(epochs=1, batch_size=32, precision="float32", evaluate=("none",))
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def drawn() -> Faces:
    return synthetic_faces(140, seed=3)


def trained(folder: Path, drawn: Faces, tiny: str, method: str = "baseline", **data: str) -> Run:
    config = RunConfig(
        DatasetConfig(**data),  # type: ignore[arg-type]
        ModelConfig(tiny),
        MethodConfig(method, intensity="pixels") if method == "perturb" else MethodConfig(method),
        RECIPE,
    )
    run = prepare(folder, config)
    execute_run(run, drawn)
    return run


@pytest.fixture
def run(tiny: str, drawn: Faces, tmp_path: Path) -> Run:
    return trained(tmp_path, drawn, tiny)


def items_of(run: Run, faces: Faces | None = None) -> tuple[Table | Picture, ...]:
    plan = Planned(run.name, "done", read_run(run))
    found = section(StudyResults("quick", (plan,), (), faces=faces))
    return found.everything if found is not None else ()


def test_tables_hold_what_is_kept_with_the_runs(run: Run, drawn: Faces) -> None:
    assert items_of(run) == ()
    mass = mass_by_emotion(explain_run(run, drawn, SaliencyOptions("gradient", faces=2)))
    heatmap, features, emotions = items_of(run)
    assert isinstance(heatmap, Picture)
    assert heatmap.png.startswith(PNG)
    assert isinstance(features, Table)
    assert [row[2] for row in features.rows] == list(PARTS)
    expected = {m.part: m for m in mass if m.emotion == "all"}
    for row in features.rows:
        one = expected[str(row[2])]
        assert row[:2] == ("tiny", "gradient")
        assert row[3:] == (one.n, one.area, one.share, one.enrichment)
    assert isinstance(emotions, Table)
    assert len(emotions.rows) == 8
    most = max(expected.values(), key=lambda m: m.enrichment.estimate)
    assert f"most on the {most.part}" in heatmap.alt


def test_faithfulness_says_what_was_judged(run: Run, drawn: Faces) -> None:
    assert items_of(run) == ()
    rows = summarise(
        benchmark_saliency(run, drawn, FaithfulnessOptions(methods=("gradient",), faces=1))
    )
    table, curves = items_of(run)
    assert isinstance(table, Table)
    assert [row[1] for row in table.rows] == ["gradient", "random", "centre"]
    names = [column.key for column in table.columns]
    for shown, row in zip(table.rows, rows, strict=True):
        assert shown[names.index("deletion")] == row.deletion
        assert shown[names.index("names_right")] == row.names_right
        assert shown[names.index("correlation")] == row.correlation
    assert "a random feature is in" in table.note
    assert isinstance(curves, Picture)
    assert curves.png.startswith(PNG)


def test_figures_choose_their_runs_and_say_so(tiny: str, drawn: Faces, tmp_path: Path) -> None:
    plain = read_run(trained(tmp_path, drawn, tiny))
    (alone,) = paper_figures([plain], drawn)
    assert alone.key == "saliency_faces"
    perturbed = read_run(trained(tmp_path, drawn, tiny, "perturb"))
    masked = read_run(trained(tmp_path, drawn, tiny, face_masks="mixed"))
    first, sixth = paper_figures([masked, perturbed, plain], drawn)
    assert (first.key, sixth.key) == ("figure1", "figure6")
    assert "tiny; tiny, with face masks (mixed)" in first.alt
    assert "tiny; tiny, perturb" in sixth.alt
    assert "of its mean view" in sixth.caption
    assert PRIVATE.lower() not in sixth.caption.lower()
    assert run_names([plain, plain]) == [f"tiny ({plain.name})"] * 2


def test_maps_that_say_nothing_are_not_drawn(
    run: Run, drawn: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As uniform mass, which they are in tables, they would be drawn as if all of it mattered."""

    def first_alone(model: object, faces: torch.Tensor, *rest: object) -> torch.Tensor:
        maps = torch.zeros(len(faces), 48, 48)
        maps[0, 3, 5] = 2.0
        return maps

    monkeypatch.setitem(METHODS, "gradient", first_alone)
    picture = explain_figure([read_run(run)], drawn, "gradient")
    assert "No map: the method finds nothing" in picture.caption


def test_silent_maps_are_drawn_as_nothing() -> None:
    maps = torch.zeros(2, 4, 4)
    maps[0, 1, 2] = 2.0
    found = drawable({"a": maps})["a"]
    assert np.array_equal(found, maps.numpy())
    axes = faces_and_saliency(
        *(np.zeros((2, 4, 4), np.uint8), ["happy", "sad"], {"a": found}),
        {"a": ["90 %", "5 %, no map"]},
    ).axes
    overlays = [np.asarray(one.images[1].get_array()) for one in axes[2:]]
    assert overlays[0][1, 2, 3] > 0.5
    assert not overlays[1][..., 3].any()
    assert [one.get_xlabel() for one in axes[2:]] == ["90 %", "5 %, no map"]


def test_faces_are_those_of_the_stored_logits(run: Run, drawn: Faces) -> None:
    model = run.load_model()
    stored = example_faces([read_run(run)], [model], drawn)
    other = replace(drawn, images=drawn.images.clone().add_(1))
    asked = example_faces([read_run(run)], [model], other)
    assert len(stored.faces) == len(asked.faces) == 7
    assert "drawn at random" in asked.rule
    assert "drawn at random" not in stored.rule
    labels = stored.faces.labels.tolist()
    assert labels == sorted(labels)


def test_pictures_of_real_faces_are_private(run: Run, drawn: Faces) -> None:
    real = replace(drawn, kind="fer2013")
    picture = explain_figure([read_run(run)], real, "gradient")
    assert PRIVATE.lower() in picture.caption.lower()


def test_items_are_written(run: Run, drawn: Faces, tmp_path: Path) -> None:
    explain_run(run, drawn, SaliencyOptions("gradient", faces=1))
    files = write_items(items_of(run, drawn), tmp_path / "out")
    assert [path.name for path in files] == [
        "saliency_faces.png",
        "saliency_heatmap.png",
        "saliency_mass.csv",
        "saliency_mass.tex",
        "saliency_emotions.csv",
        "saliency_emotions.tex",
    ]
    assert all(path.stat().st_size > 100 for path in files)
