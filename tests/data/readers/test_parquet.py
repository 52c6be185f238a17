from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.faces import SPLITS
from ferturb.data.sources import load_source

FILES = {
    "train": "train-00000-of-00001.parquet",
    "validation": "valid-00000-of-00001.parquet",
    "test": "test-00000-of-00001.parquet",
}


@pytest.fixture
def write_parquet(tmp_path, as_png):
    def write(name, faces, labels, *, names=None, struct=True, columns=("image", "label")):
        data = [as_png(image) for image in faces.images.numpy()]
        if struct:
            kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
            images = pa.array([{"bytes": d, "path": None} for d in data], kind)
        else:
            images = pa.array(data, pa.binary())
        table = pa.table({columns[0]: images, columns[1]: pa.array(labels)})
        if names is not None:
            features = {columns[1]: {"names": names, "_type": "ClassLabel"}}
            meta = {"huggingface": json.dumps({"info": {"features": features}})}
            table = table.replace_schema_metadata(meta)
        path = tmp_path / "hub" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path, row_group_size=16)
        return path

    return write


@pytest.mark.parametrize("struct", [True, False])
def test_a_folder_with_one_file_a_split(small_faces, write_parquet, same_faces, struct):
    for split in SPLITS:
        part = small_faces.split(split)
        path = write_parquet(f"data/{FILES[split]}", part, part.labels.tolist(), struct=struct)
    with pytest.raises(FerturbError, match="classes are numbers"):
        load_source(path.parent.parent)
    faces = load_source(path.parent.parent, None, "fer2013")
    assert same_faces(faces, small_faces)
    assert faces.notes == ()
    assert f"data/{FILES['test']}#0" in faces.names


def test_one_file_gets_splits(small_faces, write_parquet):
    path = write_parquet("faces", small_faces, small_faces.labels.tolist())
    faces = load_source(path, None, "fer2013")
    assert torch.equal(faces.images, small_faces.images)
    assert torch.equal(faces.labels, small_faces.labels)
    assert [len(faces.split(s)) for s in SPLITS] == [70, 7, 7]


def test_stored_names_decide_what_numbers_mean(small_faces, write_parquet):
    alphabet = sorted(EMOTIONS)
    labels = [alphabet.index(EMOTIONS[label]) for label in small_faces.labels.tolist()]
    path = write_parquet("train.parquet", small_faces, labels, names=alphabet)
    faces = load_source(path)
    assert torch.equal(faces.labels, small_faces.labels)
    assert not any("FER2013's order" in note for note in faces.notes)


def test_labels_as_words_and_unknown_classes(small_faces, write_parquet):
    labels = [EMOTIONS[label] for label in small_faces.labels.tolist()]
    labels[5] = "contempt"
    faces = load_source(write_parquet("train.parquet", small_faces, labels))
    kept = torch.tensor([i for i in range(84) if i != 5])
    assert torch.equal(faces.labels, small_faces.labels[kept])
    assert torch.equal(faces.images, small_faces.images[kept])
    assert any("contempt (1)" in note for note in faces.notes)


def test_stored_names_that_are_numbers_tell_nothing(small_faces, write_parquet):
    labels = small_faces.labels.tolist()
    path = write_parquet("train.parquet", small_faces, labels, names=list("1234567"))
    with pytest.raises(FerturbError, match=r"classes are numbers \(1, 2, 3, 4, 5, 6, 7\)"):
        load_source(path)
    raf = torch.tensor([5, 2, 1, 3, 4, 0, 6])
    assert torch.equal(load_source(path, None, "raf-db").labels, raf[small_faces.labels])


def test_missing_column_and_damaged_file(small_faces, write_parquet):
    labels = small_faces.labels.tolist()
    path = write_parquet("a.parquet", small_faces, labels, columns=("picture", "label"))
    with pytest.raises(FerturbError, match=r"expected a column image .*found picture, label"):
        load_source(path)
    path = write_parquet("a.parquet", small_faces, labels)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(FerturbError, match="can't be read as parquet") as error:
        load_source(path)
    assert "\n" not in str(error.value)


def cells(images, kind):
    """A column of faces of some Arrow type."""
    flat = [image.flatten().tolist() for image in images]
    square = images.tolist()
    types = {
        "text": lambda: pa.array([" ".join(map(str, row)) for row in flat]),
        "large text": lambda: pa.array(
            [" ".join(map(str, row)) for row in flat], pa.large_string()
        ),
        "list": lambda: pa.array(flat),
        "list of int8": lambda: pa.array(flat, pa.list_(pa.uint8())),
        "fixed list": lambda: pa.array(flat, pa.list_(pa.uint8(), 2304)),
        "Array2D": lambda: pa.array(square, pa.list_(pa.list_(pa.uint8()))),
        "fixed Array2D": lambda: pa.array(square, pa.list_(pa.list_(pa.int32(), 48), 48)),
        "shares of white": lambda: pa.array((images / 255).tolist()),
        "a channel last": lambda: pa.array(images[..., None].tolist()),
        "a channel first": lambda: pa.array(images[:, None].tolist()),
        "colours": lambda: pa.array(np.repeat(images[..., None], 3, 3).tolist()),
        "raw bytes": lambda: pa.array([image.tobytes() for image in images]),
        "a dictionary": lambda: pa.array(
            [" ".join(map(str, row)) for row in flat]
        ).dictionary_encode(),
    }
    return types[kind]()


KINDS = (
    *("text", "large text", "list", "list of int8", "fixed list", "Array2D", "fixed Array2D"),
    *("shares of white", "a channel last", "a channel first", "colours", "raw bytes"),
    "a dictionary",
)


@pytest.mark.parametrize("column", ["image", "pixels", "img_bytes"])
@pytest.mark.parametrize("kind", KINDS)
def test_pixels_of_every_type(small_faces, tmp_path, kind, column):
    words = [EMOTIONS[label] for label in small_faces.labels.tolist()]
    table = pa.table({column: cells(small_faces.images.numpy(), kind), "label": pa.array(words)})
    pq.write_table(table, tmp_path / "a.parquet")
    faces = load_source(tmp_path / "a.parquet")
    assert torch.equal(faces.images, small_faces.images)
    assert torch.equal(faces.labels, small_faces.labels)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([1] * 2303, "got 2303"),
        ([300] * 2304, "from 0 to 255, got 300"),
        ([-1] * 2304, "from 0 to 255, got -1"),
        ([float("nan")] * 2304, "something else than numbers"),
        (None, "got 0"),
    ],
)
def test_a_row_that_is_no_face_is_named(small_faces, tmp_path, value, reason):
    rows = [image.flatten().tolist() for image in small_faces.images.double()]
    rows[3] = value
    words = [EMOTIONS[label] for label in small_faces.labels.tolist()]
    pq.write_table(pa.table({"image": rows, "label": words}), tmp_path / "a.parquet")
    faces = load_source(tmp_path / "a.parquet")
    (item,) = faces.info["unreadable"]
    assert item["name"] == "a.parquet#3"
    assert reason in item["reason"]
    assert len(faces) == 83


def test_of_two_label_columns_the_names_are_read(small_faces, tmp_path, as_png):
    data = [as_png(image) for image in small_faces.images.numpy()]
    words = pa.array([EMOTIONS[label] for label in small_faces.labels.tolist()])
    columns = {"image": pa.array(data), "label": pa.array([0] * 84), "label_text": words}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert torch.equal(load_source(tmp_path / "a.parquet").labels, small_faces.labels)


def test_an_unreadable_image_is_named(small_faces, write_parquet, tmp_path):
    labels = [EMOTIONS[label] for label in small_faces.labels.tolist()]
    path = write_parquet("train.parquet", small_faces, labels)
    table = pq.read_table(path)
    rows = table.column("image").to_pylist()
    rows[7] = {"bytes": b"broken", "path": None}
    image = pa.array(rows, table.schema.field("image").type)
    pq.write_table(table.set_column(0, "image", image), path)
    faces = load_source(path)
    assert [item["name"] for item in faces.info["unreadable"]] == ["train.parquet#7"]
    assert np.array_equal(faces.images[7], small_faces.images[8])


def test_a_path_that_is_not_utf8_is_one_line(small_faces, tmp_path, as_png):
    data = [as_png(image) for image in small_faces.images.numpy()]
    paths = pa.array([b"caf\xe9.png"] * len(data), pa.binary()).view(pa.string())
    images = pa.StructArray.from_arrays([pa.array(data), paths], ["bytes", "path"])
    words = pa.array([EMOTIONS[label] for label in small_faces.labels.tolist()])
    pq.write_table(pa.table({"image": images, "label": words}), tmp_path / "a.parquet")
    with pytest.raises(FerturbError, match="can't be read as parquet") as caught:
        load_source(tmp_path / "a.parquet")
    assert "\n" not in str(caught.value)
