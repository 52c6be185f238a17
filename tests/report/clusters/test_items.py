"""Which figures of attention and clusters a report has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ferturb.base.config import ModelConfig
from ferturb.data.faces import Faces
from ferturb.models.classifier import Classifier
from ferturb.report.clusters.items import cluster_items
from ferturb.report.form.captions import PRIVATE
from ferturb.report.results import collect
from ferturb.runs.run import find_runs

Study = Callable[..., Path]


def keys(folder: Path, faces: Faces | None, fer2013: bool = False) -> dict[str, str]:
    runs = find_runs(folder / "runs")
    return {i.key: i.caption for i in cluster_items(collect(runs), runs, faces, fer2013)}


@pytest.mark.usefixtures("tiny")
def test_maps_of_each_model_and_attention_where_the_network_is_kept(
    study: Study, draw_faces: Callable[..., Faces]
) -> None:
    folder = study(faces=100, seeds=(0, 1))
    assert list(keys(folder, None)) == ["figure4", "epochs_compact", "epochs_resnet18"]
    network = Classifier(ModelConfig("tiny", attention=True))
    network.save(folder / "runs" / "compact-attention-s0" / "model.safetensors")
    found = keys(folder, draw_faces())
    assert list(found) == [*("figure4", "epochs_compact", "epochs_resnet18", "attention_compact")]
    assert found["epochs_compact"].startswith("compact-perturb-s0: cluster maps")
    assert not any(PRIVATE in caption.lower() for caption in found.values())
    real = keys(folder, draw_faces("fer2013"))
    assert all(PRIVATE in caption.lower() for caption in real.values())


def test_figure_5_where_k_alone_differs(study: Study) -> None:
    folder = study(models=("vgg16",), seeds=(0, 1), faces=100)
    assert "figure5" not in keys(folder, None)
    path = folder / "runs" / "vgg16-perturb-s1" / "config.json"
    config = json.loads(path.read_text())
    config["method"]["clusters"] = 5
    path.write_text(json.dumps(config))
    found = keys(folder, None, fer2013=True)
    assert "The paper's numbers are read off its plot" in found["figure5"]
    assert "paper" not in keys(folder, None)["figure5"]
    config["recipe"]["epochs"] = 7
    path.write_text(json.dumps(config))
    assert "figure5" not in keys(folder, None)  # the epochs differ too


def test_without_the_perturb_scheme_there_is_nothing_to_show(study: Study) -> None:
    missing = ["compact-perturb-s0", "compact-attention-s0"]
    folder = study(models=("compact",), faces=100, missing=missing)
    assert keys(folder, None) == {}
    assert torch.is_grad_enabled()
