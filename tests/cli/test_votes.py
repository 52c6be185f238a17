"""Training on votes, and testing by them and on listed faces, from the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferturb.base.emotions import EMOTIONS
from ferturb.cli.main import main
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.evaluation.votes import against_votes
from ferturb.runs.run import Run

HEADER = [
    *("Usage", "Image name", "neutral", "happiness", "surprise", "sadness", "anger", "disgust"),
    *("fear", "contempt", "unknown", "NF"),
]
PLACES = (4, 5, 6, 1, 3, 2, 0)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Faces named as FER+'s images, their votes (all ten what the label says), and a list."""
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    faces = synthetic_faces(70, seed=1)
    rows, listed = [], []
    for i, (image, label, split) in enumerate(
        zip(faces.images.numpy(), faces.labels.tolist(), faces.splits.tolist(), strict=True)
    ):
        usage = ("Training", "PublicTest", "PrivateTest")[split]
        path = tmp_path / "faces" / usage / EMOTIONS[label] / f"fer{i:07d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
        votes = [10 if place == PLACES[label] else 0 for place in range(10)]
        rows.append([usage, path.name, *votes])
        if split == 2 and label % 2:
            listed.append(f"{PLACES[label]}_{path.name} 8 1")
    with (tmp_path / "fer2013new.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    (tmp_path / "list.txt").write_text("\n".join(listed))
    return tmp_path


def test_votes_from_training_to_scores(
    source: Path, capsys: pytest.CaptureFixture[str], tiny: str
) -> None:
    train = ["train", "--data", "faces", "--model", tiny, "--epochs", "1", "--quiet"]
    main([*train, "--votes", "fer2013new.csv", "--heads", "label", "votes", "--votes-share", "0.3"])
    (folder,) = (source / "runs").iterdir()
    run = Run.open(folder)
    assert run.config.model.heads == ("label", "votes")
    assert run.config.recipe.votes.share == 0.3
    capsys.readouterr()
    for head in ("label", "votes"):
        main(["evaluate", str(folder), "--head", head, "--json"])
        (row,) = json.loads(capsys.readouterr().out)
        labels, logits = run.logits("test", "flip", head)
        assert row["accuracy"]["estimate"] == pytest.approx((logits.argmax(1) == labels).mean())
        with np.load(folder / "logits.npz") as arrays:
            votes = arrays["votes_test"]
        assert row["votes"]["accuracy_8"] == against_votes(votes, logits).accuracy_8
    main(["evaluate", str(folder)])
    assert "by the votes of ten people" in capsys.readouterr().out


def test_a_plain_run_is_scored_by_votes_and_on_listed_faces(
    source: Path, capsys: pytest.CaptureFixture[str], tiny: str
) -> None:
    main(["train", "--data", "faces", "--model", tiny, "--epochs", "1", "--quiet"])
    (folder,) = (source / "runs").iterdir()
    labels, logits = Run.open(folder).logits("test", "flip")
    right = logits.argmax(1) == labels
    capsys.readouterr()
    main(["evaluate", str(folder), "--json"])
    assert json.loads(capsys.readouterr().out)[0]["votes"] is None
    main(["evaluate", str(folder), "--votes", "fer2013new.csv", "--json"])
    (row,) = json.loads(capsys.readouterr().out)
    assert row["votes"]["accuracy_7"] == pytest.approx(right.mean())  # votes are the labels
    main(["evaluate", str(folder), "--faces", "list.txt", "--votes", "fer2013new.csv", "--json"])
    rows = {row["faces"]: row for row in json.loads(capsys.readouterr().out)}
    odd = labels % 2 == 1
    assert rows["listed"]["n"] == rows["type 1"]["n"] == odd.sum()
    assert rows["listed"]["accuracy"]["estimate"] == pytest.approx(right[odd].mean())
    assert rows["not listed"]["accuracy"]["estimate"] == pytest.approx(right[~odd].mean())
    main(["evaluate", str(folder), "--faces", "list.txt", "--clean"])
    assert "list.txt in test" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["evaluate", str(folder), "--head", "votes"])
    assert "trained with the head label alone" in capsys.readouterr().err
