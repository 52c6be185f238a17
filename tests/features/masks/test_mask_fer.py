from __future__ import annotations

import csv
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from ferturb.base.errors import FerturbError
from ferturb.data.drawn.synthetic import draw, synthetic_faces
from ferturb.data.faces import SPLITS, Faces
from ferturb.data.sources import load_source
from ferturb.features.landmarks import Landmarks
from ferturb.features.masks import mask_fer
from ferturb.features.masks.mask_fer import mask_faces, write_mask_fer

N = 70


@pytest.fixture
def faces() -> Faces:
    return synthetic_faces(N, seed=2)


@pytest.fixture
def landmarks() -> Landmarks:
    confidence = torch.linspace(0.2, 1.0, N)
    return Landmarks(draw(N, seed=2).landmarks, confidence, ("network",) * (N - 1) + ("given",))


def test_everything_but_the_pixels_stays(faces: Faces, landmarks: Landmarks) -> None:
    masked, records = mask_faces(faces, "mixed", 3, landmarks)
    assert torch.equal(masked.labels, faces.labels)
    assert torch.equal(masked.splits, faces.splits)
    assert masked.names == faces.names == tuple(record.name for record in records)
    assert masked.kind == faces.kind
    assert masked.source == f"MaskFer of {faces.source}"
    assert masked.notes == (*faces.notes, "face masks drawn on every face: kind mixed, seed 3")
    assert masked.info["face_masks"] == {"kind": "mixed", "seed": 3}
    assert (masked.images != faces.images).flatten(1).any(1).all()
    assert {record.kind for record in records} == {"surgical", "cloth", "n95"}
    assert records[0].confidence == pytest.approx(0.2, abs=1e-4)
    assert [record.landmarks for record in records[-2:]] == ["network", "given"]
    assert all(record.seed == 3 for record in records)


def test_a_split_masked_alone_is_the_split_of_the_masked_whole(
    faces: Faces, landmarks: Landmarks
) -> None:
    whole, _ = mask_faces(faces, "mixed", 1, landmarks)
    again, _ = mask_faces(faces, "mixed", 1, landmarks)
    assert torch.equal(whole.images, again.images)
    for code, split in enumerate(SPLITS):
        index = (faces.splits == code).nonzero().flatten()
        part, _ = mask_faces(faces.split(split), "mixed", 1, landmarks.select(index))
        assert torch.equal(part.images, whole.split(split).images)
    other, _ = mask_faces(faces, "mixed", 2, landmarks)
    assert not torch.equal(other.images, whole.images)


def test_landmarks_are_found_when_none_are_given(
    faces: Faces, landmarks: Landmarks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mask_fer, "find_landmarks", lambda images: landmarks)
    found, records = mask_faces(faces, "surgical", 0)
    given, same = mask_faces(faces, "surgical", 0, landmarks)
    assert torch.equal(found.images, given.images)
    assert records == same


def test_written_mask_fer_loads_like_fer2013(
    faces: Faces, landmarks: Landmarks, tmp_path: Path
) -> None:
    masked, records = mask_faces(faces, "mixed", 5, landmarks)
    write_mask_fer(masked, records, tmp_path / "maskfer")
    loaded = load_source(tmp_path / "maskfer")
    assert loaded.kind == "maskfer"
    assert loaded.counts() == faces.counts()
    with (tmp_path / "maskfer" / "records.csv").open(newline="") as file:
        read = {row["name"]: row for row in csv.DictReader(file)}
    assert set(loaded.names) == set(read)
    order = [list(read).index(name) for name in loaded.names]
    assert torch.equal(loaded.images, masked.images[torch.tensor(order)])
    for name, i in zip(loaded.names, order, strict=True):
        assert read[name] == {k: str(v) for k, v in asdict(records[i]).items()} | {"name": name}
    assert [path.name for path in tmp_path.iterdir()] == ["maskfer"]


def test_errors_say_what_to_do(faces: Faces, landmarks: Landmarks, tmp_path: Path) -> None:
    with pytest.raises(FerturbError, match="unknown kind of face mask 'veil'"):
        mask_faces(faces, "veil", 0)
    masked, records = mask_faces(faces, "cloth", 0, landmarks)
    with pytest.raises(FerturbError, match="one record a face: 70 faces, 69 records"):
        write_mask_fer(masked, records[1:], tmp_path / "new")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "mine.txt").write_text("mine")
    with pytest.raises(FerturbError, match="old already exists"):
        write_mask_fer(masked, records, tmp_path / "old")
