"""FER2013 is told by its faces; here a made-up data set stands in its place."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.data.readers import fer2013_content, rows
from ferturb.data.readers.fer2013 import write_folder
from ferturb.data.readers.fer2013_content import fingerprints, recognise
from ferturb.data.sources import load_source


def photo(seed: int) -> np.ndarray:
    """A smooth picture, which a JPEG changes little."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((48, 48), Image.Resampling.BICUBIC))


@pytest.fixture
def official(monkeypatch) -> Faces:
    """84 faces in the place of FER2013: all of them are the sample."""
    labels = np.repeat(np.arange(7), 12)
    splits = np.tile(np.array([0] * 10 + [1, 2], np.uint8), 7)
    images = np.stack([photo(i) for i in range(84)])
    names = tuple(f"{i}" for i in range(84))
    monkeypatch.setattr(
        fer2013_content, "sample", lambda: (fingerprints(images), labels, splits.astype(np.int64))
    )
    monkeypatch.setattr(rows, "SIZES", (70, 7, 7))
    tensors = (torch.from_numpy(array) for array in (images, labels, splits))
    return Faces(*tensors, names, "made up")


@pytest.fixture
def saved(official, write_tree):
    """The faces in folders whose names tell nothing of FER2013, as JPEG or PNG."""

    def save(faces: Faces, form: str = "PNG", words=EMOTIONS, **options: object):
        files = {}
        for i, (image, label, split) in enumerate(
            zip(faces.images.numpy(), faces.labels, faces.splits, strict=True)
        ):
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, format=form, **options)
            name = f"{('train', 'val', 'test')[int(split)]}/{words[int(label)]}/{i}.{form.lower()}"
            files[name] = buffer.getvalue()
        return write_tree(files, f"faces{len(list(write_tree({}).parent.iterdir()))}")

    return save


def test_its_faces_are_fer2013_in_any_file(official, saved):
    for form, options in (("PNG", {}), ("JPEG", {"quality": 75}), ("BMP", {})):
        faces = load_source(saved(official, form, **options))
        assert faces.kind == "fer2013", form
        assert faces.source == "FER2013 (folders of images)"
        assert faces.notes == ()


def test_a_few_damaged_files_change_nothing(official, saved):
    folder = saved(official)
    next((folder / "train" / "happy").iterdir()).write_bytes(b"x")
    faces = load_source(folder)
    assert faces.kind == "fer2013"
    assert any("this copy 69 / 7 / 7" in note for note in faces.notes)


def test_names_make_no_fer2013(official, small_faces, tmp_path):
    write_folder(small_faces, tmp_path / "named")
    faces = load_source(tmp_path / "named")
    assert any("Training_" in name for name in faces.names)
    assert faces.kind == "folder"
    assert faces.notes == ()


@pytest.mark.parametrize("change", ["splits", "labels", "half", "more"])
def test_its_faces_otherwise_arranged_are_not_fer2013_and_it_is_said(
    official, saved, small_faces, change
):
    moved = {
        "splits": replace(official, splits=official.splits.roll(5)),
        "labels": replace(official, labels=(official.labels + 1) % 7),
        "half": official.select(slice(0, None, 2)),
        "more": Faces(
            torch.cat([official.images, small_faces.images[:9]]),
            torch.cat([official.labels, small_faces.labels[:9]]),
            torch.cat([official.splits, torch.zeros(9, dtype=torch.uint8)]),
            tuple(map(str, range(93))),
            "both",
        ),
    }[change]
    faces = load_source(saved(moved))
    assert faces.kind == "folder"
    (note,) = [note for note in faces.notes if "sample of FER2013's faces" in note]
    assert note.startswith("50%" if change == "half" else "100%")


def test_its_faces_tell_what_numbers_mean(official, saved, monkeypatch):
    by_alphabet = [str(sorted(EMOTIONS).index(emotion)) for emotion in EMOTIONS]
    folder = saved(official, words=by_alphabet)
    faces = load_source(folder)
    assert faces.kind == "fer2013"
    assert sorted(faces.labels.tolist()) == sorted(official.labels.tolist())
    assert any("another order of labels, used: 0 angry, 1 disgust" in n for n in faces.notes)
    monkeypatch.undo()
    with pytest.raises(FerturbError, match="classes are numbers"):
        load_source(folder)


def test_the_sample_has_twelve_of_each_and_all_differ():
    known, labels, splits = fer2013_content.sample()
    assert known.shape == (252, 112)
    assert len(np.unique(known, axis=0)) == 252
    assert np.bincount(splits * 7 + labels).tolist() == [12] * 21


def test_fingerprints_by_hand():
    face = np.zeros((1, 48, 48), np.uint8)
    face[0, :6, :6] = 9
    bits = fingerprints(face)[0]
    assert not bits[:56].any()  # no block is brighter than its left neighbour
    assert not bits[56:].any()
    face[0, :6, 6:12] = 10
    assert np.flatnonzero(fingerprints(face)[0]).tolist() == [0]
    face[0, 6:12, :6] = 11
    assert np.flatnonzero(fingerprints(face)[0]).tolist() == [0, 56]


def test_faces_of_another_size_are_none_of_its():
    assert recognise(np.zeros((3, 64, 64), np.uint8)).share == 0


@pytest.mark.real_data
def test_the_real_archive_as_jpeg_of_half_the_quality(real_faces):
    chosen = real_faces.select(slice(0, None, 5)).images.numpy()
    worse = []
    for image in chosen:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, format="JPEG", quality=75)
        worse.append(np.asarray(Image.open(buffer)))
    whole, found = recognise(real_faces.images.numpy()), recognise(np.stack(worse))
    assert whole.share == 1
    here = whole.places % 5 == 0
    assert np.array_equal(found.places >= 0, here)
    assert np.array_equal(found.places[here], whole.places[here] // 5)
