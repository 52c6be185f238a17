"""Training and testing on altered faces, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ferturb.base.config import DatasetConfig
from ferturb.cli.main import main
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.data.readers.fer2013 import write_folder
from ferturb.features.altered import load_dataset
from ferturb.runs.run import Run


@pytest.fixture(autouse=True)
def _here(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.chdir(tmp_path)
    write_folder(synthetic_faces(70, seed=1), tmp_path / "faces")


def train(tiny: str, *more: str) -> Run:
    before = set(Path("runs").glob("*")) if Path("runs").exists() else set()
    main(["train", "--data", "faces", "--model", tiny, "--epochs", "1", "--quiet", *more])
    (folder,) = set(Path("runs").iterdir()) - before
    return Run.open(folder)


def test_train_on_altered_faces_and_test_on_others(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny: str
) -> None:
    source = str(tmp_path / "faces")
    plain = train(tiny)
    masked = train(tiny, "--face-masks", "n95", "--alteration-seed", "2")
    control = train(tiny, "--left-out", "mouth", "--left-out-fill", "black", "--left-out-control")
    expected = DatasetConfig(source, face_masks="n95", alteration_seed=2)
    assert masked.config.dataset == expected
    faces = load_dataset(expected)
    assert masked.record()["data"]["hash"] == faces.content_hash()
    assert masked.record()["data"]["kind"] == "maskfer"
    assert control.config.dataset == DatasetConfig(
        source, left_out="mouth", left_out_fill="black", left_out_control=True
    )
    capsys.readouterr()

    main(["evaluate", str(plain.folder), "--face-masks", "n95", "--json"])
    looked = capsys.readouterr().out
    assert plain.analyses() == ()
    main(["evaluate", str(plain.folder), "--face-masks", "n95", "--store", "--json"])
    stored = capsys.readouterr().out
    assert stored == looked
    (row,) = json.loads(stored)
    own = load_dataset(DatasetConfig(source, face_masks="n95"))
    (name,) = plain.analyses()
    assert name == "on-n95"
    found = plain.analysis(name)
    assert found is not None
    arrays = found[0]
    right = (arrays["test_flip"].argmax(1) == own.split("test").labels.numpy()).mean()
    assert row["accuracy"]["estimate"] == pytest.approx(float(right))
    assert row["accuracy"]["low"] <= right <= row["accuracy"]["high"]

    main(["evaluate", str(masked.folder), "--data", "faces", "--store", "--json"])
    (row,) = json.loads(capsys.readouterr().out)
    arrays = masked.analysis(masked.analyses()[0])[0]  # type: ignore[index]
    assert not np.array_equal(arrays["test_flip"], masked.logits("test", "flip")[1])
    assert row["n"] == len(load_dataset(DatasetConfig(source)).split("test"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--data", "faces", "--face-masks", "veil"], "'veil'"),
        (["train", "--data", "faces", "--left-out", "mouht"], "'mouth'"),
        (["train", "--data", "faces", "--left-out-control"], "left_out"),
        (["study", "masks", "--data", "faces", "--face-masks", "veil"], "'veil'"),
    ],
)
def test_wrong_words(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert words in lines[0]
    assert not Path("runs").exists()
    assert not Path("study").exists()


def test_the_plan_of_a_study_of_masks(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["study", "masks", "--data", "faces", "--models", "compact", "--dry-run", "--json"]
    main(arguments)
    configs = json.loads(capsys.readouterr().out)
    assert [c["dataset"]["face_masks"] for c in configs] == [None, "mixed"]
    main([*arguments, "--face-masks", "none", "n95"])
    configs = json.loads(capsys.readouterr().out)
    assert [c["dataset"]["face_masks"] for c in configs] == [None, "n95"]
