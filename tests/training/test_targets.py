"""What heads learn: losses by hand, and trainings with one head and with two."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ferturb.base.config import (
    AugmentConfig,
    MethodConfig,
    ModelConfig,
    RecipeConfig,
    RunConfig,
    VotesConfig,
)
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.models.classifier import Classifier
from ferturb.perturb.methods import training_inputs
from ferturb.runs.execute import execute_run, new_classifier, prepare
from ferturb.training.files import MODEL, TrainingFiles
from ferturb.training.loop import Training, train
from ferturb.training.mixing import Mixing
from ferturb.training.targets import Head, cross_entropy, heads_of, measured, split_heads, weighted

CPU = torch.device("cpu")
BOTH = ("label", "votes")
PLACES = torch.tensor([4, 5, 6, 1, 3, 2, 0])
"""Where each emotion stands among FER+'s classes, by hand."""


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def voted(toy_faces: Faces) -> Faces:
    """Eight people call each face what the label is, two the emotion after it; one face in eight
    got no votes, one is contempt."""
    votes = torch.zeros(len(toy_faces), 10, dtype=torch.uint8)
    every = torch.arange(len(toy_faces))
    votes[every, PLACES[toy_faces.labels]] = 8
    votes[every, PLACES[(toy_faces.labels + 1) % 7]] = 2
    votes[every % 8 == 0] = 0
    votes[every % 8 == 1] = torch.tensor([0, 0, 0, 0, 0, 0, 0, 10, 0, 0], dtype=torch.uint8)
    return replace(toy_faces, votes=votes)


def test_soft_cross_entropy_is_over_the_faces_with_votes() -> None:
    logits = torch.randn(3, 7, generator=rng())
    shares = torch.zeros(3, 7)
    shares[0, 1], shares[0, 2], shares[2, 4] = 0.75, 0.25, 1.0
    log_p = logits.log_softmax(1)
    by_hand = -(0.75 * log_p[0, 1] + 0.25 * log_p[0, 2] + log_p[2, 4]) / 2
    torch.testing.assert_close(cross_entropy(logits, shares, 0.1), by_hand)
    assert float(cross_entropy(logits, torch.zeros(3, 7), 0.0)) == 0


def test_votes_of_mixed_faces_are_mixed() -> None:
    logits, shares = torch.randn(4, 7, generator=rng()), torch.rand(4, 7, generator=rng(1))
    shares = shares / shares.sum(1, keepdim=True)
    partner = torch.tensor([2, 0, 3, 1])
    found = Mixing(partner, 0.3, None).cross_entropy(logits, shares, 0.1)
    mixed = 0.3 * shares + 0.7 * shares[partner]
    torch.testing.assert_close(found, F.cross_entropy(logits, mixed))


def test_what_each_head_should_say(voted: Faces) -> None:
    faces = voted.select(torch.arange(4))
    label, votes = heads_of(faces, BOTH, VotesConfig(share=0.3))
    assert (label.weight, votes.weight) == (0.7, 0.3)
    assert label.target.tolist() == label.true.tolist() == [0, 1, 2, 3]
    assert votes.true.tolist() == [-1, 7, 2, 3]
    expected = torch.zeros(4, 7)
    expected[2, 2], expected[2, 3], expected[3, 3], expected[3, 4] = 0.8, 0.2, 0.8, 0.2
    torch.testing.assert_close(votes.target, expected)
    (alone,) = heads_of(faces, ("votes",), VotesConfig(share=0.3))
    assert alone.weight == 1
    logits = torch.full((4, 14), -9.0)
    logits[torch.arange(4), torch.tensor([0, 1, 2, 0])] = 9.0  # label: three of four
    logits[torch.arange(4), 7 + torch.tensor([0, 0, 2, 2])] = 9.0  # votes: one of three
    assert measured((label, votes), logits)[1] == pytest.approx(0.7 * 3 / 4 + 0.3 * 1 / 3)


def test_losses_of_heads_count_by_their_weights() -> None:
    labels = torch.tensor([0, 3])
    heads = tuple(Head(labels, labels, weight) for weight in (0.7, 0.3))
    logits = torch.randn(2, 14, generator=rng())
    asked: list[tuple[int, float]] = []

    def loss(place: int, head: Head, own: torch.Tensor) -> torch.Tensor:
        assert torch.equal(own, logits[:, 7 * place : 7 * place + 7])
        asked.append((place, head.weight))
        return torch.tensor([10.0, 100.0])[place]

    assert float(weighted(heads, logits, loss)) == pytest.approx(0.7 * 10 + 0.3 * 100)
    assert asked == [(0, 0.7), (1, 0.3)]
    first, second = (F.cross_entropy(own, labels) for own in logits.split(7, 1))
    found, accuracy = measured(heads, logits)
    assert found == pytest.approx(float(0.7 * first + 0.3 * second), rel=1e-5)
    right = [float((own.argmax(1) == labels).double().mean()) for own in logits.split(7, 1)]
    assert accuracy == pytest.approx(0.7 * right[0] + 0.3 * right[1])


def test_a_votes_head_needs_votes(toy_faces: Faces, tmp_path: Path, tiny: str) -> None:
    config = ModelConfig(tiny, heads=BOTH)
    network = new_classifier(RunConfig(model=config))
    files = TrainingFiles(tmp_path, "x")
    inputs = training_inputs(MethodConfig(), toy_faces)
    with pytest.raises(FerturbError, match=r"toy has no votes .*fer2013new\.csv"):
        train(Training(network, toy_faces, inputs, RecipeConfig(epochs=1), 0, files, CPU))


RECIPE = RecipeConfig(
    epochs=2,
    batch_size=16,
    learning_rate=0.05,
    average=0.9,
    precision="float32",
    augment=AugmentConfig(flip=0.5, mixup=0.4, cutmix=1.0, mixing_probability=0.5),
)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("heads", [("votes",), BOTH])
def test_heads_are_trained_stored_and_taught(
    voted: Faces, tmp_path: Path, heads: tuple[str, ...]
) -> None:
    config = RunConfig(model=ModelConfig("tiny", heads=heads), recipe=RECIPE, seed=5)
    run = prepare(tmp_path, config)
    assert not execute_run(run, voted, pause_after=1)
    assert execute_run(run, voted)
    with np.load(run.folder / "logits.npz") as arrays:
        np.testing.assert_array_equal(arrays["votes_test"], voted.split("test").votes.numpy())
    network = run.load_model(None)
    images = voted.split("test").images.unsqueeze(1).float() / 255
    with torch.no_grad():
        both = network(images)
        first = run.load_model()(images)
    assert both.shape == (16, 7 * len(heads))
    torch.testing.assert_close(first, both[:, :7])
    for head, own in zip(heads, split_heads(both), strict=True):
        _, logits = run.logits("test", "none", head)
        np.testing.assert_allclose(logits, own.numpy(), atol=1e-5)
    again = prepare(tmp_path, config)
    assert again.history() == run.history()
    taught = replace(config, teachers=(run.name,), recipe=replace(RECIPE, distillation=0.5), seed=6)
    student = prepare(tmp_path, taught)
    assert execute_run(student, voted)
    assert student.logits("test", "none", heads[-1])[1].shape == (16, 7)


@pytest.mark.usefixtures("tiny")
def test_both_heads_work_with_views_and_their_consistency(voted: Faces, tmp_path: Path) -> None:
    """A face's views are summed head by head, and the consistency is of each head on its own."""
    from ferturb.study.plan import chain

    method = MethodConfig(
        "perturb", attention_faces=16, views="pair", consistency=0.5, scope="fixed"
    )
    recipe = replace(RECIPE, epochs=1, augment=AugmentConfig())
    last = RunConfig(model=ModelConfig("tiny", heads=BOTH), method=method, recipe=recipe)
    for config in chain(last, 1):
        run = prepare(tmp_path, config)
        assert execute_run(run, voted)
    assert run.config == chain(last, 1)[-1]
    images = voted.split("test").images.unsqueeze(1).float() / 255
    views = run.load_model(None)
    with torch.no_grad():
        summed = views(images)
    for head, own in zip(BOTH, split_heads(summed), strict=True):
        np.testing.assert_allclose(run.logits("test", "none", head)[1], own.numpy(), atol=1e-4)
        with np.load(run.folder / "logits.npz") as arrays:
            name = "whole_test_none" if head == "label" else "whole_votes_test_none"
            assert not np.allclose(arrays[name], own.numpy())


def test_a_head_that_is_missing_is_named(tmp_path: Path, tiny: str) -> None:
    network = Classifier(ModelConfig(tiny, heads=("label",)))
    with pytest.raises(FerturbError, match="no head 'votes', only label"):
        network.answering("votes")
    two = Classifier(ModelConfig(tiny, heads=BOTH)).eval()
    faces = torch.rand(3, 1, 32, 32, generator=rng())
    with torch.no_grad():
        label, votes = two(faces), two.answering("votes")(faces)
        every, turned = two.answering(None)(faces), two.answering("votes", "label")(faces)
    torch.testing.assert_close(every, torch.cat([label, votes], 1))
    torch.testing.assert_close(turned, torch.cat([votes, label], 1))
    two.save(tmp_path / MODEL)
    with torch.no_grad():
        torch.testing.assert_close(Classifier.load(tmp_path / MODEL)(faces), label)
    with pytest.raises(FerturbError, match="unknown head 'vote': did you mean 'votes'"):
        ModelConfig(heads=("vote",))
    with pytest.raises(FerturbError, match="each once"):
        ModelConfig(heads=("label", "label"))


def test_fingerprints_of_runs_without_votes_are_what_they_were() -> None:
    """The shipped clean network's, trained before there were votes."""
    from ferturb.base.config import MIXED

    shipped = RunConfig(recipe=replace(MIXED, epochs=45))
    assert replace(shipped, recipe=replace(shipped.recipe, votes=VotesConfig())).fingerprint() == (
        shipped.fingerprint()
    )
    assert replace(shipped, model=ModelConfig(heads=BOTH)).fingerprint() != shipped.fingerprint()
