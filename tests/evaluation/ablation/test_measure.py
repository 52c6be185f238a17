"""Leaving features out: against a loop over datasets, and against what must be so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ferturb.base.config import AblationOptions, DatasetConfig, ModelConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.data.drawn.synthetic import draw, synthetic_faces
from ferturb.data.faces import Faces
from ferturb.evaluation.ablation.matrix import matrix, named
from ferturb.evaluation.ablation.measure import (
    FEATURES_LEFT_OUT,
    Ablation,
    Outcomes,
    ablate,
    ablate_run,
    analysis_name,
)
from ferturb.features import random_regions
from ferturb.features.landmarks import Landmarks, find_landmarks
from ferturb.features.regions import FEATURES, regions
from ferturb.features.removal import leave_out
from ferturb.models.classifier import Classifier
from ferturb.models.test_time import predict_logits
from ferturb.runs.provenance import describe_data
from ferturb.runs.run import Run
from ferturb.training.files import MODEL

N = 42


@pytest.fixture(scope="module")
def faces() -> Faces:
    """Drawn faces, six of each emotion, all in the test split."""
    drawn = synthetic_faces(N, seed=5)
    return replace(drawn, splits=torch.full((N,), 2, dtype=torch.uint8))


@pytest.fixture(scope="module")
def landmarks(faces: Faces) -> Landmarks:
    return find_landmarks(faces.images)


@pytest.fixture
def model() -> nn.Module:
    """A network that looks at every pixel; it has learnt nothing, and need not."""
    torch.manual_seed(3)
    network = nn.Sequential(nn.Flatten(), nn.Linear(48 * 48, 7))
    nn.init.normal_(network[1].weight, std=0.3)
    return network


def same(a: Outcomes, b: Outcomes) -> bool:
    return np.array_equal(a.probability, b.probability) and np.array_equal(a.predicted, b.predicted)


def test_it_is_the_dataset_without_the_feature_judged_by_the_same_model(
    faces: Faces, landmarks: Landmarks, model: nn.Module
) -> None:
    options = AblationOptions(
        features=("mouth", "left_half"), fill="blur", controls=0, augmentation="flip"
    )
    got = ablate(model, faces.images, faces.labels, landmarks, options)
    own = predict_logits(model, faces.images, "flip").double().softmax(1)
    rows = torch.arange(N)
    np.testing.assert_allclose(got.whole.probability, own[rows, faces.labels], rtol=1e-6)
    for i, feature in enumerate(("mouth", "left_half")):
        left = leave_out(faces, feature, "blur", landmarks)
        logits = predict_logits(model, left.images, "flip")
        expected = logits.double().softmax(1)[rows, faces.labels]
        np.testing.assert_allclose(got.without.probability[i], expected, rtol=1e-6)
        np.testing.assert_array_equal(got.without.predicted[i], logits.argmax(1))
        area = regions(landmarks.points, (48, 48), [feature])[feature].flatten(1).sum(1)
        np.testing.assert_array_equal(got.area[i], area)
    assert got.controls.probability.shape == (2, 0, N)


def test_leaving_out_nothing_changes_nothing(
    faces: Faces, landmarks: Landmarks, model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FEATURES, "nothing", lambda g: torch.zeros_like(g.face))
    got = ablate(
        model,
        faces.images,
        faces.labels,
        landmarks,
        AblationOptions(features=("nothing",), controls=2),
    )
    assert np.array_equal(got.without.probability[0], got.whole.probability)
    assert same(Outcomes(got.controls.probability[0, 1], got.controls.predicted[0, 1]), got.whole)
    for cell in matrix(got, "probability", resamples=50):
        assert (cell.change.estimate, cell.change.low, cell.change.high) == (0, 0, 0)
        assert cell.excess.estimate == 0


@pytest.mark.parametrize("fill", ["black", "mean", "blur", "inpaint"])
def test_leaving_out_everything_leaves_chance(
    faces: Faces,
    landmarks: Landmarks,
    model: nn.Module,
    monkeypatch: pytest.MonkeyPatch,
    fill: str,
) -> None:
    monkeypatch.setitem(FEATURES, "everything", lambda g: torch.ones_like(g.face))
    options = AblationOptions(features=("everything",), fill=fill, controls=1)
    got = ablate(model, faces.images, faces.labels, landmarks, options)
    assert len(set(got.without.predicted[0].tolist())) == 1
    assert (got.without.predicted[0] == got.labels).mean() == pytest.approx(1 / 7)
    assert np.ptp(got.whole.probability) > 0.5
    for label in range(7):
        assert np.ptp(got.without.probability[0][got.labels == label]) < 1e-6
    np.testing.assert_allclose(got.controls.probability[:, 0], got.without.probability, rtol=1e-5)


def test_the_feature_that_carries_everything_is_named_and_no_other() -> None:
    """Emotions written as grey levels into the mouth, and a model that reads only them."""
    drawn = draw(210, seed=9)
    first = find_landmarks(drawn.images[:1])
    found = first.select(torch.zeros(210, dtype=torch.int64))  # all faces in the same place
    mouth = regions(first.points, (48, 48), ["mouth"])["mouth"][0]
    level = (40 + 30 * drawn.labels).to(torch.uint8)[:, None, None]
    images = torch.where(mouth, level, drawn.images)

    class Reads(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            shades = x[:, 0, mouth].median(1, keepdim=True).values * 255
            distance = (shades - 40 - 30 * torch.arange(7)) / 10
            return torch.where(shades < 20, 0.0, -distance.square())

    parts = ("eyes", "brows", "nose", "mouth", "jaw", "cheeks", "forehead")
    got = ablate(
        Reads(), images, drawn.labels, found, AblationOptions(features=parts, fill="black")
    )
    assert (got.whole.predicted == got.labels).all()
    assert all(names == {"mouth"} for names in named(matrix(got, "probability")).values())


def test_controls_leave_out_as_many_pixels_of_the_face_and_beside_it(
    faces: Faces, landmarks: Landmarks
) -> None:
    """Seen through a model whose probability of angry tells how many pixels are black."""
    found = regions(landmarks.points, (48, 48), ("mouth", "upper_face", "face"))
    face = found["face"]
    assert int((found["upper_face"] & ~face).sum()) > 0
    for name in ("mouth", "upper_face"):
        region = found[name]
        control = random_regions.control_regions(region, face, seed=4)
        for part in (face, ~face):
            assert torch.equal(
                (region & part).flatten(1).sum(1), (control & part).flatten(1).sum(1)
            )
        assert not torch.equal(region, control)

    class Counts(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            black = (x == 0).flatten(1).sum(1).float() / 300
            return torch.stack([black, *[torch.zeros_like(black)] * 6], 1)

    images = faces.images.clamp(min=1)
    options = AblationOptions(features=("nose", "right_half"), fill="black", controls=3)
    got = ablate(Counts(), images, torch.zeros_like(faces.labels), landmarks, options)
    expected = np.exp(got.area / 300) / (np.exp(got.area / 300) + 6)
    np.testing.assert_allclose(got.without.probability, expected, rtol=1e-5)
    for j in range(3):
        np.testing.assert_allclose(got.controls.probability[:, j], expected, rtol=1e-5)


def test_what_is_drawn_follows_from_seed_feature_and_place(
    faces: Faces, landmarks: Landmarks, model: nn.Module
) -> None:
    def run(features: tuple[str, ...], seed: int) -> Ablation:
        options = AblationOptions(features=features, fill="noise", controls=2, seed=seed)
        return ablate(model, faces.images, faces.labels, landmarks, options)

    both, alone, other = run(("nose", "mouth"), 1), run(("mouth",), 1), run(("mouth",), 2)
    for name in ("without", "controls"):
        a, b, c = (getattr(one, name).probability for one in (both, alone, other))
        assert np.array_equal(a[1], b[0])
        assert not np.array_equal(b, c)
    assert not np.array_equal(alone.controls.probability[0, 0], alone.controls.probability[0, 1])


def test_progress_counts_every_face_once(
    faces: Faces, landmarks: Landmarks, model: nn.Module
) -> None:
    seen: list[tuple[int, int]] = []
    ablate(
        model,
        faces.images,
        faces.labels,
        landmarks,
        AblationOptions(features=("nose", "mouth"), controls=1),
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(N, 5 * N), (3 * N, 5 * N), (5 * N, 5 * N)]


@pytest.fixture
def run(tmp_path: Path, tiny: str, faces: Faces) -> Run:
    """A finished run of an untrained network, as if it had been trained on `faces`."""
    run = Run.create(tmp_path / "run", RunConfig(DatasetConfig("faces"), ModelConfig(tiny)))
    torch.manual_seed(0)
    Classifier(ModelConfig(tiny)).save(run.folder / MODEL)
    run.write_record({"data": describe_data(faces), "best_epoch": 1})
    labels = faces.labels.numpy()
    run.finish({"labels_test": labels, "test_none": np.zeros((N, 7), np.float32)})
    return run


def test_a_run_keeps_its_ablation(run: Run, faces: Faces, landmarks: Landmarks) -> None:
    assert Ablation.load(run) is None
    given = ablate_run(run, faces, AblationOptions(controls=1), landmarks)
    kept = Ablation.load(run)
    assert kept is not None
    assert kept.features == FEATURES_LEFT_OUT
    for name in ("whole", "without", "controls"):
        assert same(getattr(kept, name), getattr(given, name))
    assert np.array_equal(kept.area, given.area)
    assert np.array_equal(kept.labels, faces.labels)
    assert kept.record["data"]["hash"] == faces.content_hash()
    assert (kept.record["fill"], kept.record["split"], kept.record["controls"]) == (
        *("mean", "test"),
        1,
    )
    whole = predict_logits(run.load_model(), faces.images).argmax(1)
    assert np.array_equal(kept.whole.predicted, whole)
    one = AblationOptions(fill="black", features=("left_eye",), controls=0)
    ablate_run(run, faces, one, landmarks)
    assert list(Ablation.kept(run)) == ["ablation", "ablation-black-without-left-eye"]


def test_the_name_says_what_is_not_as_usual(run: Run, faces: Faces) -> None:
    others = faces.select(torch.arange(7))
    assert analysis_name(run, faces) == "ablation"
    assert (
        analysis_name(run, faces, AblationOptions(features=FEATURES_LEFT_OUT[::-1])) == "ablation"
    )
    special = AblationOptions("validation", "blur", ("nose",), augmentation="flip")
    assert analysis_name(run, faces, special) == "ablation-validation-blur-flip-without-nose"
    assert analysis_name(run, others) == f"ablation-on-{others.content_hash()[:12]}"


def test_landmarks_of_all_faces_are_those_of_the_split(
    run: Run, faces: Faces, landmarks: Landmarks
) -> None:
    splits = (torch.arange(N) % 3).to(torch.uint8)
    mixed = replace(faces, splits=splits)
    index = torch.nonzero(splits == 1).flatten()
    options = AblationOptions("validation", features=("nose",), controls=1)
    with_all = ablate_run(run, mixed, options, landmarks)
    alone = ablate(
        run.load_model(), faces.images[index], faces.labels[index], landmarks.select(index), options
    )
    assert same(with_all.without, alone.without)
    assert same(with_all.controls, alone.controls)
    with pytest.raises(FerturbError, match=r"landmarks of all 42 faces.*got 14"):
        ablate_run(run, mixed, landmarks=landmarks.select(index))


def test_what_can_not_be_measured_is_refused(
    run: Run, faces: Faces, landmarks: Landmarks, model: nn.Module, tmp_path: Path
) -> None:
    given = {"images": faces.images, "labels": faces.labels, "landmarks": landmarks}
    with pytest.raises(FerturbError, match=r"unknown facial feature 'mouht': did you mean 'mouth'"):
        ablate(model, **given, options=AblationOptions(features=("mouht",)))  # type: ignore[arg-type]
    with pytest.raises(FerturbError, match="unknown fill 'men'"):
        ablate(model, **given, options=AblationOptions(fill="men"))  # type: ignore[arg-type]
    with pytest.raises(FerturbError, match="controls must be at least 0, got -1"):
        AblationOptions(controls=-1)
    with pytest.raises(FerturbError, match="no validation faces"):
        ablate_run(run, faces, AblationOptions("validation"))
    with pytest.raises(FerturbError, match="not finished"):
        ablate_run(Run.create(tmp_path / "new", RunConfig()), faces)


def test_a_face_is_drawn_the_same_in_any_batch(model: nn.Module) -> None:
    """More faces than are looked at together: the first ones come out as they do alone."""
    drawn = draw(300, seed=2)
    found = find_landmarks(drawn.images)
    options = AblationOptions(features=("eyes",), controls=0)
    many = ablate(model, drawn.images, drawn.labels, found, options)
    left = leave_out(
        Faces(
            drawn.images,
            drawn.labels,
            torch.zeros(300, dtype=torch.uint8),
            tuple(map(str, range(300))),
            "",
        ),
        "eyes", "mean", found,
    )  # fmt: skip
    expected = predict_logits(model, left.images).argmax(1)
    assert np.array_equal(many.without.predicted[0], expected)
