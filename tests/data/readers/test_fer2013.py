from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.readers import fer2013
from ferturb.data.readers.csv_tables import write_csv
from ferturb.data.sources import load_source


def test_zip_and_unpacked_folder_give_the_faces_that_were_written(
    small_faces, kaggle_files, write_zip, write_tree, same_faces
):
    zipped = load_source(write_zip(kaggle_files))
    unpacked = load_source(write_tree(kaggle_files))
    wrapped = load_source(write_zip({f"a/fer 2013/{k}": v for k, v in kaggle_files.items()}, "w"))
    for faces in (zipped, unpacked, wrapped):
        assert same_faces(faces, small_faces)
        assert faces.kind == "fer2013"
        assert faces.content_hash() == zipped.content_hash()
    assert set(zipped.names) == set(kaggle_files)
    assert zipped.names == unpacked.names


def test_each_name_belongs_to_its_pixels(kaggle_files, write_zip):
    faces = load_source(write_zip(kaggle_files))
    for name, image in zip(faces.names, faces.images.numpy(), strict=True):
        assert np.array_equal(image, np.asarray(Image.open(io.BytesIO(kaggle_files[name]))))


def test_counts_of_another_size_are_noted(kaggle_files, write_zip):
    (note,) = load_source(write_zip(kaggle_files)).notes
    assert "28,709 / 3,589 / 3,589" in note
    assert "70 / 7 / 7" in note


def test_a_corrupt_jpeg_is_named_and_the_rest_is_read(kaggle_files, write_zip):
    names = sorted(name for name in kaggle_files if name.startswith("train/"))
    files = dict(kaggle_files)
    files[names[3]] = b"\xff\xd8\xff\xe0 no more of it"
    files[names[20]] = kaggle_files[names[20]][:-60]
    faces = load_source(write_zip(files))
    assert len(faces) == len(kaggle_files) - 2
    assert [item["name"] for item in faces.info["unreadable"]] == [names[3], names[20]]
    assert names[3] in faces.notes[0]
    assert names[20] in faces.notes[0]
    assert set(faces.names) == set(kaggle_files) - {names[3], names[20]}
    assert "0x" not in faces.notes[0]


def test_a_member_with_a_wrong_checksum_is_named(kaggle_files, write_zip):
    path = write_zip(kaggle_files)
    victim = sorted(kaggle_files)[30]
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        offset = archive.getinfo(victim).header_offset + 30 + len(victim) + 100
    data[offset] ^= 0xFF
    path.write_bytes(data)
    faces = load_source(path)
    assert [item["name"] for item in faces.info["unreadable"]] == [victim]
    assert len(faces) == len(kaggle_files) - 1


def test_an_empty_class_folder_is_an_error(kaggle_files, write_tree, write_zip):
    files = {k: v for k, v in kaggle_files.items() if not k.startswith("train/fear/")}
    folder = write_tree(files)
    (folder / "train" / "fear").mkdir()
    with pytest.raises(FerturbError, match="train/fear holds no images"):
        load_source(folder)
    with pytest.raises(FerturbError, match="train/fear holds no images"):
        load_source(write_zip({**files, "train/fear/": b""}))


def test_a_missing_training_class_is_an_error(kaggle_files, write_zip):
    files = {k: v for k, v in kaggle_files.items() if not k.startswith("train/fear/")}
    with pytest.raises(FerturbError, match="found none of fear"):
        load_source(write_zip(files))


def test_a_class_without_readable_images_is_an_error(kaggle_files, write_zip):
    files = {k: b"x" if k.startswith("train/sad/") else v for k, v in kaggle_files.items()}
    with pytest.raises(FerturbError, match="none of the images in train/sad can be read"):
        load_source(write_zip(files))


def test_test_files_without_prefix_get_a_validation_split(kaggle_files, write_zip):
    files = {}
    for i, (name, data) in enumerate(kaggle_files.items()):
        folder, _, _ = name.rpartition("/")
        files[name if name.startswith("train") else f"{folder}/im{i}.png"] = data
    faces = load_source(write_zip(files))
    counts = faces.counts()
    assert faces.kind == "folder"
    assert counts["train"] == dict.fromkeys(EMOTIONS, 9)
    assert counts["validation"] == dict.fromkeys(EMOTIONS, 1)
    assert counts["test"] == dict.fromkeys(EMOTIONS, 2)
    assert any("no validation split" in note and "seed 0" in note for note in faces.notes)


def test_written_folder_reads_back_the_same(kaggle_files, write_zip, tmp_path):
    faces = load_source(write_zip(kaggle_files))
    fer2013.write_folder(faces, tmp_path / "out")
    again = load_source(tmp_path / "out")
    assert again.content_hash() == faces.content_hash()
    assert [Path(name).stem for name in again.names] == [Path(name).stem for name in faces.names]
    assert again.counts() == faces.counts()


def test_written_folder_is_whole_or_absent(small_faces, tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").write_text("mine")
    with pytest.raises(FerturbError, match="already exists"):
        fer2013.write_folder(small_faces, tmp_path / "there")
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["mine.txt"]

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(FerturbError, match="No space left"):
        fer2013.write_folder(small_faces, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["there"]


def test_archive_names_stay_unique_when_stems_repeat(small_faces):
    index = torch.tensor([0, 0, 1, 1])
    names = fer2013.archive_names(small_faces.select(index))
    assert len(set(names)) == 4


@pytest.mark.real_data
@pytest.mark.slow
def test_the_real_archive_and_what_is_written_from_it(real_zip, real_faces, tmp_path):
    faces = real_faces
    counts = faces.counts()
    assert faces.kind == "fer2013"
    assert faces.notes == ()
    assert [sum(counts[s].values()) for s in counts] == [28_709, 3_589, 3_589]
    assert list(counts["train"].values()) == [3995, 436, 4097, 7215, 4830, 3171, 4965]
    train = faces.split("train").images.double() / 255
    assert float(train.mean()) == pytest.approx(0.5077, abs=5e-5)
    assert float(train.std()) == pytest.approx(0.2551, abs=5e-5)
    write_csv(faces, tmp_path / "fer2013.csv")
    assert load_source(tmp_path / "fer2013.csv").content_hash() == faces.content_hash()
    with zipfile.ZipFile(real_zip) as archive:
        archive.extractall(tmp_path / "unpacked")
    unpacked = load_source(tmp_path / "unpacked")
    assert unpacked.content_hash() == faces.content_hash()
    assert unpacked.names == faces.names
