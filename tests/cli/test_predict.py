"""`ferturb predict` and `ferturb export` from outside."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calibrated_run import finished_run
from ferturb.base.emotions import EMOTIONS
from ferturb.cli.main import main
from ferturb.data.drawn.synthetic import draw
from ferturb.export.torch_models import load_calibrated
from ferturb.predict.shipped import load_pretrained
from made_photos import encoded, portrait

FACES = draw(6, seed=11).images.numpy()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "photos"
    path.mkdir()
    for i, face in enumerate(FACES):
        (path / f"{i}.png").write_bytes(encoded(face))
    return path


def test_csv_and_json_say_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["predict", str(folder), "--cropped", "--json"])
    as_json = json.loads(capsys.readouterr().out)
    main(["predict", str(folder), "--cropped", "--csv"])
    as_csv = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    expected = load_pretrained("clean").predict_proba(FACES)
    for row, photo, p in zip(as_csv, as_json, expected, strict=True):
        assert row["name"] == photo["name"]
        face = photo["faces"][0]
        assert row["most_probable"] == face["most_probable"] == EMOTIONS[int(p.argmax())]
        got = [float(row[e]) for e in EMOTIONS]
        np.testing.assert_allclose(got, p, atol=1e-4)
        assert list(face["probabilities"].values()) == pytest.approx(got)
        assert "landmarks" not in face


def test_one_bad_file_does_not_stop_the_others(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "2b.jpg").write_bytes(b"nonsense")
    main(["predict", str(folder), "--cropped"])
    said = capsys.readouterr().out
    assert said.count(": 1 face: ") == 6
    assert said.count("2b.jpg: no image, or one of an unknown format") == 1


@pytest.mark.parametrize("how", [[], ["--json"], ["--csv"]])
def test_nothing_readable_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], how: list[str]
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"nonsense")
    with pytest.raises(SystemExit) as stopped:
        main(["predict", str(tmp_path / "a.jpg"), *how])
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "a.jpg: no image" in said.err


def test_a_run_folder_is_a_model(
    folder: Path, tmp_path: Path, tiny: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finished_run(tmp_path / "run", tiny)
    main(["predict", str(folder), "--cropped", "--json", "--model", str(run.folder)])
    found = [photo["faces"][0]["probabilities"] for photo in json.loads(capsys.readouterr().out)]
    expected = load_calibrated(run.folder).predict_proba(FACES)
    np.testing.assert_allclose([list(p.values()) for p in found], expected, atol=1e-4)


def test_no_paths_and_unknown_models(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    for arguments, message in (
        ([], "give photos, folders or videos"),
        ([str(folder), "--model", "nobody"], "no model 'nobody'"),
        ([str(folder), "--detector", "nobody"], "unknown detector 'nobody'"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["predict", *arguments])
        assert stopped.value.code == 2
        assert message in capsys.readouterr().err


def test_annotated_copies_are_written(tmp_path: Path) -> None:
    photo, boxes = portrait(2)
    (tmp_path / "a.png").write_bytes(encoded(photo))
    out = tmp_path / "marked"
    main(["predict", str(tmp_path / "a.png"), "--annotate", str(out), "--quiet"])
    (path,) = out.iterdir()
    marked = np.asarray(Image.open(path).convert("RGB")).astype(int)
    changed = np.abs(marked - photo).max(2) > 20
    left, top, right, bottom = boxes[0].astype(int)
    assert changed[top - 20 : bottom + 20, left - 10 : right + 10].any()
    assert not changed[-5:, :].any()


def test_export_writes_and_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "clean.onnx"
    main(["export", "clean", "--out", str(path), "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["max_difference"] <= 1e-4
    assert said["agreement"] == 1.0
    assert said["bytes"] == path.stat().st_size
    model = load_pretrained(path)
    np.testing.assert_allclose(
        model.predict_proba(FACES), load_pretrained("clean").predict_proba(FACES), atol=1e-4
    )


def test_probabilities_for_a_prior(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["predict", str(folder), "--cropped", "--json", "--prior", "balanced"])
    photos = json.loads(capsys.readouterr().out)
    found = [list(photo["faces"][0]["probabilities"].values()) for photo in photos]
    balanced = load_pretrained("clean").with_prior("balanced").predict_proba(FACES)
    np.testing.assert_allclose(found, balanced, atol=1e-4)
    main(["predict", str(folder), "--cropped", "--json", "--prior", *"1111111"])
    again = json.loads(capsys.readouterr().out)
    assert list(again[0]["faces"][0]["probabilities"].values()) == found[0]
    with pytest.raises(SystemExit):
        main(["predict", str(folder), "--prior", "1", "2"])
    assert "or 7 numbers above 0" in capsys.readouterr().err
