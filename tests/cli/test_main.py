"""The command line from outside: what it prints, its exit codes, what it leaves behind."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.storage import cache_folder
from ferturb.cli.main import main
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.data.readers.csv_tables import write_csv
from ferturb.data.readers.fer2013 import write_folder
from posix_only import posix_only


@pytest.fixture(autouse=True)
def _here(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        "data info ~nobody-here/x",
        "train --data ~nobody-here/x",
        "train --data synthetic --votes ~nobody-here/x",
        "evaluate ~nobody-here/x",
        "export ~nobody-here/x --out x.onnx",
        "export ~nobody-here/x.py:model --out x.onnx",
        "export resnet18 --weights ~nobody-here/x --classes fer2013 --out x.onnx",
        "predict --model ~nobody-here/m.onnx x.jpg",
        "app --model ~nobody-here/m.onnx",
    ],
)
def test_nobodys_home_is_a_folder_that_is_not_there(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "~nobody-here" in fails(capsys, *words.split())


def test_a_cache_in_nobodys_home_lies_where_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FERTURB_CACHE", "~nobody-here/cache")
    assert cache_folder() == Path("~nobody-here/cache")


def jpeg(seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 48), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG")
    return out.getvalue()


def archive(path: Path, change: dict[str, bytes] | None = None) -> Path:
    """A small zip in Kaggle's layout."""
    with zipfile.ZipFile(path, "w") as file:
        for i, emotion in enumerate(EMOTIONS):
            for j in range(4):
                file.writestr(f"train/{emotion}/Training_{i}{j}.jpg", jpeg(10 * i + j))
            file.writestr(f"test/{emotion}/PublicTest_{i}.jpg", jpeg(100 + i))
            file.writestr(f"test/{emotion}/PrivateTest_{i}.jpg", jpeg(200 + i))
        for name, data in (change or {}).items():
            file.writestr(name, data)
    return path


def table(path: Path, rows: list[str], header: str = "emotion,pixels,Usage") -> Path:
    good = [f"{e},{' '.join(['7'] * 2304)},Training" for e in range(7)]
    path.write_text("\n".join([header, *good, *rows]) + "\n")
    return path


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must fail as bad input does; its one line of error."""
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.strip().splitlines()
    assert len(lines) == 1, said.err
    assert lines[0].startswith("error ")
    return lines[0]


def pixels(n: int, first: int = 7) -> str:
    return " ".join([str(first)] + ["7"] * (n - 1))


def test_counts_are_the_same_in_every_form(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    faces = synthetic_faces(140, seed=3)
    write_csv(faces, tmp_path / "fer2013.csv")
    write_csv(faces, tmp_path / "icml_face_data.csv", icml=True)
    write_folder(faces, tmp_path / "folder")
    seen = []
    for name in ("fer2013.csv", "icml_face_data.csv", "folder"):
        main(["data", "info", name, "--json"])
        seen.append(json.loads(capsys.readouterr().out))
    assert seen[0]["counts"] == faces.counts()
    assert seen[0]["counts"] == seen[1]["counts"] == seen[2]["counts"]
    assert seen[0]["hash"] == seen[1]["hash"]
    mean = faces.split("train").images.double().mean() / 255
    assert seen[0]["mean"] == pytest.approx(float(mean), abs=1e-9)


def test_synthesize_writes_what_the_library_draws(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    main(["data", "synthesize", "drawn", "--faces", "70", "--seed", "4"])
    main(["data", "synthesize", "drawn.csv", "--faces", "70", "--seed", "4", "--csv"])
    for source in ("drawn", "drawn.csv"):
        main(["data", "info", source, "--json"])
        assert json.loads(capsys.readouterr().out)["counts"] == synthetic_faces(70, 4).counts()


def test_audit_names_what_was_planted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = archive(
        tmp_path / "faces.zip",
        {
            "test/sad/PrivateTest_900.jpg": jpeg(0),  # the pixels of train/angry/Training_00.jpg
            "train/happy/Training_901.jpg": jpeg(31),  # a copy within happy
        },
    )
    main(["data", "audit", str(path), "--json", "--write-clean", "clean"])
    report = json.loads(capsys.readouterr().out)
    assert report["summary"]["duplicate_groups"] == 2
    assert report["summary"]["conflicting_groups"] == 1
    assert report["test_in_training"] == ["test/sad/PrivateTest_900.jpg"]
    main(["data", "info", "clean", "--json"])
    clean = json.loads(capsys.readouterr().out)
    main(["data", "info", str(path), "--json"])
    whole = json.loads(capsys.readouterr().out)
    assert clean["faces"] == whole["faces"] - 1


def test_a_truncated_zip(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    whole = archive(tmp_path / "whole.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    assert "cut.zip" in fails(capsys, "data", "info", "cut.zip")


def test_a_table_without_pixels(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table(tmp_path / "fer2013.csv", [], "emotion,Usage")
    assert "missing column pixels" in fails(capsys, "data", "info", "fer2013.csv")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (f"3,{pixels(2303)},Training", "got 2303"),
        (f"3,{pixels(2304, 300)},Training", "got '300' at position 1"),
        (f"9,{pixels(2304)},Training", "unknown classes left out: 9 (1)"),
    ],
    ids=["2303 pixels", "pixel 300", "label 9"],
)
def test_a_damaged_row_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, row: str, words: str
) -> None:
    table(tmp_path / "fer2013.csv", [row], "emotion,pixels,Usage")
    main(["data", "info", "fer2013.csv", "--json"])
    assert words in " ".join(json.loads(capsys.readouterr().out)["notes"])


def test_a_corrupt_jpeg_is_named_and_the_rest_is_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    archive(tmp_path / "faces.zip", {"train/happy/Training_666.jpg": jpeg()[:200]})
    main(["data", "audit", "faces.zip", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert [u["name"] for u in report["unreadable"]] == ["train/happy/Training_666.jpg"]
    assert report["faces"] == 7 * 6


def test_an_empty_class(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_folder(synthetic_faces(140), tmp_path / "folder")
    for image in (tmp_path / "folder" / "train" / "fear").iterdir():
        image.unlink()
    main(["data", "info", "folder", "--json"])
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert "1 empty class folder: train/fear" in notes
    assert "no training faces of fear in this source" in notes


def test_a_directory_without_images(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    assert "nothing" in fails(capsys, "data", "info", "nothing")
    assert "no/such/path" in fails(capsys, "data", "info", "no/such/path")


def test_an_output_folder_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    archive(tmp_path / "faces.zip")
    (tmp_path / "file").write_text("in the way")
    line = fails(capsys, "train", "--data", "faces.zip", "--out", "file/runs", "--quiet")
    assert "file/runs" in line
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_checkpoint_that_is_a_pickle(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny: str
) -> None:
    archive(tmp_path / "faces.zip")
    arguments = ["train", "--data", "faces.zip", "--model", tiny, "--epochs", "1", "--quiet"]
    main(arguments)
    (run,) = (tmp_path / "runs").iterdir()
    for name in ("logits.npz", "history.csv"):  # it is in the middle of its training
        (run / name).unlink()
    (run / "checkpoint.safetensors").write_bytes(pickle.dumps({"epoch": 1}))
    line = fails(capsys, "train", "--resume", str(run), "--quiet")
    assert "never unpickles" in line
    assert not (run / "logits.npz").exists()


def test_an_unknown_model_and_its_neighbours(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    archive(tmp_path / "faces.zip")
    line = fails(capsys, "train", "--data", "faces.zip", "--model", "resnet81", "--quiet")
    assert "'resnet18'" in line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--recipe", "fats"],
        ["train", "--method", "pertub"],
        ["train", "--device", "quantum"],
        ["study", "quik"],
        ["study", "--methods", "pertub"],
        ["report", "nowhere"],
        ["evaluate", "nowhere"],
        ["data", "fetch", "fer2014"],
        ["train", "--resume", "nowhere"],
        ["train", "--small-faces", "1.5"],
    ],
    ids=" ".join,
)
def test_other_wrong_words(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str]
) -> None:
    fails(capsys, *arguments)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(("share", "sizes"), [("0.5", [[0.5, 32]]), ("0", [])])
def test_epochs_on_smaller_faces(
    tmp_path: Path, tiny: str, share: str, sizes: list[list[float]]
) -> None:
    archive(tmp_path / "faces.zip")
    common = ["train", "--data", "faces.zip", "--model", tiny, "--epochs", "1", "--quiet"]
    main([*common, "--small-faces", share])
    (run,) = (tmp_path / "runs").iterdir()
    assert json.loads((run / "config.json").read_text())["recipe"]["progressive_sizes"] == sizes


def test_train_evaluate_and_go_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny: str
) -> None:
    archive(tmp_path / "faces.zip")
    common = ["train", "--data", "faces.zip", "--model", tiny, "--epochs", "2", "--quiet"]
    main([*common, "--method", "perturb", "--attention-faces", "8", "--attention-epochs", "1"])
    runs = sorted((tmp_path / "runs").iterdir())
    assert [r.name.split("-")[1] for r in runs] == ["attention", "perturb"]
    written = {r: (r / "model.safetensors").stat().st_mtime_ns for r in runs}
    main([*common, "--method", "perturb", "--attention-faces", "8", "--attention-epochs", "1"])
    assert {r: (r / "model.safetensors").stat().st_mtime_ns for r in runs} == written
    capsys.readouterr()
    main(["evaluate", *map(str, runs), "--ensemble", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert [row["n"] for row in rows] == [7, 7, 7]
    with np.load(runs[0] / "logits.npz") as a, np.load(runs[1] / "logits.npz") as b:
        summed = a["test_flip"] + b["test_flip"]
        right = (summed.argmax(1) == a["labels_test"]).mean()
        best = [
            int((r["validation_flip"].argmax(1) == a["labels_validation"]).sum()) for r in (a, b)
        ]
    assert rows[2]["accuracy"]["estimate"] == pytest.approx(right)
    assert rows[2]["members"] == [run.name for run in runs]
    main(["evaluate", *map(str, runs), "--choose", "--json"])
    *_, chosen = json.loads(capsys.readouterr().out)
    assert chosen["members"][0] == runs[best.index(max(best))].name
    main(["evaluate", str(runs[0]), "--choose"])
    said = capsys.readouterr().out
    assert "accuracy per emotion" in said
    assert f"chosen on validation  {runs[0].name}" in said
    main(["evaluate", *map(str, runs), "--choose", "--augmentation", "zoom", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert [row["n"] for row in rows] == [7, 7, 7]
    assert not (runs[0] / "analyses").exists()
    main(["evaluate", str(runs[0]), "--augmentation", "zoom", "--store", "--json"])
    assert json.loads(capsys.readouterr().out) == rows[:1]
    assert (runs[0] / "analyses" / "on-whole.npz").exists()
    assert "'zoom'" in fails(capsys, "evaluate", str(runs[0]), "--augmentation", "zoon")


def test_evaluate_clean_leaves_copies_of_training_faces_out(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny: str
) -> None:
    archive(tmp_path / "faces.zip")
    with zipfile.ZipFile(tmp_path / "faces.zip", "a") as file:
        copy = next(n for n in file.namelist() if "Training" in n)
        file.writestr("test/happy/PrivateTest_99999.jpg", file.read(copy))
    main(["train", "--data", "faces.zip", "--model", tiny, "--epochs", "1", "--quiet"])
    (run,) = (tmp_path / "runs").iterdir()
    capsys.readouterr()
    archive(tmp_path / "others.zip")
    main(["train", "--data", "others.zip", "--model", tiny, "--epochs", "1", "--quiet"])
    (other,) = {*(tmp_path / "runs").iterdir()} - {run}
    capsys.readouterr()
    for clean, counts in ((False, [7, 8]), (True, [7, 7])):
        main(["evaluate", str(other), str(run), "--json", *(["--clean"] if clean else [])])
        assert [row["n"] for row in json.loads(capsys.readouterr().out)] == counts


def test_leave_out_and_mask_write_what_can_be_read_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    archive(tmp_path / "faces.zip")
    main(["leave-out", "faces.zip", "--feature", "mouth", "--out", "no-mouth"])
    main(["mask", "faces.zip", "--kind", "surgical", "--out", "masked"])
    capsys.readouterr()
    hashes, counts = set(), []
    for source in ("faces.zip", "no-mouth", "masked"):
        main(["data", "info", source, "--json"])
        told = json.loads(capsys.readouterr().out)
        hashes.add(told["hash"])
        counts.append(told["counts"])
    assert counts[0] == counts[1] == counts[2]
    assert len(hashes) == 3
    assert "wear face masks" in " ".join(told["notes"])
    assert (tmp_path / "masked" / "records.csv").read_text().count(",surgical,") == 42
    assert "mouth" in fails(capsys, "leave-out", "faces.zip", "--feature", "mouht", "--out", "x")
    assert "surgical" in fails(capsys, "mask", "faces.zip", "--kind", "surgcal", "--out", "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("verb", "record"), [("leave-out --feature mouth", "write_json"), ("mask", "write_rows")]
)
def test_altered_faces_without_their_record_are_not_there(
    verb: str, record: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object) -> None:
        raise FerturbError(f"can't write {path}: No space left on device")

    for module in ("base.storage", "features.masks.mask_fer"):
        monkeypatch.setattr(f"ferturb.{module}.{record}", full, raising=False)
    archive(tmp_path / "faces.zip")
    with pytest.raises(SystemExit):
        main([*verb.split(), "faces.zip", "--out", "x"])
    assert {path.name for path in tmp_path.iterdir()} <= {"faces.zip", "cache"}


@pytest.mark.parametrize(
    "verb",
    ["train", "evaluate", "study", "report", "leave-out", "mask"]
    + [f"data {v}" for v in ("info", "audit", "fetch", "synthesize")],
)
def test_every_help_has_an_example(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*verb.split(), "--help"])
    assert stopped.value.code == 0
    assert f"Example: ferturb {verb}" in " ".join(capsys.readouterr().out.split())


def test_a_training_knows_its_faces(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny: str
) -> None:
    archive(tmp_path / "faces.zip")
    command = ["train", "--data", "faces.zip", "--model", tiny, "--epochs", "1", "--quiet"]
    main(command)
    archive(tmp_path / "faces.zip", {"train/happy/Training_999.jpg": jpeg(999)})
    assert "begun on other faces" in fails(capsys, *command)
    main([*command, "--accept-changed-faces"])


def test_one_damaged_run_among_others_is_named_and_the_others_are_scored(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny: str
) -> None:
    archive(tmp_path / "faces.zip")
    for seed in "01":
        given = ["--model", tiny, "--epochs", "1", "--quiet", "--seed", seed]
        main(["train", "--data", "faces.zip", *given])
    good, bad = sorted((tmp_path / "runs").iterdir())
    (bad / "logits.npz").write_bytes(b"PK\x03\x04")
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", str(bad), str(good), "--json"])
    said = capsys.readouterr()
    assert stopped.value.code == 2
    assert [row["name"] for row in json.loads(said.out)] == [good.name]
    assert "1 of 2 models can't be scored" in said.err
    assert "is damaged" in fails(capsys, "evaluate", str(bad), str(good), "--ensemble")


@posix_only
@pytest.mark.parametrize("place", ["file", "pipe", "/dev/null", "file/deep"])
def test_a_place_for_the_output_that_is_none_is_refused_at_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").write_text("mine")
    os.mkfifo(tmp_path / "pipe")
    archive(tmp_path / "faces.zip")
    before = Path(place).lstat() if place != "file/deep" else None
    for words in (
        ["train", "--data", "faces.zip"],
        ["study", "quick", "--data", "faces.zip"],
        ["mask", "faces.zip"],
        ["leave-out", "faces.zip", "--feature", "mouth"],
    ):
        assert "not a folder" in fails(capsys, *words, "--out", place)
    if place != "file":
        fails(capsys, "data", "synthesize", place, "--csv")
    assert before is None or Path(place).lstat() == before
