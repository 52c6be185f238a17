"""A tree of 100×100 pictures in colour, in RAF-DB's form, through the whole command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from coloured_faces import coloured_faces, write_raf_db
from ferturb.base.config import DatasetConfig, ModelConfig, RunConfig
from ferturb.base.raster import Raster
from ferturb.cli.main import main
from ferturb.cli.models import raster_of
from ferturb.data.sources import load_faces
from ferturb.models.class_names import classes_of
from ferturb.models.classifier import Classifier
from ferturb.models.wrapped import InputForm, Wrapped
from ferturb.runs.provenance import describe_data
from ferturb.runs.run import Run
from ferturb.training.files import MODEL

FULL = ["--side", "100", "--channels", "3"]


@pytest.fixture
def raf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """70 faces: seven of them, one of each emotion, in the test folder."""
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_raf_db(coloured_faces(70, seed=1), tmp_path / "raf")
    return tmp_path / "raf"


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_data_info_says_what_the_pictures_have(
    capsys: pytest.CaptureFixture[str], raf: Path
) -> None:
    main(["data", "info", "raf"])
    assert "--label-order" in said(capsys)
    main(["data", "info", "raf", "--classes", "raf-db"])
    found = said(capsys)
    assert "pictures are 100×100 RGB, read at 48×48 grey; --side 100 --channels 3" in found
    main(["data", "info", "raf", "--label-order", "raf-db", *FULL, "--json"])
    full = json.loads(capsys.readouterr().out)
    assert (full["size"], full["channels"]) == ([100, 100], 3)
    assert full["pictures"] == {"side": 100, "channels": 3}
    assert full["counts"]["test"] == dict.fromkeys(full["counts"]["test"], 1)
    main(["data", "info", "raf", "--classes", "raf-db", *FULL])
    assert "reads them in full" not in said(capsys)


def test_the_faces_of_other_verbs_are_written_in_full(
    capsys: pytest.CaptureFixture[str], raf: Path
) -> None:
    wanted = ["raf", "--classes", "raf-db", *FULL]
    main(["mask", *wanted, "--kind", "glasses", "--out", "masked"])
    main(["leave-out", *wanted, "--feature", "mouth", "--out", "no-mouth"])
    config = DatasetConfig(str(raf), label_order="raf-db", side=100, channels=3)
    plain = load_faces(config)
    for folder in ("masked", "no-mouth"):
        faces = load_faces(DatasetConfig(folder, side=100, channels=3))
        assert faces.images.shape == (70, 3, 100, 100)
        assert not torch.equal(faces.images, plain.images)


def test_each_model_is_shown_what_it_takes(raf: Path, tiny: str) -> None:
    run = Run.create(raf.parent / "run", RunConfig(DatasetConfig("x", side=64), ModelConfig(tiny)))
    assert raster_of(run, str(raf)) == Raster(64, 1)
    names = classes_of(["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"])
    for side, channels, shown in ((112, 3, (100, 3)), (64, 3, (64, 3)), (48, 1, (48, 1))):
        form = InputForm(side, channels)
        model = Wrapped(lambda x: np.zeros((len(x), 7), np.float32), names, form)
        assert raster_of(model, str(raf)) == shown
        assert raster_of(model, "synthetic") == (48, 1)


def test_a_run_is_shown_other_faces_as_its_own(
    capsys: pytest.CaptureFixture[str], raf: Path, tiny: str
) -> None:
    config = DatasetConfig(str(raf), label_order="raf-db", side=100, channels=3)
    run = Run.create(raf.parent / "run", RunConfig(config, ModelConfig(tiny)))
    assert json.loads((run.folder / "config.json").read_text())["dataset"]["channels"] == 3
    torch.manual_seed(0)
    Classifier(ModelConfig(tiny), config.raster).save(run.folder / MODEL)
    faces = load_faces(config)
    run.write_record({"data": describe_data(faces), "best_epoch": 1})
    labels = faces.split("test").labels.numpy()
    validation = faces.split("validation").labels.numpy()
    logits = {"labels_test": labels, "test_none": np.zeros((len(labels), 7), np.float32)}
    logits |= {"labels_validation": validation}
    logits |= {"validation_none": np.zeros((len(validation), 7), np.float32)}
    run.finish(logits)
    for data in ([], ["--data", str(raf), "--label-order", "raf-db"]):
        main(["ablate", "run", "--features", "mouth", "--controls", "1", *data, "--json"])
        assert len(json.loads(capsys.readouterr().out)) == 16
    main(["evaluate", "run", "--data", str(raf), "--label-order", "raf-db", "--json"])
    assert json.loads(capsys.readouterr().out)[0]["n"] == 7
    with pytest.raises(SystemExit):
        main(["export", "run", "--out", "run.onnx"])
    assert "takes 100×100 RGB faces; exported files and photos take 48×48 grey" in " ".join(
        capsys.readouterr().err.split()
    )


@pytest.mark.slow
def test_one_goes_from_pictures_to_a_report(capsys: pytest.CaptureFixture[str], raf: Path) -> None:
    main(["train", "--data", "raf", "--classes", "raf-db", *FULL, "--model", "compact-tiny",
          "--epochs", "1", "--out", "study/runs", "--quiet"])  # fmt: skip
    (folder,) = (raf.parent / "study" / "runs").iterdir()
    run = Run.open(folder).require_done()
    assert run.config.dataset.raster == run.load_classifier().raster == Raster(100, 3)
    main(["ablate", str(folder), "--features", "mouth", "eyes", "--controls", "1"])
    main(["explain", str(folder), "--faces", "1", "--method", "gradient", "--out", "maps"])
    assert (raf.parent / "maps" / "saliency_faces.png").is_file()
    main(["benchmark", str(folder), "--out", "bench"])
    (entry,) = (raf.parent / "bench").glob("*.json")
    assert json.loads(entry.read_text())["n"] == 7
    main(["report", "study"])
    page = (raf.parent / "study" / "report" / "index.html").read_text(encoding="utf-8")
    assert "compact-tiny" in page
    assert "100×100 RGB" in page
