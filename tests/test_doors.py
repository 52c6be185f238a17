"""What every name of the library's front door says to what it can't take: one line, at once.

Those of prediction are in `tests/predict/test_doors.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import ferturb
from ferturb import (
    Classifier,
    DatasetConfig,
    Ensemble,
    Faces,
    FerturbError,
    MethodConfig,
    ModelConfig,
    RecipeConfig,
    Run,
    RunConfig,
    audit,
    build_report,
    execute_run,
    load_dataset,
    load_faces,
    plan,
    predict_logits,
    prepare,
    push_to_hub,
    run_study,
    score,
    wrap,
)
from ferturb.data.drawn.synthetic import draw
from ferturb.study.plan import PRESETS

pytestmark = pytest.mark.usefixtures("no_shape_checks")
LABELS, LOGITS = np.array([0, 1]), np.zeros((2, 7), np.float32)
CONFIG = RunConfig(model=ModelConfig("compact-tiny"))
STUDY = PRESETS["quick"]


@dataclass
class Given:
    """What is right, for the other arguments."""

    faces: Faces
    model: Classifier
    folder: Path

    @property
    def run(self) -> Run:
        return Run(self.folder / "run")

    def made(self, **changed: Any) -> Faces:
        f = self.faces
        whole = {"images": f.images, "labels": f.labels, "splits": f.splits, "names": f.names}
        return Faces(**whole | {"source": "x"} | changed)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    model = Classifier(ModelConfig("compact-tiny")).eval()
    drawn, each = draw(14, seed=3), torch.arange(14)
    names = tuple(map(str, each.tolist()))
    faces = Faces(drawn.images, drawn.labels, (each % 3).to(torch.uint8), names, "drawn")
    return Given(faces, model, tmp_path_factory.mktemp("doors"))


def images(change: Callable[[Tensor], Any]) -> Callable[[Given], Any]:
    return lambda g: predict_logits(g.model, change(g.faces.images))


WRONG: dict[str, Callable[[Given], Any]] = {
    "DatasetConfig: a number": lambda g: DatasetConfig(3),  # type: ignore[arg-type]
    "DatasetConfig: None": lambda g: DatasetConfig(None),  # type: ignore[arg-type]
    "DatasetConfig: faces in words": lambda g: DatasetConfig(synthetic_faces="ten"),  # type: ignore[arg-type]
    "DatasetConfig: an order of 3": lambda g: DatasetConfig(label_order=3),  # type: ignore[arg-type]
    "DatasetConfig: few faces": lambda g: DatasetConfig(training_faces=-3),
    "ModelConfig: a number": lambda g: ModelConfig(3),  # type: ignore[arg-type]
    "ModelConfig: a head, not heads": lambda g: ModelConfig(heads="label"),  # type: ignore[arg-type]
    "ModelConfig: dropout of 2": lambda g: ModelConfig(dropout=2),
    "ModelConfig: dropout of NaN": lambda g: ModelConfig(dropout=float("nan")),
    "ModelConfig: dropout in words": lambda g: ModelConfig(dropout="no"),  # type: ignore[arg-type]
    "MethodConfig: a number": lambda g: MethodConfig(3),  # type: ignore[arg-type]
    "MethodConfig: no clusters": lambda g: MethodConfig("perturb", clusters=0),
    "MethodConfig: clusters in words": lambda g: MethodConfig("perturb", clusters="three"),  # type: ignore[arg-type]
    "RecipeConfig: epochs in words": lambda g: RecipeConfig("x", epochs="two"),  # type: ignore[arg-type]
    "RecipeConfig: half an epoch": lambda g: RecipeConfig("x", epochs=1.5),  # type: ignore[arg-type]
    "RecipeConfig: a rate of NaN": lambda g: RecipeConfig("x", learning_rate=float("nan")),
    "RunConfig: a negative seed": lambda g: RunConfig(seed=-1),
    "RunConfig: a seed in words": lambda g: RunConfig(seed="zero"),  # type: ignore[arg-type]
    "RunConfig: a model by name": lambda g: RunConfig(model="compact"),  # type: ignore[arg-type]
    "RunConfig: a source": lambda g: RunConfig(dataset="synthetic"),  # type: ignore[arg-type]
    "RunConfig: a method by name": lambda g: RunConfig(method="perturb"),  # type: ignore[arg-type]
    "RunConfig: a recipe by name": lambda g: RunConfig(recipe="fast"),  # type: ignore[arg-type]
    "audit: a path": lambda g: audit("faces.zip"),  # type: ignore[arg-type]
    "audit: None": lambda g: audit(None),  # type: ignore[arg-type]
    "audit: pixels": lambda g: audit(g.faces.images),  # type: ignore[arg-type]
    "Faces: a number for images": lambda g: g.made(images=3),
    "Faces: images of floats": lambda g: g.made(images=g.faces.images / 255),
    "Faces: one image": lambda g: g.made(images=g.faces.images[0]),
    "Faces: labels of floats": lambda g: g.made(labels=g.faces.labels / 2),
    "Faces: labels of two axes": lambda g: g.made(labels=g.faces.labels[:, None]),
    "Faces: a label of 9": lambda g: g.made(labels=g.faces.labels * 0 + 9),
    "Faces: no names": lambda g: g.made(names=None),
    "Faces: names of others": lambda g: g.made(names=("a",)),
    "Faces: a number for a source": lambda g: g.made(source=3),
    "Faces: a number for votes": lambda g: g.made(votes=3),
    "Faces: labels for votes": lambda g: g.made(votes=g.faces.labels),
    "Faces.split: a number": lambda g: g.faces.split(3),  # type: ignore[arg-type]
    "Faces.select: a text": lambda g: g.faces.select("mouth"),
    "Faces.select: a number": lambda g: g.faces.select(3),
    "Faces.select: None": lambda g: g.faces.select(None),
    "Faces.save: a number": lambda g: g.faces.save(3),  # type: ignore[arg-type]
    "Faces.load: a number": lambda g: Faces.load(3),  # type: ignore[arg-type]
    "Faces.load: a folder": lambda g: Faces.load(g.folder),
    "load_faces: a number": lambda g: load_faces(3),  # type: ignore[arg-type]
    "load_faces: a list": lambda g: load_faces(["a"]),  # type: ignore[arg-type]
    "load_faces: nothing there": lambda g: load_faces(g.folder / "none"),
    "load_dataset: a path": lambda g: load_dataset("synthetic"),  # type: ignore[arg-type]
    "load_dataset: None": lambda g: load_dataset(None),  # type: ignore[arg-type]
    "score: one logit too many": lambda g: score("a", LABELS, np.zeros((3, 7), np.float32)),
    "score: six emotions": lambda g: score("a", LABELS, LOGITS[:, :6]),
    "score: a label of 9": lambda g: score("a", np.array([0, 9]), LOGITS),
    "score: labels of floats": lambda g: score("a", LABELS / 2, LOGITS),  # type: ignore[arg-type]
    "score: no faces": lambda g: score("a", LABELS[:0], LOGITS[:0]),
    "score: logits of NaN": lambda g: score("a", LABELS, LOGITS * float("nan")),
    "score: texts": lambda g: score("a", "labels", "logits"),  # type: ignore[arg-type]
    "score: None": lambda g: score("a", None, None),  # type: ignore[arg-type]
    "Classifier: a name": lambda g: Classifier("compact"),  # type: ignore[arg-type]
    "Classifier: no network's name": lambda g: Classifier(ModelConfig("nobody")),
    "Classifier: pixels": lambda g: g.model(g.faces.images),
    "Classifier: an array": lambda g: g.model(g.faces.images.numpy()),
    "Classifier.attention_maps: a text": lambda g: g.model.attention_maps("a"),  # type: ignore[arg-type]
    "Classifier.answering: no head": lambda g: g.model.answering("votes"),
    "Classifier.save: a number": lambda g: g.model.save(3),  # type: ignore[arg-type]
    "Classifier.load: a number": lambda g: Classifier.load(3),  # type: ignore[arg-type]
    "Classifier.load: a folder": lambda g: Classifier.load(g.folder),
    "Ensemble: nobody": lambda g: Ensemble([]),
    "Ensemble: None": lambda g: Ensemble(None),  # type: ignore[arg-type]
    "Ensemble: names": lambda g: Ensemble(["compact"]),  # type: ignore[list-item]
    "Ensemble: one network": lambda g: Ensemble(g.model),  # type: ignore[arg-type]
    "Ensemble.save: a number": lambda g: Ensemble([g.model]).save(3),  # type: ignore[arg-type]
    "Ensemble.load: a number": lambda g: Ensemble.load(3),  # type: ignore[arg-type]
    "Ensemble.load: no ensemble": lambda g: Ensemble.load(g.folder),
    "predict_logits: a model's name": lambda g: predict_logits("tiny", g.faces.images),  # type: ignore[arg-type]
    "predict_logits: a function": lambda g: predict_logits(len, g.faces.images),  # type: ignore[arg-type]
    "predict_logits: a text": images(lambda i: "faces"),
    "predict_logits: None": images(lambda i: None),
    "predict_logits: one face": images(lambda i: i[0]),
    "predict_logits: floats": images(lambda i: i / 255),
    **{
        f"predict_logits: {name}={value!r}": lambda g, name=name, value=value: predict_logits(
            g.model, g.faces.images, **{name: value}
        )
        for name, value in (
            ("augmentation", "nobody"),
            ("augmentation", 3),
            ("batch_size", 0),
            ("batch_size", "all"),
            ("precision", "float8"),
            ("device", "cpu"),
        )
    },
    "build_report: a number": lambda g: build_report(3),  # type: ignore[arg-type]
    "build_report: no study": lambda g: build_report(g.folder / "none"),
    "build_report: a path for faces": lambda g: build_report(g.folder, "faces"),  # type: ignore[arg-type]
    "Run: a number": lambda g: Run(3),  # type: ignore[arg-type]
    "Run.create: no config": lambda g: Run.create(g.folder / "new", "config"),  # type: ignore[arg-type]
    "Run.open: None": lambda g: Run.open(None),  # type: ignore[arg-type]
    "Run.open: no run": lambda g: Run.open(g.folder),
    "execute_run: a path": lambda g: execute_run("run", g.faces),  # type: ignore[arg-type]
    "execute_run: no faces": lambda g: execute_run(g.run, None),  # type: ignore[arg-type]
    "execute_run: a device in words": lambda g: execute_run(g.run, g.faces, "cpu"),  # type: ignore[arg-type]
    "execute_run: a pause before": lambda g: execute_run(g.run, g.faces, pause_after=-1),
    "prepare: a number": lambda g: prepare(3, CONFIG),  # type: ignore[arg-type]
    "prepare: no config": lambda g: prepare(g.folder, None),  # type: ignore[arg-type]
    "plan: a preset's name": lambda g: plan("quick"),  # type: ignore[arg-type]
    "push_to_hub: a number": lambda g: push_to_hub("tiny", 3),  # type: ignore[arg-type]
    "push_to_hub: no owner": lambda g: push_to_hub("tiny", "faces"),
    "wrap: a number": lambda g: wrap(3),
    "wrap: no model's name": lambda g: wrap("nobody"),
    "run_study: a preset's name": lambda g: run_study("quick", g.folder, g.faces),  # type: ignore[arg-type]
    "run_study: a number": lambda g: run_study(STUDY, 3, g.faces),  # type: ignore[arg-type]
    "run_study: no faces": lambda g: run_study(STUDY, g.folder, None),  # type: ignore[arg-type]
    "run_study: no workers": lambda g: run_study(STUDY, g.folder, g.faces, workers=0),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_can_not_be_taken_is_one_line_at_once(what: str, given: Given) -> None:
    with pytest.raises(FerturbError) as raised:
        WRONG[what](given)
    said = str(raised.value)
    assert 10 < len(said) < 300
    assert "\n" not in said


def test_every_name_of_the_front_door_is_tried() -> None:
    tried = {what.partition(":")[0].partition(".")[0] for what in WRONG}
    of_prediction = {"Predictor", "load_pretrained"}
    nothing_to_give = {"EMOTIONS", "FerturbError", "__version__"}
    assert tried | of_prediction | nothing_to_give == set(ferturb.__all__)


RIGHT: dict[str, Callable[[Given], Any]] = {
    "a path as a source": lambda g: DatasetConfig(Path("a.zip")) == DatasetConfig("a.zip"),  # type: ignore[arg-type]
    "a folder as text": lambda g: Run(str(g.folder)) == Run(g.folder),  # type: ignore[arg-type]
    "tensors to score": lambda g: (
        score("a", *map(torch.from_numpy, (LABELS, LOGITS))).accuracy  # type: ignore[arg-type]
        == score("a", LABELS, LOGITS).accuracy
    ),
    "an array of faces": lambda g: torch.equal(
        predict_logits(g.model, g.faces.images.numpy()), predict_logits(g.model, g.faces.images)
    ),
    "a model's file as text": lambda g: saved(g) == g.model.config,
}


def saved(g: Given) -> ModelConfig:
    path: Any = str(g.folder / "model.safetensors")
    g.model.save(path)
    return Classifier.load(path).config


@pytest.mark.parametrize("what", RIGHT)
def test_other_forms_of_the_same_are_the_same(what: str, given: Given) -> None:
    assert RIGHT[what](given)
