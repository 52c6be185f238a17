"""A run's faces: altered as the config says, from the cache the second time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.data.drawn.synthetic import draw, synthetic_faces
from ferturb.data.faces import Faces
from ferturb.data.readers.fer2013 import write_folder
from ferturb.data.sources import load_faces
from ferturb.features import altered as datasets
from ferturb.features.altered import alter, landmarks_of, load_dataset
from ferturb.features.landmarks import Landmarks
from ferturb.features.masks.mask_fer import mask_faces, write_mask_fer
from ferturb.features.regions import regions
from ferturb.features.removal import leave_out

N = 70


@pytest.fixture
def faces() -> Faces:
    return synthetic_faces(N, seed=2)


@pytest.fixture
def landmarks() -> Landmarks:
    return Landmarks(draw(N, seed=2).landmarks, torch.ones(N), ("network",) * N)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path: Path, faces: Faces) -> DatasetConfig:
    write_folder(faces, tmp_path / "faces")
    return DatasetConfig(str(tmp_path / "faces"))


def test_alterations_are_those_of_the_parts_they_are_made_of(
    faces: Faces, landmarks: Landmarks
) -> None:
    masked, _ = mask_faces(faces, "mixed", 4, landmarks)
    told: list[tuple[int, int]] = []
    got = alter(
        faces,
        DatasetConfig(face_masks="mixed", alteration_seed=4),
        landmarks,
        lambda *a: told.append(a),
    )
    assert torch.equal(got.images, masked.images)
    assert (got.names, got.notes, got.source) == (masked.names, masked.notes, masked.source)
    assert [total for _, total in told] == [70] * len(told)
    assert sorted(told) == told
    assert told[-1] == (70, 70)
    without = leave_out(faces, "mouth", "noise", landmarks, 4)
    config = DatasetConfig(left_out="mouth", left_out_fill="noise", alteration_seed=4)
    assert torch.equal(alter(faces, config, landmarks).images, without.images)
    both = alter(faces, replace(config, face_masks="mixed"), landmarks)
    expected = leave_out(masked, "mouth", "noise", landmarks, 4)
    assert torch.equal(both.images, expected.images)


def test_a_control_leaves_out_as_many_pixels_elsewhere(faces: Faces, landmarks: Landmarks) -> None:
    white = replace(faces, images=torch.full_like(faces.images, 200))
    mouths = regions(landmarks.points, (48, 48), ("mouth", "face"))
    got = leave_out(white, "mouth", "black", landmarks, 1, control=True)
    gone = got.images == 0
    assert torch.equal(gone.flatten(1).sum(1), mouths["mouth"].flatten(1).sum(1))
    assert not (gone & ~mouths["face"]).any()
    overlap = (gone & mouths["mouth"]).sum() / gone.sum()
    assert overlap < 0.5
    assert torch.equal(got.images[~gone], white.images[~gone])
    again = leave_out(white, "mouth", "black", landmarks, 1, control=True)
    other = leave_out(white, "mouth", "black", landmarks, 2, control=True)
    assert torch.equal(got.images, again.images)
    assert not torch.equal(got.images, other.images)


def test_fer2013_altered_is_fer2013_no_longer(
    source: DatasetConfig, cache: Path, tmp_path: Path
) -> None:
    plain = load_dataset(source)
    assert plain.kind == "folder"
    for change, kind in (
        ({"face_masks": "n95"}, "maskfer"),
        ({"left_out": "eyes"}, "left-out"),
        ({"face_masks": "cloth", "left_out": "eyes"}, "left-out"),
    ):
        altered = load_dataset(replace(source, **change))  # type: ignore[arg-type]
        assert altered.kind == kind
        assert altered.names == plain.names
        assert torch.equal(altered.labels, plain.labels)
    masked, records = mask_faces(plain, "mixed", 0)
    write_mask_fer(masked, records, tmp_path / "written")
    assert load_faces(DatasetConfig(str(tmp_path / "written"))).kind == "maskfer"
    again = load_dataset(DatasetConfig(str(tmp_path / "written"), left_out="nose"))
    assert again.kind == "left-out"
    drawn = load_dataset(DatasetConfig(synthetic_faces=70, face_masks="n95"))
    assert drawn.kind == "synthetic"


def test_what_was_made_once_comes_from_the_cache(
    source: DatasetConfig, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(source, face_masks="mixed")
    made = load_dataset(config)
    assert torch.equal(made.images, load_dataset(config, cache=False).images)
    with monkeypatch.context() as patch:
        patch.setattr(datasets, "alter", lambda *_: pytest.fail("made again"))
        cached = load_dataset(config)
        assert torch.equal(cached.images, made.images)
        assert (cached.kind, cached.notes, cached.info) == (made.kind, made.notes, made.info)
    for other in (
        replace(config, alteration_seed=1),
        replace(config, face_masks="n95"),
        replace(source, left_out="mouth"),
        replace(source, left_out="mouth", left_out_control=True),
    ):
        assert not torch.equal(load_dataset(other).images, made.images)
    monkeypatch.setattr(datasets, "_version", lambda: "another version of the programs")
    calls: list[int] = []
    monkeypatch.setattr(datasets, "alter", lambda *_: calls.append(1) or made)  # type: ignore[func-returns-value]
    load_dataset(config)
    assert calls == [1]


def test_landmarks_are_found_once(
    faces: Faces, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "_WORTH_KEEPING", 10)
    found = landmarks_of(faces)
    whole = datasets.find_landmarks(faces.images)
    assert torch.equal(found.points, whole.points)
    monkeypatch.setattr(datasets, "find_landmarks", lambda _: pytest.fail("found again"))
    known = landmarks_of(faces)
    assert torch.equal(known.points, found.points)
    assert torch.equal(known.confidence, found.confidence)
    assert known.source == found.source
    (path,) = cache.glob("landmarks-*")
    path.write_bytes(path.read_bytes()[:100])  # a damaged cache is only slow
    monkeypatch.undo()
    monkeypatch.setenv("FERTURB_CACHE", str(cache))
    assert torch.equal(landmarks_of(faces).points, found.points)


def test_landmarks_that_other_programs_found_count_for_nothing(
    faces: Faces, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "_WORTH_KEEPING", 10)
    landmarks_of(faces)
    monkeypatch.setattr(datasets, "FOUND_BY", datasets.FOUND_BY[1:])
    landmarks_of(faces)
    assert len(list(cache.glob("landmarks-*"))) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"face_masks": "veil"}, "unknown kind of face mask 'veil'"),
        ({"left_out": "mouht"}, "unknown facial feature 'mouht': did you mean 'mouth'"),
        ({"left_out": "mouth", "left_out_fill": "grey"}, "unknown fill 'grey'"),
        ({"left_out_control": True}, "give the feature as left_out"),
    ],
)
def test_unknown_names_fail_at_once(
    change: dict[str, str | bool], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "load_faces", lambda *_: pytest.fail("read first"))
    with pytest.raises(FerturbError, match=words) as caught:
        load_dataset(DatasetConfig(**change))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
