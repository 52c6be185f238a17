"""The votes' majority, label and distribution, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ferturb.base.config import DatasetConfig, VotesConfig
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.data.fer_plus import IMAGES, image_numbers
from ferturb.data.votes import distribution, fer_plus_labels
from ferturb.features import altered

VOTES = np.array(
    [
        [0, 6, 2, 0, 0, 0, 0, 0, 1, 1],  # happiness 6, surprise 2
        [1, 1, 0, 0, 2, 0, 0, 6, 0, 0],  # contempt
        [0, 0, 0, 0, 0, 0, 0, 0, 8, 2],  # unknown
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],  # nobody was asked
        [0, 0, 0, 4, 4, 0, 0, 0, 2, 0],  # no majority
    ]
)
HAPPY, SURPRISE, ANGRY, SAD, NEUTRAL = (
    EMOTIONS.index(e) for e in ("happy", "surprise", "angry", "sad", "neutral")
)


def shares(**named: float) -> list[float]:
    return [named.get(emotion, 0.0) for emotion in EMOTIONS]


def test_labels_of_the_authors_protocol() -> None:
    assert fer_plus_labels(VOTES).tolist() == [HAPPY, 7, -1, -1, -1]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            VotesConfig(),
            [
                shares(happy=0.75, surprise=0.25),
                shares(angry=1.0),
                shares(),
                shares(),
                shares(angry=0.5, sad=0.5),
            ],
        ),
        (
            VotesConfig(single_votes="keep"),
            [
                shares(happy=0.75, surprise=0.25),
                shares(neutral=0.25, happy=0.25, angry=0.5),
                shares(),
                shares(),
                shares(angry=0.5, sad=0.5),
            ],
        ),
        (
            VotesConfig(others="weigh"),
            [
                shares(happy=0.75, surprise=0.25),
                shares(angry=0.25),
                shares(),
                shares(),
                shares(angry=0.4, sad=0.4),
            ],
        ),
        (
            VotesConfig(others="spread"),
            [
                shares(happy=0.75, surprise=0.25),
                [6 / 8 / 7 + (2 / 8 if e == ANGRY else 0) for e in range(7)],
                [1 / 7] * 7,
                shares(),
                [2 / 10 / 7 + (4 / 10 if e in (ANGRY, SAD) else 0) for e in range(7)],
            ],
        ),
    ],
)
def test_distributions_by_hand(config: VotesConfig, expected: list[list[float]]) -> None:
    np.testing.assert_allclose(distribution(VOTES, config), expected, atol=1e-12)


def test_the_assignment_has_every_file_of_the_archive_and_no_image_twice() -> None:
    with np.load(IMAGES, allow_pickle=False) as arrays:
        sizes, images, labels = arrays["sizes"], arrays["images"], arrays["labels"]
    assert sizes.tolist() == [28709, 3589, 3589]
    assert np.bincount(labels[:28709]).tolist() == [3995, 436, 4097, 7215, 4830, 3171, 4965]
    named = images[images != 2**16 - 1]
    assert len(named) == len(set(named.tolist())) == 35709


def archive(faces: Faces, names: list[str]) -> Faces:
    return replace(faces.select(torch.arange(len(names))), names=tuple(names))


def test_names_lead_to_images(toy_faces: Faces) -> None:
    plain = archive(toy_faces, ["a/fer0000007.png", "fer0035801.jpg"])
    assert image_numbers(plain).tolist() == [7, 35801]
    kaggle = archive(
        toy_faces,
        [
            "train/angry/Training_1426440.jpg",
            "x/train/neutral/Training_53427.png",
            "Training_20326127.jpg",
        ],
    )
    found = image_numbers(kaggle)
    assert found is not None
    assert found[[0, 2]].tolist() == [0, 1]
    assert image_numbers(archive(toy_faces, ["Training_1.jpg", "Training_2.jpg"])) is None
    assert image_numbers(archive(toy_faces, ["a/1.png"])) is None


def voted(faces: Faces) -> Faces:
    """Everyone calls a face what its label says."""
    votes = torch.zeros(len(faces), 10, dtype=torch.uint8)
    places = torch.tensor([4, 5, 6, 1, 3, 2, 0])[faces.labels]
    votes[torch.arange(len(faces)), places] = 10
    return replace(faces, votes=votes)


def test_votes_go_with_their_faces(toy_faces: Faces, tmp_path) -> None:
    faces = voted(toy_faces)
    assert faces.content_hash() == toy_faces.content_hash()
    chosen = faces.select(torch.tensor([5, 3]))
    assert chosen.votes is not None
    assert chosen.votes.argmax(1).tolist() == [2, 1]
    faces.save(tmp_path / "faces")
    assert torch.equal(Faces.load(tmp_path / "faces").votes, faces.votes)
    toy_faces.save(tmp_path / "plain")
    assert Faces.load(tmp_path / "plain").votes is None


@pytest.mark.usefixtures("no_shape_checks")
def test_every_face_needs_its_row_of_votes(toy_faces: Faces) -> None:
    with pytest.raises(FerturbError, match="one of votes per image"):
        replace(toy_faces, votes=torch.zeros(5, 10, dtype=torch.uint8))


def test_altered_faces_keep_their_votes(toy_faces: Faces, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path))
    config = DatasetConfig(left_out="mouth")
    plain = altered.alter_cached(toy_faces, config)
    faces = altered.alter_cached(voted(toy_faces), config)
    assert plain.votes is None
    assert torch.equal(faces.votes, voted(toy_faces).votes)
    assert torch.equal(faces.images, plain.images)
