"""Trained models as torch modules: those that are shipped, and those of run folders."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

from torch import nn

from ferturb.base.config import ModelConfig
from ferturb.base.config.fields import build
from ferturb.base.errors import FerturbError
from ferturb.base.raster import PLAIN
from ferturb.base.reading import from_home, reading
from ferturb.base.tensors import load_tensors
from ferturb.export.calibrated import (
    Calibrated,
    Calibration,
    calibrate,
    calibrate_to_people,
)
from ferturb.export.comparison import run_in_torch
from ferturb.models.classifier import Classifier, restore
from ferturb.predict.shipped import NAMES, About, PretrainedModel, shipped
from ferturb.runs.run import Run


def load_calibrated(name: str | Path) -> PretrainedModel:
    """A trained model that is ready to predict, computed by torch: what `Predictor(model=…)` takes.

    `name`: a finished run's folder (calibrated on its own validation logits), one of the package's
    models, or a safetensors file that holds one. Anything else raises `FerturbError`.
    """
    module, about = calibrated_module(name)
    return PretrainedModel(about, "torch", partial(run_in_torch, module))


def calibrated_module(name: str | Path) -> tuple[Calibrated, About]:
    """The same as a torch module in evaluation mode, and what is known of it.

    It takes uint8 (b, 48, 48) and gives probabilities (b, 7) of each of its heads, a tuple.
    """
    path = shipped(str(name)) if str(name) in NAMES else from_home(name)
    if path.suffix == ".safetensors":
        return _of_weights(path)
    if path.is_dir():
        return _of_run(path)
    raise FerturbError(
        f"no trained model {str(name)!r}; give one of {', '.join(NAMES)}, or a run folder"
    )


def calibrated(model: nn.Module, about: About) -> Calibrated:
    """A network with the calibration and the test-time augmentation that belong to it.

    It gives the logits of `about.heads` side by side.
    """
    return Calibrated(model, (about, *about.others.values()), about.augmentation).eval()


def _of_weights(path: Path) -> tuple[Calibrated, About]:
    tensors, meta = load_tensors(path)
    about = About.from_dict(meta, path)
    with reading(path, "a model of this ferturb", "give one that ferturb wrote"):
        classifier = Classifier(build(ModelConfig, about.network))
    own = classifier.state_dict()
    counters = {k: v for k, v in own.items() if k.endswith("num_batches_tracked")}
    weights = counters | {k: v.float() for k, v in tensors.items()}
    classifier = restore(classifier, weights, path)
    return calibrated(classifier.answering(*about.heads), about), about


def _of_run(folder: Path) -> tuple[Calibrated, About]:
    run = Run.open(folder).require_done()
    if run.config.dataset.raster != PLAIN:
        raise FerturbError(
            f"{run.folder} takes {run.config.dataset.raster} faces; exported files and photos take "
            f"{PLAIN}: train without --side and --channels, or use the run itself "
            "(evaluate, ablate, explain)"
        )
    augmentation = "flip" if "flip" in run.augmentations() else "none"
    about = about_run(run, run.name, augmentation)
    return calibrated(run.load_model(*about.heads), about), about


def about_run(run: Run, name: str, augmentation: str) -> About:
    """A finished run's model, its heads calibrated on validation; people's votes answer if it
    learnt them."""
    heads = sorted(run.config.model.heads, key=lambda head: head != "votes")
    main, *others = (calibration_of(run, augmentation, head) for head in heads)
    return About(
        name=name,
        head=heads[0],
        others={head: of.readout for head, of in zip(heads[1:], others, strict=True)},
        augmentation=augmentation,
        network=dataclasses.asdict(run.config.model) | {"heads": list(run.config.model.heads)},
        **vars(main.readout),
    )


def calibration_of(run: Run, augmentation: str, head: str) -> Calibration:
    """What a run's validation logits say of a head: by the labels, or by people's votes."""
    labels, logits = run.logits("validation", augmentation, head)
    votes = run.votes("validation")
    if head == "label" or votes is None:
        return calibrate(labels, logits)
    return calibrate_to_people(votes, logits)
