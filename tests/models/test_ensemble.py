from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from ferturb.base.config import ModelConfig
from ferturb.base.errors import FerturbError
from ferturb.models.classifier import Classifier
from ferturb.models.ensemble import Ensemble, sum_logits


def members(*names: str) -> list[Classifier]:
    torch.manual_seed(0)
    return [Classifier(ModelConfig(name=name)).eval() for name in names]


@torch.no_grad()
def test_its_logits_are_the_sum_of_the_members() -> None:
    a, b, c = members("compact", "mobilenetv3_small_100", "compact")
    faces = torch.rand(3, 1, 48, 48)
    torch.testing.assert_close(Ensemble([a, b, c])(faces), a(faces) + b(faces) + c(faces))
    assert torch.equal(Ensemble([a])(faces), a(faces))
    assert not torch.allclose(a(faces), c(faces))


def test_the_sum_may_overrule_a_majority() -> None:
    weak = torch.tensor([[1.0, 0.9, 0.0]])
    sure = torch.tensor([[0.0, 5.0, 0.0]])
    summed = sum_logits([weak, weak, sure])
    torch.testing.assert_close(summed, torch.tensor([[2.0, 6.8, 0.0]]))
    assert summed.argmax(1).item() == 1


@torch.no_grad()
def test_save_and_load_give_the_same_bits_in_the_same_order(tmp_path: Path) -> None:
    ensemble = Ensemble(members("compact", "mobilenetv3_small_100"))
    ensemble.save(tmp_path / "five" / "ensemble")
    assert os.listdir(tmp_path / "five") == ["ensemble"]  # noqa: PTH208
    loaded = Ensemble.load(tmp_path / "five" / "ensemble")
    assert not loaded.training
    assert [m.config.name for m in loaded.members] == ["compact", "mobilenetv3_small_100"]
    faces = torch.rand(2, 1, 48, 48)
    assert torch.equal(loaded(faces), ensemble(faces))


def test_nothing_is_left_where_saving_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = members("compact", "compact")
    monkeypatch.setattr(second, "save", lambda _path: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(FerturbError, match=r"can't write .*full"):
        Ensemble([first, second]).save(tmp_path / "ensemble")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_kept(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FerturbError, match="is not an empty folder"):
        Ensemble(members("compact")).save(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.usefixtures("no_shape_checks")
def test_what_cannot_be_summed_or_loaded_is_a_one_line_error(tmp_path: Path) -> None:
    for bad in ([], [torch.zeros(2, 7), torch.zeros(3, 7)]):
        with pytest.raises(FerturbError):
            sum_logits(bad)
    with pytest.raises(FerturbError, match="at least one member"):
        Ensemble([])
    with pytest.raises(FerturbError, match=r"none/ensemble\.json does not exist"):
        Ensemble.load(tmp_path / "none")
    (tmp_path / "ensemble.json").write_text('{"members": ["a"]}')
    with pytest.raises(FerturbError, match="lists no ensemble"):
        Ensemble.load(tmp_path)
    (tmp_path / "ensemble.json").write_text(
        '{"format": "ferturb-ensemble-1", "members": ["../../etc/passwd"]}'
    )
    with pytest.raises(FerturbError, match=f"{tmp_path}/passwd does not exist"):
        Ensemble.load(tmp_path)
