from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ferturb.base.config import ModelConfig, RecipeConfig, RunConfig, SaliencyOptions
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.drawn.synthetic import draw, synthetic_faces
from ferturb.data.faces import Faces
from ferturb.evaluation.chosen_faces import chosen_faces, stratified
from ferturb.evaluation.saliency.mass import (
    Explanation,
    explain,
    explain_run,
    mass_by_emotion,
)
from ferturb.evaluation.saliency.methods import as_mass, saliency, saliency_maps
from ferturb.evaluation.saliency.parts import PARTS, partition, share_of_parts
from ferturb.features.landmarks import find_landmarks
from ferturb.features.regions import regions
from ferturb.runs.execute import execute_run, prepare
from ferturb.runs.run import Run, finished_runs

RECIPE = RecipeConfig(epochs=1, batch_size=32, precision="float32", evaluate=("none",))


@pytest.fixture(scope="module")
def drawn() -> Faces:
    return synthetic_faces(140, seed=3)


@pytest.fixture
def run(tiny: str, drawn: Faces, tmp_path: Path) -> Run:
    made = prepare(tmp_path, RunConfig(model=ModelConfig(tiny), recipe=RECIPE))
    execute_run(made, drawn)
    return made


def test_parts_divide_the_face() -> None:
    faces = draw(6, seed=1)
    parts = partition(faces.landmarks)
    found = regions(faces.landmarks)
    index = {name: i for i, name in enumerate(PARTS)}
    assert torch.equal(parts == index["eyes"], found["eyes"])  # the first where regions overlap
    assert torch.equal(parts == index["brows"], found["brows"] & ~found["eyes"])
    assert torch.equal(parts == index["outside"], ~found["face"])
    for name in ("cheeks", "forehead", "jaw"):
        assert torch.equal(parts == index[name], found[name])
    assert not bool((parts == index["nose"])[~found["nose"]].any())


def test_mass_adds_up_to_one_and_lies_where_the_map_is() -> None:
    faces = draw(4, seed=1)
    parts = partition(faces.landmarks)
    noise = torch.rand(4, 48, 48, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(share_of_parts(as_mass(noise), parts).sum(1), torch.ones(4))
    nose = PARTS.index("nose")
    on_nose = share_of_parts(as_mass((parts == nose).float()), parts)
    torch.testing.assert_close(on_nose, torch.eye(len(PARTS))[nose].expand(4, -1))


def test_an_empty_map_is_not_enriched_anywhere() -> None:
    faces = draw(14, seed=1)
    parts = partition(faces.landmarks)
    flat = share_of_parts(as_mass(torch.zeros(14, 48, 48)), parts).numpy()
    maps = np.zeros((7, 4, 4), np.float32)
    same = Explanation("gradient", np.arange(14), faces.labels.numpy(), flat, flat, maps)
    for mass in mass_by_emotion(same, resamples=50):
        assert mass.enrichment.estimate == pytest.approx(1)
        assert mass.enrichment.low == pytest.approx(1)


def test_intervals_are_over_faces_and_enrichment_is_a_ratio_of_means() -> None:
    n, generator = 200, np.random.default_rng(0)
    share = generator.dirichlet(np.ones(len(PARTS)), n).astype(np.float32)
    area = generator.dirichlet(np.full(len(PARTS), 9), n).astype(np.float32)
    labels = np.where(np.arange(n) < 150, 3, 0)
    found = mass_by_emotion(
        Explanation("rise", np.arange(n), labels, share, area, np.zeros((7, 4, 4), np.float32))
    )
    assert {m.emotion for m in found} == {"all", "happy", "angry"}
    one = next(m for m in found if (m.emotion, m.part) == ("happy", "mouth"))
    own, due = share[:150, PARTS.index("mouth")], area[:150, PARTS.index("mouth")]
    assert one.n == 150
    assert one.area == pytest.approx(due.mean())
    assert one.share.estimate == pytest.approx(own.mean())
    assert one.enrichment.estimate == pytest.approx(own.mean() / due.mean())
    half = float(1.96 * own.std() / 150**0.5)
    assert one.share.low == pytest.approx(float(own.mean()) - half, abs=0.2 * half)
    assert one.share.high == pytest.approx(float(own.mean()) + half, abs=0.2 * half)


def test_faces_are_drawn_at_random_from_each_emotion() -> None:
    labels = torch.tensor([0] * 50 + [3] * 4 + [6] * 20)
    index = stratified(labels, 5, seed=1)
    assert torch.bincount(labels[index], minlength=7).tolist() == [5, 0, 0, 4, 0, 0, 5]
    assert index.tolist() == sorted(set(index.tolist()))
    assert torch.equal(index, stratified(labels, 5, seed=1))
    assert not torch.equal(index, stratified(labels, 5, seed=2))


def test_a_run_is_explained_and_keeps_it(run: Run, drawn: Faces) -> None:
    calls: list[tuple[int, int]] = []
    found = explain_run(
        run,
        drawn,
        SaliencyOptions("gradient", faces=1, seed=5),
        on_progress=lambda *c: calls.append(c),
    )
    assert calls == [(7, 7)]
    test = drawn.split("test")
    assert found.labels.tolist() == test.labels[found.index].tolist()
    assert sorted(found.labels.tolist()) == list(range(len(EMOTIONS)))
    np.testing.assert_allclose(found.share.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(found.area.sum(1), 1, rtol=1e-5)
    face = test.images[found.index[:1]].unsqueeze(1).float() / 255
    label = test.labels[found.index[:1]]
    emotion = int(label)
    alone = saliency(run.load_model(), face, label, "gradient")
    np.testing.assert_allclose(found.mean_maps[emotion], alone[0], rtol=1e-4, atol=1e-7)
    parts = partition(find_landmarks(test.images[found.index[:1]]).points)
    np.testing.assert_allclose(found.share[:1], share_of_parts(alone, parts), rtol=1e-4)
    kept = Explanation.load(run, "saliency-gradient")
    assert kept is not None
    for name, array in found.arrays().items():
        np.testing.assert_array_equal(kept.arrays()[name], array)
    assert kept.record["data"]["hash"] == drawn.content_hash()
    assert kept.record["silent"] == 0


def test_maps_are_means_over_an_emotions_faces_and_empty_ones_are_counted(
    run: Run, drawn: Faces
) -> None:
    model = run.load_model()
    found = explain(model, drawn, SaliencyOptions("gradient", faces=3))
    chosen, _ = chosen_faces(drawn, "test", 3)
    maps = as_mass(saliency_maps(model, chosen.images, chosen.labels, "gradient"))
    for emotion in range(7):
        own = maps[chosen.labels == emotion]
        assert len(own) > 1
        np.testing.assert_allclose(found.mean_maps[emotion], sum(own) / len(own), atol=1e-7)
    assert found.record["silent"] == 0
    silenced = run.load_model()
    for parameter in silenced.parameters():
        parameter.data.zero_()
    assert explain(silenced, drawn, SaliencyOptions("gradient", faces=3)).record["silent"] == len(
        chosen.labels
    )


def test_other_faces_and_splits_have_names_of_their_own(run: Run, drawn: Faces) -> None:
    other = replace(drawn, images=drawn.images.flip(-1))
    landmarks = find_landmarks(other.images)
    options = SaliencyOptions("gradient", "validation", faces=1)
    explain_run(run, other, options, landmarks)
    explain_run(run, drawn, SaliencyOptions("grad-cam", faces=1))
    name = f"saliency-gradient-validation-on-{other.content_hash()[:12]}"
    assert set(Explanation.kept(run)) == {name, "saliency-grad-cam"}
    assert Explanation.load(run, "saliency-gradient") is None


def test_errors(run: Run, drawn: Faces, tmp_path: Path) -> None:
    with pytest.raises(FerturbError, match="at least 1 face"):
        chosen_faces(drawn, "test", 0)
    with pytest.raises(FerturbError, match="has no test faces"):
        chosen_faces(drawn.split("train"), "test", 3)
    with pytest.raises(FerturbError, match="give the landmarks of all 140 faces"):
        explain_run(run, drawn, landmarks=find_landmarks(drawn.images[:3]))
    with pytest.raises(FerturbError, match="unknown saliency method"):
        explain_run(run, drawn, SaliencyOptions("lime"))
    with pytest.raises(FerturbError, match="at least one run folder"):
        finished_runs(())
    unfinished = Run.create(tmp_path / "new", RunConfig())
    with pytest.raises(FerturbError, match="is not finished"):
        finished_runs((run.folder, unfinished.folder))
