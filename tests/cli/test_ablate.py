"""`ferturb ablate` from outside."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ferturb.base.config import DatasetConfig, ModelConfig, RunConfig
from ferturb.cli.main import main
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.data.readers.fer2013 import write_folder
from ferturb.data.sources import load_source
from ferturb.evaluation.ablation.matrix import COLUMNS, matrix, to_dict
from ferturb.evaluation.ablation.measure import Ablation
from ferturb.models.classifier import Classifier
from ferturb.runs.provenance import describe_data
from ferturb.runs.run import Run
from ferturb.training.files import MODEL


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: str) -> Run:
    """A finished run of an untrained network on 14 test faces."""
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_folder(synthetic_faces(140, seed=3), tmp_path / "faces")
    faces = load_source(tmp_path / "faces")
    source = str((tmp_path / "faces").resolve())
    run = Run.create(tmp_path / "run", RunConfig(DatasetConfig(source), ModelConfig(tiny)))
    torch.manual_seed(0)
    Classifier(ModelConfig(tiny)).save(run.folder / MODEL)
    run.write_record({"data": describe_data(faces), "best_epoch": 1})
    labels = faces.split("test").labels.numpy()
    run.finish({"labels_test": labels, "test_none": np.zeros((len(labels), 7), np.float32)})
    return run


def test_it_prints_stores_and_writes(capsys: pytest.CaptureFixture[str], run: Run) -> None:
    main(["ablate", "run", "--features", "mouth", "left_half", "--controls", "1", "--out", "out"])
    said = capsys.readouterr().out
    assert "left half" in said
    assert "n = 2" in said  # two test faces of each emotion are too few
    assert run.analyses() == ("ablation-without-mouth-left-half",)
    kept = Ablation.load(run, "ablation-without-mouth-left-half")
    assert kept is not None
    assert sorted(p.name for p in Path("out").iterdir()) == [
        "ablation_accuracy.png",
        "ablation_cells.csv",
        "ablation_cells.tex",
        "ablation_matrix.csv",
        "ablation_matrix.tex",
        "ablation_probability.png",
        "index.html",
    ]
    main(["ablate", "run", "--features", "mouth", "left_half", "--controls", "1", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 2 * 2 * len(COLUMNS)
    expected = [to_dict(cell) for m in ("accuracy", "probability") for cell in matrix(kept, m)]
    assert rows == expected


def test_other_faces_get_a_name_of_their_own(capsys: pytest.CaptureFixture[str], run: Run) -> None:
    write_folder(synthetic_faces(70, seed=4), Path("others"))
    main(["ablate", "run", "--data", "others", "--split", "validation", "--features", "nose",
          "--controls", "0", "--fill", "black", "--json"])  # fmt: skip
    assert {row["n"] for row in json.loads(capsys.readouterr().out)} == {1, 7}
    (name,) = run.analyses()
    assert name.startswith("ablation-validation-black-without-nose-on-")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["run", "--features", "mouht"], "did you mean 'mouth'"),
        (["run", "--fill", "grey"], "unknown fill 'grey'"),
        (["run", "--data", "nowhere.zip"], "nowhere.zip"),
        (["nothing"], "is not a run folder"),
    ],
)
@pytest.mark.usefixtures("run")
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["ablate", *arguments])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert reason in line


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["ablate", "--help"])
    assert "Example: ferturb ablate" in " ".join(capsys.readouterr().out.split())
