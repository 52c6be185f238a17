"""A finished run that is quick to make: a fresh network, and what it says of drawn faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ferturb.base.config import ModelConfig, RunConfig
from ferturb.data.drawn.synthetic import draw
from ferturb.models.classifier import Classifier
from ferturb.models.test_time import predict_logits
from ferturb.runs.run import Run
from ferturb.training.files import MODEL

FACES = draw(60, seed=9).images.numpy()


def finished_run(folder: Path, network: str, seed: int = 0) -> Run:
    """A run with a fresh network and the logits it has on drawn faces."""
    run = Run.create(folder, RunConfig(model=ModelConfig(network), seed=seed))
    torch.manual_seed(seed)
    classifier = Classifier(ModelConfig(network)).eval()
    with torch.no_grad():
        classifier.head.weight.mul_(40)
    classifier.save(folder / MODEL)
    logits = predict_logits(classifier, torch.from_numpy(FACES), "flip").numpy()
    labels = np.arange(len(FACES)) % 7
    run.write_record(
        {
            "best_epoch": 1,
            "epochs": 1,
            "parameters": classifier.parameter_count,
            "data": {"source": "synthetic", "hash": "0"},
        }
    )
    run.finish(
        {
            "labels_validation": labels,
            "labels_test": labels,
            "validation_flip": logits,
            "test_flip": logits,
        }
    )
    return run
