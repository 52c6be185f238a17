from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.svm import LinearSVC

from ferturb.base.config import (
    BOOSTING,
    LINEAR_SVM,
    DatasetConfig,
    MethodConfig,
    ModelConfig,
    RecipeConfig,
    RunConfig,
)
from ferturb.base.errors import FerturbError
from ferturb.base.seeds import seed_of
from ferturb.data.faces import Faces
from ferturb.data.sources import load_faces
from ferturb.models.hog import HogBlocks
from ferturb.runs.execute import execute_run, new_classifier, prepare
from ferturb.runs.run import Run

BOOST = replace(BOOSTING, epochs=6)


@pytest.fixture(scope="module")
def faces() -> Faces:
    return load_faces(DatasetConfig(synthetic_faces=420), cache=False)


def config(model: str, recipe: RecipeConfig, **options: object) -> RunConfig:
    return RunConfig(DatasetConfig(), ModelConfig(model), recipe=recipe, **options)  # type: ignore[arg-type]


def trained(folder: Path, faces: Faces, wanted: RunConfig) -> Run:
    run = prepare(folder, wanted)
    assert execute_run(run, faces)
    return run


def features(faces: Faces, split: str) -> np.ndarray:
    return HogBlocks()(faces.split(split).images[:, None].float() / 255).flatten(1).numpy()


def test_what_is_fitted_is_where_its_faces_are_sent(
    tmp_path: Path, faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    class EnoughError(Exception):
        pass

    def asked(network: torch.nn.Module, images: object, device: torch.device) -> None:
        assert {tensor.device for tensor in network.state_dict().values()} == {device}
        raise EnoughError

    monkeypatch.setattr("ferturb.training.fitting.logits_of", asked)
    run = prepare(tmp_path, config("hog", LINEAR_SVM))
    with pytest.raises(EnoughError):
        execute_run(run, faces, torch.device("meta"))


def test_a_support_vector_machine_is_scikit_learns(tmp_path: Path, faces: Faces) -> None:
    run = trained(tmp_path, faces, config("hog", LINEAR_SVM))
    train = faces.split("train")
    c = 1 / (LINEAR_SVM.weight_decay * len(train))
    peer = LinearSVC(C=c, dual=False, random_state=seed_of(0, "fit") % 2**32, max_iter=2000)
    peer.fit(features(faces, "train"), train.labels.numpy())
    labels, logits = run.logits("test", "none")
    expected = peer.decision_function(features(faces, "test"))
    np.testing.assert_allclose(logits, expected, atol=0.05)  # liblinear stops near the end
    assert (logits.argmax(1) == expected.argmax(1)).mean() > 0.95
    assert (logits.argmax(1) == labels).mean() > 0.4
    history = run.history()
    assert [row["epoch"] for row in history] == [1]
    own, validation = run.logits("validation", "none")
    assert history[0]["validation_accuracy"] == pytest.approx((validation.argmax(1) == own).mean())
    assert run.record()["parameters"] == 7 * 1764 + 7


def test_boosted_trees_are_scikit_learns(tmp_path: Path, faces: Faces) -> None:
    run = trained(tmp_path, faces, config("hog-boosted", BOOST))
    train = faces.split("train")
    peer = HistGradientBoostingClassifier(
        max_iter=6, max_depth=6, early_stopping=False, random_state=seed_of(0, "fit") % 2**32
    )
    peer.fit(features(faces, "train"), train.labels.numpy())
    _, logits = run.logits("test", "none")
    expected = peer.predict_proba(features(faces, "test"))
    found = torch.from_numpy(logits).softmax(1).numpy()
    close = np.abs(found - expected).max(1) < 1e-3  # a feature may round to the other side
    assert close.mean() > 0.95
    assert len(run.history()) == 6
    nodes = sum(len(tree.nodes) for trees in peer._predictors for tree in trees)
    assert run.record()["parameters"] == nodes + 7 * 7 + 7


def test_fitted_networks_are_runs_like_others(tmp_path: Path, faces: Faces) -> None:
    run = trained(tmp_path, faces, config("hog", LINEAR_SVM, seed=1))
    before = run.logits("test", "flip")[1]
    (run.folder / "logits.npz").unlink()
    assert not run.done
    execute_run(run, faces)  # measured again, not fitted again
    np.testing.assert_array_equal(run.logits("test", "flip")[1], before)


@pytest.mark.parametrize(
    ("model", "recipe", "options", "match"),
    [
        ("hog-boosted", LINEAR_SVM, {}, r"fits the network hog .*got hog-boosted"),
        ("hog", BOOST, {}, r"fits the network hog-boosted .*got hog;"),
        ("compact-tiny", LINEAR_SVM, {}, r"fits the network hog .*got compact-tiny"),
        ("hog", LINEAR_SVM, {"method": MethodConfig("hide-and-seek")}, r"give method baseline"),
        ("hog-boosted", replace(BOOST, epochs=151), {}, r"at most 150 epochs"),
    ],
)
def test_what_can_not_be_fitted_is_one_line(
    tmp_path: Path, faces: Faces, model: str, recipe: RecipeConfig, options: dict, match: str
) -> None:
    run = prepare(tmp_path, config(model, recipe, **options))
    with pytest.raises(FerturbError, match=match) as error:
        execute_run(run, faces)
    assert "\n" not in str(error.value)


def test_an_emotion_that_is_not_there_is_told(tmp_path: Path, faces: Faces) -> None:
    fewer = faces.select(faces.labels != 2)
    with pytest.raises(FerturbError, match="all 7 emotions, got 6"):
        execute_run(prepare(tmp_path, config("hog", LINEAR_SVM)), fewer)


def test_untrained_trees_say_nothing() -> None:
    network = new_classifier(config("hog-boosted", BOOST)).eval()
    logits = network(torch.rand(3, 1, 48, 48))
    assert torch.equal(logits, network.head.bias.expand(3, -1))
