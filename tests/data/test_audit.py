from __future__ import annotations

import hashlib
import json
import zipfile
from collections import defaultdict
from dataclasses import replace

import pytest
import torch
from PIL import Image

from ferturb.data.audit import Group, audit, blank_faces, clean_variant, exact_groups, near_groups
from ferturb.data.faces import Faces


@pytest.fixture
def planted(small_faces):
    """small_faces with copies planted: (faces, positions by role)."""
    images, splits = small_faces.images.clone(), small_faces.splits
    train, validation, test = ((splits == code).nonzero().flatten().tolist() for code in range(3))
    labels = small_faces.labels.clone()
    images[test[0]] = images[train[0]]  # test in training
    images[test[1]] = images[train[0]]
    images[validation[0]] = images[train[1]]
    images[test[2]] = images[validation[1]]  # across, but not in training
    images[train[3]] = images[train[2]]  # within training
    labels[train[3]] = (labels[train[2]] + 1) % 7
    for i in (test[0], test[1]):
        labels[i] = labels[train[0]]
    labels[validation[0]], labels[test[2]] = labels[train[1]], labels[validation[1]]
    images[train[4]] = 255
    return replace(small_faces, images=images, labels=labels), (train, validation, test)


def test_the_planted_copies_are_found_by_name(planted):
    faces, (train, validation, test) = planted
    report = audit(faces)
    name = faces.names
    assert {frozenset(group.names) for group in report.exact} == {
        frozenset({name[train[0]], name[test[0]], name[test[1]]}),
        frozenset({name[train[1]], name[validation[0]]}),
        frozenset({name[validation[1]], name[test[2]]}),
        frozenset({name[train[2]], name[train[3]]}),
    }
    assert set(report.test_in_training) == {name[test[0]], name[test[1]]}
    assert report.validation_in_training == (name[validation[0]],)
    (conflict,) = [group for group in report.exact if group.conflicting]
    assert set(conflict.names) == {name[train[2]], name[train[3]]}
    assert report.blank == (name[train[4]],)
    assert report.summary() == {
        "duplicate_groups": 4,
        "duplicate_groups_within_a_split": 1,
        "duplicate_groups_across_splits": 3,
        "redundant_copies": 5,
        "conflicting_groups": 1,
        "test_in_training": 2,
        "validation_in_training": 1,
        "near_duplicate_groups": 0,
        "near_duplicate_groups_across_splits": 0,
        "near_test_in_training": 0,
        "blank": 1,
        "unreadable": 0,
    }


def test_the_report_is_json(planted):
    faces, _ = planted
    faces = replace(faces, info={"unreadable": [{"name": "a.jpg", "reason": "cut"}]})
    data = audit(faces).to_dict()
    assert json.loads(json.dumps(data)) == json.loads(json.dumps(data, default=str))
    assert data["counts"] == faces.counts()
    assert [item["name"] for item in data["unreadable"]] == ["a.jpg"]
    assert len(data["duplicate_groups"]) == 4
    assert len(data["conflicting_groups"]) == 1
    group = data["duplicate_groups"][0]
    assert set(group) == {"names", "splits", "emotions"}


def test_clean_removes_exactly_the_copies_of_training_faces(planted):
    faces, (_, validation, test) = planted
    clean = clean_variant(faces)
    gone = {faces.names[i] for i in (test[0], test[1], validation[0])}
    assert set(faces.names) - set(clean.names) == gone
    assert len(clean.split("train")) == len(faces.split("train"))
    report = audit(clean)
    assert report.test_in_training == report.validation_in_training == ()
    assert "1 validation and 2 test faces" in clean.notes[-1]
    assert clean_variant(clean).content_hash() == clean.content_hash()


def photo(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (1, 1, 5, 5), generator=generator).float()
    fine = torch.nn.functional.interpolate(coarse, (52, 52), mode="bicubic")
    return fine[0, 0].clamp(0, 255)


def test_near_duplicates_are_the_same_photo_changed_a_little():
    originals = [photo(seed) for seed in range(40)]
    same = originals[0]
    variants = [
        same[1:49, 1:49],  # shifted by a pixel
        same[0:48, 0:48] * 0.8 + 20,  # another exposure
        same[0:48, 0:48] + 4 * torch.randn(48, 48, generator=torch.Generator().manual_seed(1)),
    ]
    faces = [image[:48, :48] for image in originals] + variants
    images = torch.stack(faces).round().clamp(0, 255).to(torch.uint8)
    assert near_groups(images) == [[0, 40, 41, 42]]
    assert near_groups(images[:40]) == []
    negative = torch.stack([images[0], 255 - images[0]])
    assert near_groups(negative) == []


def test_near_duplicates_of_test_faces_in_training_are_named_also_through_a_copy():
    image = photo(3)
    base = image[:48, :48].round().to(torch.uint8)
    moved = image[1:49, 1:49].round().to(torch.uint8)
    faces = Faces(
        images=torch.stack([moved, base, base, photo(5)[:48, :48].to(torch.uint8)]),
        labels=torch.zeros(4, dtype=torch.int64),
        splits=torch.tensor([0, 1, 2, 2], dtype=torch.uint8),
        names=("train", "validation", "test", "other"),
        source="made up",
    )
    report = audit(faces)
    assert [group.names for group in report.exact] == [("validation", "test")]
    assert [group.names for group in report.near] == [("train", "validation")]
    assert report.near_test_in_training == ("test",)
    assert report.test_in_training == ()


def test_groups_know_themselves():
    assert Group(("a", "b"), ("train", "test"), ("sad", "sad")).across_splits
    assert not Group(("a", "b"), ("train", "test"), ("sad", "sad")).conflicting
    assert Group(("a", "b"), ("test", "test"), ("sad", "happy")).conflicting


def test_blank_and_empty():
    flat = torch.full((1, 48, 48), 17, dtype=torch.uint8)
    dim = flat.clone()
    dim[0, 0, :40] = 18
    faint = flat.clone()
    faint[0, :24] = 27
    assert blank_faces(torch.cat([flat, dim, faint])).tolist() == [True, True, False]
    none = torch.zeros(0, 48, 48, dtype=torch.uint8)
    assert exact_groups(none) == near_groups(none) == []
    assert blank_faces(none).tolist() == []


@pytest.mark.real_data
@pytest.mark.slow
def test_the_real_archive_against_an_independent_count(real_zip, real_faces):
    """The same numbers from the decoded pixels' SHA-256, with nothing of ferturb."""
    groups = defaultdict(list)
    with zipfile.ZipFile(real_zip) as archive:
        for name in archive.namelist():
            with archive.open(name) as file:
                pixels = Image.open(file).tobytes()
            groups[hashlib.sha256(pixels).digest()].append(name)
    copies = [group for group in groups.values() if len(group) > 1]
    trained = [g for g in copies if any(n.startswith("train/") for n in g)]
    leaked = {
        usage: {n for g in trained for n in g if f"/{usage}_" in n}
        for usage in ("PublicTest", "PrivateTest")
    }
    report = audit(real_faces)
    assert {frozenset(g.names) for g in report.exact} == {frozenset(g) for g in copies}
    assert set(report.test_in_training) == leaked["PrivateTest"]
    assert set(report.validation_in_training) == leaked["PublicTest"]
    conflicts = sum(len({n.split("/")[1] for n in g}) > 1 for g in copies)
    summary = report.summary()
    assert summary["conflicting_groups"] == conflicts
    assert summary["redundant_copies"] == sum(len(g) - 1 for g in copies)
    assert summary["duplicate_groups"] == 1516
    assert summary["redundant_copies"] == 1853
    assert summary["test_in_training"] == 288
    assert summary["validation_in_training"] == 280
    assert summary["blank"] == 13
