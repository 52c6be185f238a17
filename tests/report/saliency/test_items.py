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
from ferturb.report.saliency import explain as explain_figure_module
from ferturb.report.saliency.example_faces import example_faces
from ferturb.report.saliency.explain import explain_figure, paper_figures, run_names
from ferturb.report.saliency.faithfulness import faithfulness_items
from ferturb.report.saliency.items import saliency_items
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


def test_tables_hold_what_is_kept_with_the_runs(run: Run, drawn: Faces) -> None:
    assert saliency_items([run]) == ()
    mass = mass_by_emotion(explain_run(run, drawn, SaliencyOptions("gradient", faces=2)))
    heatmap, features, emotions = saliency_items([run])
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
    assert faithfulness_items([run]) == ()
    rows = summarise(benchmark_saliency(run, drawn, FaithfulnessOptions(("gradient",), faces=1)))
    table, curves = faithfulness_items([run])
    assert isinstance(table, Table)
    assert [row[1] for row in table.rows] == ["gradient", "random", "centre"]
    names = [column.key for column in table.columns]
    for shown, row in zip(table.rows, rows, strict=True):
        assert shown[names.index("deletion")] == row.deletion
        assert shown[names.index("names_right")] == row.names_right
        assert shown[names.index("correlation")] == row.correlation
    assert "a feature drawn by lot is in" in table.note
    assert isinstance(curves, Picture)
    assert curves.png.startswith(PNG)


def test_figures_choose_their_runs_and_say_so(tiny: str, drawn: Faces, tmp_path: Path) -> None:
    plain = trained(tmp_path, drawn, tiny)
    (alone,) = paper_figures([plain], drawn)
    assert alone.key == "saliency_faces"
    perturbed = trained(tmp_path, drawn, tiny, "perturb")
    masked = trained(tmp_path, drawn, tiny, face_masks="mixed")
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
    seen: dict[str, dict[str, object]] = {}

    def draw(images: object, titles: object, maps: object, notes: object, mark: str) -> bytes:
        seen.update(maps=maps, notes=notes)  # type: ignore[arg-type]
        return PNG

    monkeypatch.setattr(explain_figure_module, "faces_and_saliency", draw)
    picture = explain_figure([run], drawn, "gradient")
    assert float(np.sum(seen["maps"]["tiny"][0])) == 2.0
    assert not np.any(seen["maps"]["tiny"][1:])
    assert [note.endswith("no map") for note in seen["notes"]["tiny"]] == [False] + [True] * 6
    assert "No map: the method finds nothing" in picture.caption


def test_faces_are_those_of_the_stored_logits(run: Run, drawn: Faces) -> None:
    model = run.load_model()
    stored = example_faces([run], [model], drawn)
    other = replace(drawn, images=drawn.images.clone().add_(1))
    asked = example_faces([run], [model], other)
    assert len(stored.faces) == len(asked.faces) == 7
    assert "drawn by lot" in asked.rule
    assert "drawn by lot" not in stored.rule
    labels = stored.faces.labels.tolist()
    assert labels == sorted(labels)


def test_pictures_of_real_faces_are_private(run: Run, drawn: Faces) -> None:
    real = replace(drawn, kind="fer2013")
    picture = explain_figure([run], real, "gradient")
    assert PRIVATE.lower() in picture.caption.lower()


def test_items_are_written(run: Run, drawn: Faces, tmp_path: Path) -> None:
    explain_run(run, drawn, SaliencyOptions("gradient", faces=1))
    files = write_items(saliency_items([run], drawn, "gradient"), tmp_path / "out")
    assert [path.name for path in files] == [
        "saliency_faces.png",
        "saliency_heatmap.png",
        "saliency_mass.csv",
        "saliency_mass.tex",
        "saliency_emotions.csv",
        "saliency_emotions.tex",
    ]
    assert all(path.stat().st_size > 100 for path in files)
