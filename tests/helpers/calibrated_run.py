"""A finished run that is quick to make: a fresh network, and what it says of drawn faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ferturb.base.config import ModelConfig, RunConfig
from ferturb.base.emotions import VOTES
from ferturb.data.drawn.synthetic import draw
from ferturb.data.votes import LABELS
from ferturb.models.classifier import Classifier
from ferturb.models.test_time import predict_logits
from ferturb.runs.run import Run
from ferturb.training.files import MODEL

FACES = draw(60, seed=9).images.numpy()


def finished_run(
    folder: Path, network: str, seed: int = 0, heads: tuple[str, ...] = ("label",)
) -> Run:
    """A run with a fresh network and the logits it has on drawn faces, which have votes too."""
    config = ModelConfig(network, heads=heads)
    run = Run.create(folder, RunConfig(model=config, seed=seed))
    torch.manual_seed(seed)
    classifier = Classifier(config).answering(None).eval()
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
    votes = np.zeros((len(FACES), 10), np.int64)
    votes[np.arange(len(FACES)), [int(np.flatnonzero(label == LABELS)[0]) for label in labels]] = 7
    votes[:, VOTES.index("neutral")] += 3
    arrays: dict[str, np.ndarray] = {}
    for split in ("validation", "test"):
        arrays |= {f"labels_{split}": labels, f"votes_{split}": votes}
        for i, head in enumerate(heads):
            arrays[f"{config.prefix(head)}{split}_flip"] = logits[:, 7 * i : 7 * i + 7]
    run.finish(arrays)
    return run
