from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.tensors import save_tensors
from ferturb.data.faces import SPLITS, Faces


def assert_same(first: Faces, second: Faces) -> None:
    for name in ("images", "labels", "splits"):
        ours, theirs = getattr(first, name), getattr(second, name)
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)
    for name in ("names", "source", "kind", "notes", "info"):
        assert getattr(first, name) == getattr(second, name)


def test_splits_share_out_the_faces(toy_faces: Faces) -> None:
    parts = [toy_faces.split(name) for name in SPLITS]
    assert [len(p) for p in parts] == [64, 16, 16]
    assert sum((p.names for p in parts), ()) == toy_faces.names
    assert torch.equal(parts[1].images, toy_faces.images[64:80])
    with pytest.raises(FerturbError, match="unknown split 'valid'; known: train, validation, test"):
        toy_faces.split("valid")


def test_select_keeps_everything_of_a_face_together(toy_faces: Faces) -> None:
    chosen = toy_faces.select(torch.tensor([90, 3, 3]))
    assert chosen.names == ("toy/090", "toy/003", "toy/003")
    assert chosen.labels.tolist() == [90 % 7, 3, 3]
    assert chosen.splits.tolist() == [2, 0, 0]
    assert torch.equal(chosen.images[0], toy_faces.images[90])
    assert chosen.source == "toy"


def test_select_takes_masks_lists_and_slices(toy_faces: Faces) -> None:
    mask = toy_faces.labels == 3
    wanted = [i for i, label in enumerate(toy_faces.labels.tolist()) if label == 3]
    for index in (mask, mask.tolist(), mask.numpy(), wanted, np.array(wanted)):
        assert_same(toy_faces.select(index), toy_faces.select(torch.tensor(wanted)))
    assert_same(toy_faces.select(slice(2, 9, 3)), toy_faces.select(torch.tensor([2, 5, 8])))
    assert len(toy_faces.select([])) == 0


@pytest.mark.parametrize(
    "index", [[1.5], [True], "happy", [96], [-97], [[1, 2]], None, ["a"], torch.ones(95).bool()]
)
def test_what_is_no_index_is_refused(toy_faces: Faces, index: object) -> None:
    with pytest.raises(FerturbError, match="expected positions"):
        toy_faces.select(index)


CHANGES = {
    "labels=torch.full((3,), 7)": "labels go from 0 to 6",
    "labels=torch.full((3,), -1)": "labels go from 0 to 6",
    "splits=torch.full((3,), 3, dtype=torch.uint8)": "splits go from 0 to 2",
    "images=torch.zeros(3, 48, 48)": "0 … 255 grey, or (n, 3, height, width) RGB, got float32",
    "images=torch.zeros(3, 1, 4, 4, dtype=torch.uint8)": "got uint8 (3, 1, 4, 4)",
    "labels=[0, 1, 2]": "labels must be a tensor or a NumPy array, got list",
    "images=numpy.zeros((3, 4, 4), 'uint8')": "Tensor",
}
"""What is given for a field -> what is said; an array becomes a tensor."""


def test_faces_are_checked_at_the_door() -> None:
    program = """
import sys, numpy, torch
from dataclasses import replace
from ferturb import Faces, FerturbError
three = torch.zeros(3, dtype=torch.int64)
faces = Faces(torch.zeros(3, 4, 4, dtype=torch.uint8), three, three.byte(), ("a", "b", "c"), "x")
for change in sys.argv[1:]:
    try:
        print(type(eval(f"replace(faces, {change})").images).__name__)
    except FerturbError as error:
        print(error)
"""
    command = [sys.executable, "-c", program, *CHANGES]  # where no signature is checked
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    for line, message in zip(said, CHANGES.values(), strict=True):
        assert message in line


def test_counts_against_a_loop(toy_faces: Faces) -> None:
    counts = toy_faces.counts()
    for s, split in enumerate(SPLITS):
        for e, emotion in enumerate(EMOTIONS):
            pairs = zip(toy_faces.splits.tolist(), toy_faces.labels.tolist(), strict=True)
            assert counts[split][emotion] == sum(p == (s, e) for p in pairs)


def test_content_hash_by_hand() -> None:
    faces = Faces(
        torch.tensor([[[1, 2], [3, 4]]], dtype=torch.uint8),
        torch.tensor([6]),
        torch.tensor([2], dtype=torch.uint8),
        ("x",),
        "one",
    )
    parts = [b"(1, 2, 2)", bytes([1, 2, 3, 4]), b"(1,)", (6).to_bytes(8, "little"), b"(1,)", b"\2"]
    assert faces.content_hash() == hashlib.sha256(b"".join(parts)).hexdigest()


def test_content_hash_is_of_pixels_labels_and_splits_alone(toy_faces: Faces) -> None:
    known = toy_faces.content_hash()
    assert replace(toy_faces, source="other", notes=("a",)).content_hash() == known
    columns = toy_faces.images.transpose(1, 2).contiguous().transpose(1, 2)  # other strides
    assert replace(toy_faces, images=columns).content_hash() == known
    for name in ("images", "labels", "splits"):
        tensor = getattr(toy_faces, name).clone()
        tensor.view(-1)[5] = 1 - tensor.view(-1)[5].clamp(0, 1)
        assert replace(toy_faces, **{name: tensor}).content_hash() != known
    assert toy_faces.select(torch.arange(95, -1, -1)).content_hash() != known


def test_no_faces_are_faces_too(toy_faces: Faces, tmp_path: Path) -> None:
    none = toy_faces.select(torch.zeros(0, dtype=torch.int64))
    assert len(none) == 0
    assert len(none.content_hash()) == 64
    none.save(tmp_path / "x")
    assert_same(Faces.load(tmp_path / "x"), none)


def test_saved_and_loaded_is_the_same(toy_faces: Faces, tmp_path: Path) -> None:
    faces = replace(
        toy_faces, kind="fer2013", notes=("first", "ä"), info={"unreadable": ["a/b.jpg"], "n": 3}
    )
    faces.save(tmp_path / "x")
    assert_same(Faces.load(tmp_path / "x"), faces)


def test_other_files_are_refused(tmp_path: Path) -> None:
    save_tensors(tmp_path / "x", {"images": torch.zeros(1)}, {"format": "other"})
    with pytest.raises(FerturbError, match=r"not a faces file .*got 'other'"):
        Faces.load(tmp_path / "x")
    save_tensors(tmp_path / "x", {"images": torch.zeros(1)}, {"format": "ferturb-faces-1"})
    with pytest.raises(FerturbError, match="not a faces file"):
        Faces.load(tmp_path / "x")


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize("name", ["labels", "splits", "names"])
def test_one_of_everything_per_face(toy_faces: Faces, name: str) -> None:
    with pytest.raises(FerturbError, match=f"one of {name} per image: 96 images, 95"):
        replace(toy_faces, **{name: getattr(toy_faces, name)[:95]})
