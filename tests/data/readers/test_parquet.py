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
from ferturb.data.readers import fer2013
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
    faces = load_source(path.parent.parent)
    assert same_faces(faces, small_faces)
    assert any("taken in FER2013's order" in note for note in faces.notes)
    assert f"data/{FILES['test']}#0" in faces.names


def test_one_file_gets_splits(small_faces, write_parquet):
    path = write_parquet("faces", small_faces, small_faces.labels.tolist())
    faces = load_source(path)
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


def test_fer2013s_counts_tell_another_order(small_faces, write_parquet, monkeypatch):
    counts = (5, 2, 6, 9, 8, 3, 7)
    monkeypatch.setattr(fer2013, "TRAIN_COUNTS", counts)
    index = torch.cat(
        [(small_faces.labels == e).nonzero().flatten()[:n] for e, n in enumerate(counts)]
    )
    faces = small_faces.select(index)
    alphabet = sorted(EMOTIONS)
    labels = [alphabet.index(EMOTIONS[label]) for label in faces.labels.tolist()]
    write_parquet(FILES["test"], small_faces, small_faces.labels.tolist())
    path = write_parquet(FILES["train"], faces, labels)
    write_parquet(FILES["test"], faces, labels)
    write_parquet(FILES["validation"], faces, labels)
    read = load_source(path.parent)
    assert torch.equal(read.split("train").labels, faces.labels)
    assert torch.equal(read.split("test").labels, faces.labels)
    assert any("another order" in note for note in read.notes)


def test_bad_label_missing_column_and_damaged_file(small_faces, write_parquet):
    labels = small_faces.labels.tolist()
    path = write_parquet("a.parquet", small_faces, [*labels[:3], 9, *labels[4:]])
    with pytest.raises(FerturbError, match=r"row 4: expected .* got '9'"):
        load_source(path)
    path = write_parquet("a.parquet", small_faces, labels, columns=("picture", "label"))
    with pytest.raises(FerturbError, match=r"expected a column image .*found picture, label"):
        load_source(path)
    path = write_parquet("a.parquet", small_faces, labels)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(FerturbError, match="can't be read as parquet") as error:
        load_source(path)
    assert "\n" not in str(error.value)


def test_an_unreadable_image_is_named(small_faces, write_parquet, tmp_path):
    path = write_parquet("train.parquet", small_faces, small_faces.labels.tolist())
    table = pq.read_table(path)
    rows = table.column("image").to_pylist()
    rows[7] = {"bytes": b"broken", "path": None}
    image = pa.array(rows, table.schema.field("image").type)
    pq.write_table(table.set_column(0, "image", image), path)
    faces = load_source(path)
    assert [item["name"] for item in faces.info["unreadable"]] == ["train.parquet#7"]
    assert np.array_equal(faces.images[7], small_faces.images[8])
