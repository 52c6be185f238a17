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
        assert faces.kind == "folder"  # FER2013 is known by its faces, not by its names
        assert faces.content_hash() == zipped.content_hash()
    assert set(zipped.names) == set(kaggle_files)
    assert zipped.names == unpacked.names


def test_each_name_belongs_to_its_pixels(kaggle_files, write_zip):
    faces = load_source(write_zip(kaggle_files))
    for name, image in zip(faces.names, faces.images.numpy(), strict=True):
        assert np.array_equal(image, np.asarray(Image.open(io.BytesIO(kaggle_files[name]))))


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


def test_an_empty_class_folder_is_noted(kaggle_files, write_tree, write_zip):
    files = {k: v for k, v in kaggle_files.items() if not k.startswith("train/fear/")}
    folder = write_tree(files)
    (folder / "train" / "fear").mkdir()
    for source in (folder, write_zip({**files, "train/fear/": b""})):
        notes = load_source(source).notes
        assert "1 empty class folder: train/fear" in notes
        assert "no training faces of fear in this source" in notes


def test_a_class_without_readable_images_is_an_error(kaggle_files, write_zip):
    files = {k: b"x" if k.startswith("train/sad/") else v for k, v in kaggle_files.items()}
    with pytest.raises(
        FerturbError, match=r"the train images of sad can be read \(train/sad/.*no im"
    ):
        load_source(write_zip(files))


def test_one_stray_image_changes_no_other_split(kaggle_files, write_tree, small_faces, same_faces):
    some = next(iter(kaggle_files.values()))
    strays = {"preview.png": some, "samples/grid.jpg": some, "train/happy/copy.png": some}
    faces = load_source(write_tree({**kaggle_files, **strays}))
    kept = faces.select([i for i, name in enumerate(faces.names) if name not in strays])
    assert same_faces(kept, small_faces)
    assert set(faces.names) - set(kept.names) == {"train/happy/copy.png"}
    assert any("(none) (1), samples (1)" in note for note in faces.notes)


def test_where_folder_and_name_contradict_the_folder_decides(kaggle_files, write_tree):
    name = next(n for n in sorted(kaggle_files) if n.startswith("test/happy/Private"))
    moved = name.replace("test/", "train/")
    files = {k: v for k, v in kaggle_files.items() if k != name} | {moved: kaggle_files[name]}
    faces, whole = load_source(write_tree(files)), load_source(write_tree(kaggle_files, "whole"))
    splits = dict(zip(faces.names, faces.splits.tolist(), strict=True))
    assert splits.pop(moved) == 0
    assert splits.items() <= dict(zip(whole.names, whole.splits.tolist(), strict=True)).items()
    (note,) = [note for note in faces.notes if "another split than their folder" in note]
    assert note.startswith("1 image ")
    assert moved in note


def test_names_tell_the_split_where_no_folder_does(
    kaggle_files, write_tree, small_faces, same_faces
):
    files = {name.partition("/")[2]: data for name, data in kaggle_files.items()}
    assert same_faces(load_source(write_tree(files)), small_faces)


def test_names_do_not_undo_a_validation_folder(kaggle_files, write_tree):
    words = ("train", "val", "test")
    files = {
        f"{words[i % 3]}/{name.partition('/')[2]}": kaggle_files[name]
        for i, name in enumerate(sorted(kaggle_files))
    }
    faces = load_source(write_tree(files))
    for name, split in zip(faces.names, faces.splits.tolist(), strict=True):
        assert words[split] == name.split("/")[0]


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
    part = faces.select(slice(0, None, 9))
    write_csv(part, tmp_path / "fer2013.csv")
    assert load_source(tmp_path / "fer2013.csv").content_hash() == part.content_hash()
    with zipfile.ZipFile(real_zip) as archive:
        archive.extractall(tmp_path / "unpacked", part.names)
    unpacked = load_source(tmp_path / "unpacked")
    assert unpacked.content_hash() == part.content_hash()
    assert unpacked.names == part.names
