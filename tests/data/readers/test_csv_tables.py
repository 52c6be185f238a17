from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from ferturb.base.errors import FerturbError
from ferturb.data.readers.csv_tables import write_csv
from ferturb.data.sources import load_source


@pytest.mark.parametrize(
    "header", ["emotion,pixels,Usage", "emotion, Usage, pixels", "\ufeffUsage,pixels,emotion"]
)
def test_every_header_gives_the_same_faces(small_faces, csv_text, write_tree, header):
    text = csv_text(small_faces, header.lstrip("\ufeff"))
    if header.startswith("\ufeff"):
        text = "\ufeff" + text
    folder = write_tree({"any name.csv": text.encode()})
    for source in (folder, folder / "any name.csv"):
        faces = load_source(source)
        assert faces.content_hash() == small_faces.content_hash()
        assert faces.names == small_faces.names
        assert faces.kind == "folder"


def test_quotes_windows_lines_and_wide_spaces(small_faces, csv_text, write_tree):
    lines = csv_text(small_faces).splitlines()
    quoted = [lines[0]]
    for line in lines[1:]:
        emotion, pixels, usage = line.split(",")
        quoted.append(f'{emotion},"  {pixels.replace(" ", "  ", 5)} ",{usage}')
    folder = write_tree({"fer2013.csv": "\r\n".join(quoted).encode()})
    assert load_source(folder).content_hash() == small_faces.content_hash()


def test_csv_inside_a_zip(small_faces, csv_text, write_zip):
    path = write_zip({"fer2013/fer2013.csv": csv_text(small_faces).encode()})
    assert load_source(path).content_hash() == small_faces.content_hash()


@pytest.mark.parametrize("icml", [False, True])
def test_written_csv_is_what_string_formatting_gives(small_faces, csv_text, tmp_path, icml):
    write_csv(small_faces, tmp_path / "out.csv", icml=icml)
    header = "emotion, Usage, pixels" if icml else "emotion,pixels,Usage"
    assert (tmp_path / "out.csv").read_text() == csv_text(small_faces, header)


def test_a_file_without_suffix_is_told_by_its_content(small_faces, csv_text, tmp_path):
    (tmp_path / "download").write_text(csv_text(small_faces))
    assert load_source(tmp_path / "download").content_hash() == small_faces.content_hash()


def test_the_table_with_usage_wins_over_the_challenge_files(small_faces, csv_text, write_tree):
    whole = csv_text(small_faces).encode()
    folder = write_tree(
        {
            "icml_face_data.csv": csv_text(small_faces, "emotion, Usage, pixels").encode(),
            "train.csv": csv_text(small_faces.split("train"), "emotion,pixels").encode(),
            "test.csv": csv_text(small_faces.split("test"), "pixels").encode(),
            "example_submission.csv": b"emotion\n0\n",
        }
    )
    assert load_source(folder).content_hash() == small_faces.content_hash()
    (folder / "fer2013.csv").write_bytes(whole)
    faces = load_source(folder)
    assert faces.content_hash() == small_faces.content_hash()
    assert sum("not read" in note for note in faces.notes) == 3


def test_challenge_train_and_test(small_faces, csv_text, write_tree):
    folder = write_tree(
        {
            "train.csv": csv_text(small_faces.split("train"), "emotion,pixels").encode(),
            "test.csv": csv_text(small_faces.split("test"), "pixels").encode(),
        }
    )
    faces = load_source(folder)
    assert faces.kind == "folder"
    assert [len(faces.split(s)) for s in ("train", "validation", "test")] == [56, 7, 7]
    assert np.array_equal(faces.images, small_faces.split("train").images)
    assert any(note.startswith("test.csv left out: it has no labels") for note in faces.notes)
    alone = load_source(folder / "train.csv")
    assert alone.content_hash() == faces.content_hash()
    with pytest.raises(FerturbError, match=r"test\.csv.* no column emotion.*give fer2013\.csv"):
        load_source(folder / "test.csv")


def test_a_labelled_test_table_is_used(small_faces, csv_text, write_tree):
    folder = write_tree(
        {
            "fer2013/train.csv": csv_text(small_faces.split("train"), "emotion,pixels").encode(),
            "fer2013/test.csv": csv_text(small_faces.split("test"), "emotion,pixels").encode(),
        }
    )
    faces = load_source(folder)
    assert [len(faces.split(s)) for s in ("train", "validation", "test")] == [63, 7, 7]


@pytest.mark.parametrize(
    ("header", "missing"),
    [
        ("pixels,Usage", "emotion"),
        ("emotion,Usage", "pixels"),
    ],
)
def test_a_missing_column_is_named(small_faces, csv_text, write_tree, header, missing):
    folder = write_tree({"fer2013.csv": csv_text(small_faces, header).encode()})
    with pytest.raises(FerturbError, match=f"missing column {missing}; expected") as error:
        load_source(folder / "fer2013.csv")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("row", "change", "message"),
    [
        (3, lambda e, p, u: (e, p.rpartition(" ")[0], u), r"row 3 \(expected 2304 .*, got 2303"),
        (84, lambda e, p, u: (e, p + " 7", u), r"row 84 \(expected 2304 .*, got 2305"),
        (
            50,
            lambda e, p, u: (e, "300 " + p.partition(" ")[2], u),
            r"row 50 .*'300' at position 1",
        ),
        (50, lambda e, p, u: (e, "-1 " + p.partition(" ")[2], u), r"row 50 .*'-1' at position 1"),
        (50, lambda e, p, u: (e, "1.5 " + p.partition(" ")[2], u), r"row 50 .*'1.5'"),
        (50, lambda e, p, u: (e, "", u), r"row 50 \(expected 2304 pixels .*, got 0"),
        (1, lambda e, p, u: ("9", p, u), r"unknown classes left out: 9 \(1\)"),
        (1, lambda e, p, u: ("", p, u), r"unknown classes left out: \(none\) \(1\)"),
        (2, lambda e, p, u: (e, p, "fold 1"), r"1 images whose split .* left out: named fold 1"),
        (4, lambda e, p, u: (e, p, u + ",1"), r"1 row of .* with too few or too many cells"),
        (4, lambda e, p, u: (e, u), r"1 row of .* with too few or too many cells"),
    ],
)
def test_a_bad_row_is_named_and_left_out(small_faces, csv_text, write_tree, row, change, message):
    lines = csv_text(small_faces).splitlines()
    lines[row] = ",".join(change(*lines[row].split(",")))
    faces = load_source(write_tree({"fer2013.csv": "\n".join(lines).encode()}))
    kept = [i for i in range(84) if i != row - 1]
    assert torch.equal(faces.images, small_faces.images[kept])
    assert torch.equal(faces.labels, small_faces.labels[kept])
    assert any(re.search(message, note) for note in faces.notes), faces.notes


def test_rows_keep_their_numbers_when_others_are_left_out(small_faces, csv_text, write_tree):
    lines = csv_text(small_faces).splitlines()
    lines[5] = ",,"
    lines[7] = "contempt" + lines[7][1:]
    faces = load_source(write_tree({"fer2013.csv": "\n".join(lines).encode()}))
    assert faces.names == tuple(n for i, n in enumerate(small_faces.names) if i not in (4, 6))


def test_row_numbers_hold_beyond_the_first_block(small_faces, csv_text, write_tree, monkeypatch):
    monkeypatch.setattr("ferturb.data.readers.csv_tables._BLOCK_BYTES", 100_000)
    lines = csv_text(small_faces).splitlines()
    lines[70] = lines[70].replace(" ", " x", 1)
    faces = load_source(write_tree({"fer2013.csv": "\n".join(lines).encode()}))
    (item,) = faces.info["unreadable"]
    assert item["name"].endswith("(fer2013.csv), row 70")


def test_no_rows_and_a_class_without_faces(small_faces, csv_text, write_tree):
    folder = write_tree({"fer2013.csv": b"emotion,pixels,Usage\n"})
    with pytest.raises(FerturbError, match=r"no rows|can't be read as CSV"):
        load_source(folder)
    kept = small_faces.select(small_faces.labels != 1)
    (folder / "fer2013.csv").write_text(csv_text(kept))
    assert "no faces of disgust in this source" in load_source(folder).notes


def each_line(text: str, change) -> bytes:
    """A CSV whose rows are changed: (number, emotion, pixels, Usage) to a line."""
    lines = [line.split(",") for line in text.strip().split("\n")]
    return "\n".join(change(i, *cells) for i, cells in enumerate(lines)).encode("latin-1")


HEADER = "emotion,pixels,Usage"
DIALECTS = {
    "semicolons": lambda text: text.replace(",", ";").encode(),
    "tabs": lambda text: text.replace(",", "\t").encode(),
    "bars": lambda text: text.replace(",", "|").encode(),
    "UTF-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16, big end first": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-16 and sep=": lambda text: ("sep=;\r\n" + text.replace(",", ";")).encode("utf-16"),
    "sep=": lambda text: ("sep=;\n" + text.replace(",", ";")).encode(),
    "Windows lines": lambda text: text.replace("\n", "\r\n").encode(),
    "blank rows": lambda text: text.replace("\n", "\n,,\n", 3).encode() + b",,\n\n , , \n",
    "quotes": lambda text: each_line(text, lambda i, e, p, u: f'"{e}","{p}","{u}"'),
    "an index column": lambda text: each_line(text, lambda i, e, p, u: f"{i},{e},{p},{u}"),
    "label and split": lambda text: text.replace(HEADER, "Label,Pixels,SPLIT").encode(),
    "upper case": lambda text: text.replace(HEADER, HEADER.upper()).encode(),
    "labels as decimals": lambda text: re.sub(r"(?m)^(\d),", r"\1.0,", text).encode(),
    "commas between pixels": lambda text: each_line(
        text, lambda i, e, p, u: f'{e},"[{p.replace(" ", ", ")}]",{u}' if i else f"{e},{p},{u}"
    ),
    "bytes that are no UTF-8": lambda text: each_line(
        text, lambda i, e, p, u: f"{e},{p},{u},{'café' if i else 'note'}"
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_the_same_faces(small_faces, csv_text, write_tree, dialect):
    data = DIALECTS[dialect](csv_text(small_faces))
    faces = load_source(write_tree({"faces.csv": data}) / "faces.csv")
    assert faces.content_hash() == small_faces.content_hash(), faces.notes
    assert faces.source == "CSV (faces.csv)"


def test_tables_named_after_splits_are_read_together(small_faces, csv_text, write_tree):
    parts = {
        f"fer_{word}.csv": csv_text(small_faces.split(split), "emotion,pixels").encode()
        for word, split in (("train", "train"), ("val", "validation"), ("test", "test"))
    }
    faces = load_source(write_tree(parts))
    assert [len(faces.split(s)) for s in ("train", "validation", "test")] == [70, 7, 7]
    assert len(set(faces.names)) == 84


def test_a_table_without_usage_gets_splits(small_faces, csv_text, write_tree):
    folder = write_tree({"faces.csv": csv_text(small_faces, "emotion,pixels").encode()})
    faces = load_source(folder)
    assert len(faces) == 84
    assert any(note.startswith("no validation split") for note in faces.notes)


def test_a_damaged_csv_inside_a_zip(small_faces, csv_text, write_zip):
    path = write_zip({"fer2013.csv": csv_text(small_faces).encode()})
    data = bytearray(path.read_bytes())
    place = data.index(b"PublicTest") - 200
    data[place : place + 2] = b"  "
    path.write_bytes(data)
    with pytest.raises(FerturbError, match="can't be read as CSV"):
        load_source(path)


def test_a_row_that_is_not_utf8_is_named_and_hinders_no_other(small_faces, csv_text, write_tree):
    lines = csv_text(small_faces).encode().split(b"\n")
    lines[4] = lines[4].replace(b" ", b"\xb1", 1)  # row 4: a flipped bit
    faces = load_source(write_tree({"fer2013.csv": b"\n".join(lines)}))
    (item,) = faces.info["unreadable"]
    assert item["name"].endswith("row 4")
    assert len(faces) == 83
