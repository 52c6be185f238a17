"""`ferturb predict` and `ferturb export` from outside."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ferturb
from calibrated_run import finished_run
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
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
    assert ends(["predict", str(folder), "--cropped"]) == 1
    said = capsys.readouterr()
    assert said.out.count(": 1 face: ") == 6
    assert said.err.count("2b.jpg: no image, or one of an unknown format") == 1
    assert said.err.count("\n") == 1


HOW = ([], ["--json"], ["--jsonl"], ["--csv"])


def ends(arguments: list[str]) -> int:
    """The exit code of a command."""
    try:
        main(arguments)
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


def rows(said: str, how: list[str]) -> list[dict[str, object]]:
    """What was printed, read back as its format says."""
    if how == ["--json"]:
        return list(json.loads(said))
    if how == ["--jsonl"]:
        return [json.loads(line) for line in said.splitlines()]
    if how == ["--csv"]:
        assert said.startswith("name,frame,")
        return list(csv.DictReader(io.StringIO(said)))
    return [{"name": line} for line in said.splitlines()]


def test_json_lines_are_the_entries_of_the_list(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["predict", str(folder), "--cropped", "--json"])
    listed = json.loads(capsys.readouterr().out)
    main(["predict", str(folder), "--cropped", "--jsonl"])
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == listed
    about = load_pretrained("clean").about
    for photo in listed:
        assert (photo["model"], photo["head"]) == ("clean", about.head)
        assert photo["version"] == ferturb.__version__
        assert photo["threshold"] == pytest.approx(about.abstain_below, abs=1e-4)
        (face,) = photo["faces"]
        assert face["face"] == 1
        assert face["confidence"] == max(face["probabilities"].values())


def test_faces_are_numbered_from_left_to_right_and_many_stand_one_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for people in (1, 2, 12):
        (tmp_path / f"{people}.png").write_bytes(encoded(portrait(people)[0]))
    main(["predict", *(str(tmp_path / f"{n}.png") for n in (1, 2, 12)), "--json"])
    found = json.loads(capsys.readouterr().out)
    for photo in found:
        lefts = [face["box"][0] for face in photo["faces"]]
        assert lefts == sorted(lefts)
        assert [face["face"] for face in photo["faces"]] == [*range(1, len(lefts) + 1)]
    many = found[2]["faces"]
    assert len(many) > 3
    main(["predict", *(str(tmp_path / f"{n}.png") for n in (1, 2, 12))])
    one, two, head, *rest = capsys.readouterr().out.splitlines()
    assert one.startswith(f"{tmp_path}/1.png: 1 face: ")
    assert ": 1: " not in one
    assert ": 2 faces: 1: " in two
    assert " · 2: " in two
    assert head == f"{tmp_path}/12.png: {len(many)} faces, from left to right:"
    assert [line.split(":")[0].strip() for line in rest] == [str(f["face"]) for f in many]
    assert all(face["most_probable"] in line for face, line in zip(many, rest, strict=True))


def test_faces_in_rows_are_numbered_row_by_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [portrait(4)[0], np.roll(portrait(4)[0], -60, axis=1)[:, :700]]
    rows[1] = np.pad(rows[1], ((0, 0), (0, 100), (0, 0)), mode="edge")
    (tmp_path / "grid.png").write_bytes(encoded(np.concatenate(rows)))
    main(["predict", str(tmp_path / "grid.png"), "--json"])
    faces = json.loads(capsys.readouterr().out)[0]["faces"]
    places = [(face["box"][1] > 200, face["box"][0]) for face in faces]
    assert places == sorted(places)
    lefts = [left for _, left in places]
    assert lefts != sorted(lefts)
    main(["predict", str(tmp_path / "grid.png")])
    head = capsys.readouterr().out.splitlines()[0]
    assert head.endswith(f"{len(faces)} faces, row by row from left to right:")


def test_a_threshold_of_ones_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for threshold in ("0", "0.5", "1"):
        main(["predict", str(folder), "--cropped", "--json", "--threshold", threshold])
        photos = json.loads(capsys.readouterr().out)
        assert {photo["threshold"] for photo in photos} == {float(threshold)}
        for photo in photos:
            (face,) = photo["faces"]
            known = face["confidence"] >= float(threshold) and face["landmark_confidence"] >= 0.1
            assert face["emotion"] == (face["most_probable"] if known else None)


def test_results_have_one_form(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(["predict", str(folder), "--json", "--csv"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "error results have one form; give one of --json, --jsonl and --csv\n"


def test_copies_of_photos_keep_their_format(tmp_path: Path) -> None:
    pixels = portrait(1)[0]
    photos = {"a.jpg": "JPEG", "b.webp": "WEBP", "c.png": "PNG", "d.gif": "GIF", "e.bmp": "BMP"}
    for name, kind in (photos | {"f.ppm": "PPM"}).items():
        (tmp_path / name).write_bytes(encoded(pixels, kind))
    main(["predict", str(tmp_path), "--quiet", "--annotate", str(tmp_path / "marked")])
    kinds = {path.name: Image.open(path).format for path in (tmp_path / "marked").iterdir()}
    copies = {name.rpartition("_")[2]: kind for name, kind in kinds.items()}
    assert copies == photos | {"f.png": "PNG"}


def test_copies_of_an_animations_frames_keep_its_format(tmp_path: Path) -> None:
    frames = [Image.fromarray(portrait(1)[0]).resize((160, 120)) for _ in range(2)]
    frames[1] = frames[1].transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    path = tmp_path / "wave.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    main(["predict", str(path), "--quiet", "--frames", "--annotate", str(tmp_path / "marked")])
    kinds = {path.name[-15:]: Image.open(path).format for path in (tmp_path / "marked").iterdir()}
    assert kinds == {f"wave_{i:06d}.gif": "GIF" for i in range(2)}


@pytest.mark.parametrize("how", HOW)
def test_nothing_readable_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], how: list[str]
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"nonsense")
    assert ends(["predict", str(tmp_path / "a.jpg"), *how]) == 2
    said = capsys.readouterr()
    found = rows(said.out, how)
    assert len(found) == len(how)
    assert all("no image" in str(row["error"]) for row in found)
    assert said.err.count("\n") == 1
    assert "a.jpg: no image" in said.err


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("there", ["nothing", "a video", "notes"])
def test_nothing_found_is_said_in_every_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], how: list[str], there: str
) -> None:
    if there != "nothing":
        name = "a.mp4" if there == "a video" else "a.txt"
        (tmp_path / name).write_bytes(b"x")
    assert ends(["predict", str(tmp_path), *how]) == 2
    said = capsys.readouterr()
    assert rows(said.out, how) == []
    *notes, error = said.err.splitlines()
    assert "no photos in" in error
    assert len(notes) == (there != "nothing")
    assert all("passed over" in note for note in notes)


@pytest.mark.parametrize("how", HOW)
def test_names_that_are_not_utf8_or_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], how: list[str]
) -> None:
    names = ["a\nb.png", ":smile: [red]x[bold].png", "c\x1b[2J.png", "caf\udce9.png"]
    for name in names:
        (tmp_path / name).write_bytes(encoded(FACES[0]))
    assert ends(["predict", str(tmp_path), "--cropped", *how]) == 0
    found = [Path(str(row["name"])).name.partition(": 1 face")[0] for row in rows(
        capsys.readouterr().out, how
    )]  # fmt: skip
    shown = {"a\nb.png": "a\\nb.png", "c\x1b[2J.png": "c\\x1b[2J.png"} if not how else {}
    shown["caf\udce9.png"] = "caf\\xe9.png"
    assert sorted(found) == sorted(shown.get(name, name) for name in names)


def test_a_copy_that_can_not_be_written_is_that_photos_error(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ferturb.predict import annotation

    write = annotation.write_bytes

    def full(path: Path, data: bytes) -> None:
        if "3" in path.name:
            raise FerturbError("can't write: No space left on device")
        write(path, data)

    monkeypatch.setattr(annotation, "write_bytes", full)
    arguments = ["predict", str(folder), "--cropped", "--annotate", str(tmp_path / "out"), "--json"]
    monkeypatch.chdir(folder)
    assert ends(["predict", ".", *arguments[2:]]) == 1
    said = capsys.readouterr()
    found = {photo["name"]: photo for photo in json.loads(said.out)}
    assert [name for name, photo in found.items() if "error" in photo] == ["3.png"]
    assert all(len(photo["faces"]) == 1 for photo in found.values())
    assert said.err == "error 3.png: can't write: No space left on device\n"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        f"{i}.png" for i in (0, 1, 2, 4, 5)
    ]


def test_annotating_never_touches_an_original(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    monkeypatch.chdir(folder)
    for _ in range(2):  # the second time the copies are photos of the folder as well
        assert ends(["predict", "0.png", "1.png", "--cropped", "--quiet", "--annotate", "."]) == 0
        assert {name: (folder / name).read_bytes() for name in before} == before
        assert len(list(folder.iterdir())) == len(before) + 2


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
