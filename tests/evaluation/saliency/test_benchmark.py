from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ferturb.base.config import FaithfulnessOptions, ModelConfig, RecipeConfig, RunConfig
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.pixels import as_input
from ferturb.data.drawn.action_units import FEATURES_OF_EMOTION
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.data.faces import Faces
from ferturb.evaluation.chosen_faces import chosen_faces, stratified
from ferturb.evaluation.saliency.benchmark import (
    SANITY_FACES,
    Benchmark,
    Subjects,
    benchmark_methods,
    benchmark_saliency,
    chance_of_naming,
    score_maps,
    summarise,
)
from ferturb.evaluation.saliency.faithfulness import planted
from ferturb.evaluation.saliency.methods import as_mass, saliency_maps
from ferturb.evaluation.saliency.parts import PARTS, parts_of, share_of_parts
from ferturb.evaluation.saliency.randomisation import randomised, rank_correlation
from ferturb.runs.execute import execute_run, prepare
from ferturb.runs.run import Run

RECIPE = RecipeConfig(epochs=1, batch_size=32, precision="float32", evaluate=("none",))


@pytest.fixture(scope="module")
def drawn() -> Faces:
    return synthetic_faces(140, seed=3)


@pytest.fixture
def run(tiny: str, drawn: Faces, tmp_path: Path) -> Run:
    made = prepare(tmp_path, RunConfig(model=ModelConfig(tiny), recipe=RECIPE))
    execute_run(made, drawn)
    return made


def made_up(faces: Faces, picked: list[str]) -> Benchmark:
    """One method that names and points at one feature for each emotion, on seven faces."""
    index = np.array([[PARTS.index(feature) for feature in picked]])
    curve = np.tile(np.linspace(1, 0, 5, dtype=np.float32), (1, 7, 1))
    truth = planted(faces)
    assert truth is not None
    return Benchmark(
        ("rise",),
        np.arange(7),
        np.arange(7),
        area=np.full((7, 8), 0.125, np.float32),
        share=np.full((1, 7, 8), 0.125, np.float32),
        deletion=curve,
        insertion=curve[..., ::-1].copy() ** 2,
        pointed=index,
        named=index,
        correlation=np.array([[0.2, np.nan, 0.4]]),
        similarity=np.full((1, 3), np.nan),
        planted=truth,
    )


def test_a_summary_counts_what_is_right(drawn: Faces) -> None:
    picked = ["mouth", "nose", "jaw", "nose", "forehead", "cheeks", "nose"]
    right = [
        feature in FEATURES_OF_EMOTION[e] for e, feature in zip(EMOTIONS, picked, strict=True)
    ][:6]
    (row,) = summarise(made_up(drawn, picked))
    assert row.names_right is not None
    assert row.names_right.estimate == pytest.approx(np.mean(right))  # neutral isn't counted
    assert row.points_right == row.names_right
    assert row.pointing.estimate == pytest.approx(4 / 7)
    assert row.deletion.estimate == pytest.approx(0.5)
    assert row.insertion.estimate == pytest.approx((0 + 2 * (0.0625 + 0.25 + 0.5625) + 1) / 8)
    assert row.correlation is not None
    assert row.correlation.estimate == pytest.approx(0.3)
    assert row.similarity is None
    assert row.n == 7


def test_chance_is_the_share_of_features_that_carry(drawn: Faces) -> None:
    benchmark = made_up(drawn, ["mouth"] * 7)
    expected = np.mean([len(FEATURES_OF_EMOTION[e]) / 7 for e in EMOTIONS[:6]])
    assert chance_of_naming(benchmark) == pytest.approx(expected)
    unknown = replace(benchmark, planted=benchmark.planted[:0])
    assert chance_of_naming(unknown) is None
    assert summarise(unknown)[0].names_right is None


def test_methods_are_scored_beside_maps_that_know_nothing(run: Run, drawn: Faces) -> None:
    calls: list[tuple[int, int]] = []
    options = FaithfulnessOptions(("gradient", "grad-cam"), faces=1)
    found = benchmark_saliency(run, drawn, options, on_progress=lambda *c: calls.append(c))
    assert found.methods == ("gradient", "grad-cam", "random", "centre")
    assert calls == [(i, 4) for i in range(5)]
    np.testing.assert_allclose(found.share.sum(2), 1, rtol=1e-5)
    whole = found.deletion[:, :, 0]
    np.testing.assert_allclose(whole, np.broadcast_to(whole[0], whole.shape), rtol=1e-5)
    np.testing.assert_allclose(found.insertion[:, :, -1], whole, rtol=1e-5)
    assert np.isnan(found.correlation[2:]).all()
    assert (np.abs(found.correlation[:2]) <= 1).all()
    kept = Benchmark.load(run)
    assert kept is not None
    assert kept.methods == found.methods
    for name, array in found.arrays().items():
        np.testing.assert_array_equal(kept.arrays()[name], array)
    again = benchmark_saliency(run, drawn, options)
    for name, array in found.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)


def test_real_faces_have_no_known_truth_and_other_fills_another_name(
    run: Run, toy_faces: Faces
) -> None:
    found = benchmark_saliency(
        run, toy_faces, FaithfulnessOptions(("gradient",), faces=1, fill="blur")
    )
    assert found.planted.shape == (0, len(PARTS))
    assert list(Benchmark.kept(run)) == [f"faithfulness-blur-on-{toy_faces.content_hash()[:12]}"]


def test_errors(run: Run, drawn: Faces) -> None:
    for arguments, words in (
        ({"methods": ("lime",)}, "unknown saliency method"),
        ({"fill": "grey"}, "unknown fill"),
        ({"faces": 0}, "faces of each emotion must be at least 1, got 0"),
    ):
        with pytest.raises(FerturbError, match=words):
            benchmark_saliency(run, drawn, FaithfulnessOptions(**arguments))  # type: ignore[arg-type]


class LooksAtOnePixel(nn.Module):
    """Surer of "happy" the brighter the pixel (10, 12) is."""

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(len(faces), 7)
        logits[:, 3] = 5 * faces[:, 0, 10, 12]
        return logits


def test_a_map_of_all_that_counts_has_the_best_scores() -> None:
    images = torch.zeros(2, 48, 48, dtype=torch.uint8)
    parts = torch.full((2, 48, 48), PARTS.index("jaw"))
    images[:, 10, 12], parts[:, 8:13, 10:15] = 255, PARTS.index("mouth")
    subjects = Subjects(images, torch.tensor([3, 3]), parts)
    right, wrong = torch.zeros(2, 48, 48), torch.zeros(2, 48, 48)
    right[:, 10, 12] = 1
    wrong[:, 40, 40] = 1
    sure, hidden, nothing = (np.exp(x) / (np.exp(x) + 6) for x in (5, 0, 5 / 2))  # all grey
    found = score_maps(right, LooksAtOnePixel(), subjects)
    np.testing.assert_allclose(found["share"][:, PARTS.index("mouth")], 1)
    assert found["pointed"].tolist() == found["named"].tolist() == [PARTS.index("mouth")] * 2
    for curve, first, then, last in (
        ("deletion", sure, hidden, nothing),
        ("insertion", nothing, sure, sure),
    ):
        np.testing.assert_allclose(found[curve][:, 0], first, rtol=0.02)
        np.testing.assert_allclose(found[curve][:, 1:-1], then, rtol=0.02)
        np.testing.assert_allclose(found[curve][:, -1], last, rtol=0.02)
    jaw = (parts == PARTS.index("jaw")).float()
    most_on_the_jaw = 0.4 * right + 0.6 * jaw / jaw.sum((1, 2), keepdim=True)
    named = score_maps(most_on_the_jaw, LooksAtOnePixel(), subjects)["named"]
    assert named.tolist() == [PARTS.index("mouth")] * 2  # for its area
    other = score_maps(wrong, LooksAtOnePixel(), subjects)
    assert other["pointed"].tolist() == other["named"].tolist() == [PARTS.index("jaw")] * 2
    assert (other["deletion"][:, 1] > 0.9).all()
    assert (other["insertion"][:, 1] < 0.2).all()


def test_what_is_scored_are_the_maps_of_the_labelled_emotion(run: Run) -> None:
    drawn = synthetic_faces(350, seed=4)
    model, options = run.load_model(), FaithfulnessOptions(("gradient",), faces=3, seed=2)
    found = benchmark_methods(model, drawn, options)
    chosen, index = chosen_faces(drawn, "test", 3, 2)
    assert found.index.tolist() == index.tolist()
    maps = as_mass(saliency_maps(model, chosen.images, chosen.labels, "gradient", 2))
    np.testing.assert_allclose(found.share[0], share_of_parts(maps, parts_of(chosen)), atol=1e-6)
    some = stratified(chosen.labels, SANITY_FACES, 2)
    assert some.tolist() != list(range(len(some)))
    fresh = randomised(model, as_input(chosen.images[some]), 2)
    again = as_mass(saliency_maps(fresh, chosen.images[some], chosen.labels[some], "gradient", 2))
    expected = rank_correlation(maps[some], again)
    np.testing.assert_allclose(found.correlation[0], expected, atol=1e-6)
    assert float(np.abs(expected).max()) < 0.99
