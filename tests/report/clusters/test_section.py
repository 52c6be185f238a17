"""Which figures of attention and clusters a report has."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ferturb.base.config import RecipeConfig
from ferturb.data.faces import Faces
from ferturb.report.clusters.section import section
from ferturb.report.form.captions import PRIVATE
from ferturb.report.results import StudyResults
from ferturb.report.run_results import read_run
from ferturb.runs.run import Run
from made_up_results import run_result, small_study, some_faces, study_of


def captions(results: StudyResults) -> dict[str, str]:
    found = section(results)
    return {} if found is None else {i.key: i.caption for i in found.items}  # type: ignore[union-attr]


def test_maps_of_the_first_seed_of_each_model() -> None:
    results = small_study(faces=100, seeds=(1, 0))
    found = captions(results)
    assert list(found) == ["figure4", "epochs_compact", "epochs_resnet18"]
    assert found["epochs_compact"].startswith("compact-perturb-s0: cluster maps")
    assert "a plain grey one stands in" in found["figure4"]


def test_networks_of_nearly_one_name_have_pictures_of_their_own() -> None:
    runs = [run_result(model, "perturb", faces=100, name=model) for model in ("a-b", "a_b")]
    assert list(captions(study_of(runs))) == ["figure4", "epochs_a_b_1", "epochs_a_b_2"]


@pytest.mark.usefixtures("tiny_networks")
def test_attention_where_the_network_is_kept(trained: Path, trained_faces: Faces) -> None:
    runs = [read_run(Run(trained / f"compact-{m}-s0")) for m in ("attention", "perturb")]
    found = captions(study_of(runs, trained_faces))
    assert list(found) == ["figure4", "epochs_compact", "attention_compact"]
    assert not any(PRIVATE in caption.lower() for caption in found.values())
    assert torch.is_grad_enabled()
    real = captions(study_of(runs, some_faces("fer2013")))
    assert all(PRIVATE in caption.lower() for caption in real.values())


def test_figure_5_where_k_alone_differs() -> None:
    plain = run_result("vgg16", kind="fer2013", faces=100)
    three, five = (
        run_result("vgg16", "perturb", kind="fer2013", faces=100, clusters=k, name=f"k{k}")
        for k in (3, 5)
    )
    assert "figure5" not in captions(study_of([plain, three]))
    found = captions(study_of([plain, three, five]))
    assert "they are macro recall, and stand in the right panel" in found["figure5"]
    drawn = [run_result("vgg16", "perturb", faces=100, clusters=k, name=f"k{k}") for k in (3, 5)]
    assert "paper" not in captions(study_of(drawn))["figure5"]
    longer = run_result(
        "vgg16", "perturb", faces=100, clusters=5, name="longer", recipe=RecipeConfig(epochs=7)
    )
    assert "figure5" not in captions(study_of([drawn[0], longer]))  # the epochs differ too


def test_without_the_perturb_scheme_there_is_nothing_to_show() -> None:
    assert section(study_of([run_result(faces=100)])) is None
