from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ferturb.base.errors import FerturbError
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.data.faces import Faces
from ferturb.features.landmarks import find_landmarks
from ferturb.features.regions import region
from ferturb.features.removal import FILLS, leave_out, remove, without

NAMES = sorted(FILLS)


@pytest.fixture
def faces() -> Tensor:
    return torch.rand(6, 1, 20, 24, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def keep() -> Tensor:
    keep = torch.rand(6, 20, 24, generator=torch.Generator().manual_seed(2)) > 0.1
    keep[:, 5:12, 8:17] = False
    return keep


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


@pytest.mark.parametrize("fill", NAMES)
def test_leaving_out_nothing_changes_nothing(faces: Tensor, fill: str) -> None:
    assert torch.equal(remove(faces, torch.ones(6, 20, 24, dtype=torch.bool), fill), faces)


@pytest.mark.parametrize("fill", NAMES)
def test_bytes_without_a_region_are_the_fills_rounded(fill: str) -> None:
    images = torch.randint(0, 256, (4, 20, 24), generator=generator()).to(torch.uint8)
    region = torch.rand(4, 20, 24, generator=generator()) < 0.3
    left = without(images, region, fill, generator())
    expected = remove(images[:, None].float() / 255, ~region, fill, generator())[:, 0] * 255
    assert torch.equal(left[~region], images[~region])
    assert float((left[region].float() - expected[region]).abs().max()) <= 0.5


@pytest.mark.parametrize("fill", NAMES)
def test_kept_pixels_keep_their_bits_and_all_stay_in_range(
    faces: Tensor, keep: Tensor, fill: str
) -> None:
    left = remove(faces, keep, fill, generator())
    assert torch.equal(left[keep.unsqueeze(1)], faces[keep.unsqueeze(1)])
    assert 0 <= float(left.min()) <= float(left.max()) <= 1
    assert bool((left != faces)[~keep.unsqueeze(1)].float().mean() > 0.95)


@pytest.mark.parametrize("fill", NAMES)
def test_nothing_of_what_is_left_out_shows(faces: Tensor, keep: Tensor, fill: str) -> None:
    other = torch.where(keep.unsqueeze(1), faces, 1 - faces)
    assert torch.equal(
        remove(faces, keep, fill, generator()), remove(other, keep, fill, generator())
    )


@pytest.mark.parametrize("fill", NAMES)
def test_leaving_out_everything_leaves_the_same_for_every_face(faces: Tensor, fill: str) -> None:
    nothing = remove(faces, torch.zeros(6, 20, 24, dtype=torch.bool), fill)
    assert torch.equal(nothing, torch.full_like(faces, 0.0 if fill == "black" else 0.5))


@pytest.mark.parametrize("fill", NAMES)
def test_a_face_of_one_shade_is_continued(fill: str, keep: Tensor) -> None:
    plain = torch.full((6, 1, 20, 24), 0.3)
    expected = torch.where(keep.unsqueeze(1), 0.3, 0.0) if fill == "black" else plain
    torch.testing.assert_close(remove(plain, keep, fill, generator()), expected)


def test_mean_by_hand() -> None:
    face = torch.tensor([[[[0.1, 0.2], [0.6, 0.9]]]])
    keep = torch.tensor([[[True, True], [True, False]]])
    assert float(remove(face, keep, "mean")[0, 0, 1, 1]) == pytest.approx(0.3)


def test_noise_has_the_mean_and_deviation_of_what_is_kept() -> None:
    generator = torch.Generator().manual_seed(3)
    face = 0.45 + 0.06 * torch.randn(1, 1, 200, 200, generator=generator)
    keep = torch.zeros(1, 200, 200, dtype=torch.bool)
    keep[:, :100] = True
    filled = remove(face, keep, "noise", generator)[..., 100:, :]
    assert float(filled.mean()) == pytest.approx(float(face[..., :100, :].mean()), abs=0.002)
    assert float(filled.std()) == pytest.approx(float(face[..., :100, :].std()), abs=0.002)


def test_noise_follows_its_generator(faces: Tensor, keep: Tensor) -> None:
    first = remove(faces, keep, "noise", generator())
    assert torch.equal(first, remove(faces, keep, "noise", generator()))
    assert not torch.equal(first, remove(faces, keep, "noise", torch.Generator().manual_seed(8)))


def test_blur_is_the_weighted_mean_of_kept_pixels(faces: Tensor, keep: Tensor) -> None:
    blurred = remove(faces, keep, "blur")
    rows, columns = np.mgrid[:20, :24]
    for row, column in ((8, 12), (5, 8), (11, 16)):
        squares = (rows - row) ** 2 + (columns - column) ** 2
        weight = np.exp(-squares / (2 * (24 / 8) ** 2)) * keep[4].numpy()
        expected = (weight * faces[4, 0].numpy()).sum() / weight.sum()
        assert float(blurred[4, 0, row, column]) == pytest.approx(expected, abs=1e-5)


def test_inpainting_solves_laplaces_equation(faces: Tensor, keep: Tensor) -> None:
    filled = remove(faces, keep, "inpaint")
    for k in range(6):
        expected = harmonic(faces[k, 0].double().numpy(), keep[k].numpy())
        np.testing.assert_allclose(filled[k, 0].numpy(), expected, atol=2e-3)


def test_inpainting_a_large_hole_at_the_edge_of_a_face() -> None:
    face = torch.rand(1, 1, 48, 48, generator=torch.Generator().manual_seed(4))
    keep = torch.ones(1, 48, 48, dtype=torch.bool)
    keep[:, 24:, :] = False
    expected = harmonic(face[0, 0].double().numpy(), keep[0].numpy())
    np.testing.assert_allclose(remove(face, keep, "inpaint")[0, 0].numpy(), expected, atol=5e-3)


def harmonic(face: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """An independent solution: one dense linear system, each free pixel its neighbours' mean."""
    free = np.argwhere(~keep)
    number = {tuple(place): i for i, place in enumerate(free)}
    matrix, right = np.zeros((len(free), len(free))), np.zeros(len(free))
    for (row, column), i in number.items():
        for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if not (0 <= r < face.shape[0] and 0 <= c < face.shape[1]):
                continue
            matrix[i, i] += 1
            if keep[r, c]:
                right[i] += face[r, c]
            else:
                matrix[i, number[r, c]] -= 1
    solved = face.copy()
    solved[~keep] = np.linalg.solve(matrix, right)
    return solved


@pytest.fixture(scope="module")
def people() -> Faces:
    return synthetic_faces(35, seed=5)


@pytest.mark.parametrize("fill", NAMES)
def test_leaving_a_feature_out_of_a_dataset(people: Faces, fill: str) -> None:
    landmarks = find_landmarks(people.images)
    mouth = region(landmarks.points, "mouth")
    left = leave_out(people, "mouth", fill, landmarks)
    assert torch.equal(left.images[~mouth], people.images[~mouth])
    assert float((left.images != people.images)[mouth].float().mean()) > 0.8
    assert torch.equal(left.labels, people.labels)
    assert left.names == people.names
    assert left.source == f"{people.source}, mouth left out ({fill})"
    record = left.info["left_out"]
    assert (record["feature"], record["fill"], record["seed"]) == ("mouth", fill, 0)
    assert record["confidence"] == pytest.approx(landmarks.confidence.tolist(), abs=1e-4)


def test_the_two_halves_left_out_add_up_to_the_face(people: Faces) -> None:
    upper = leave_out(people, "lower_face", "black").images
    lower = leave_out(people, "upper_face", "black").images
    assert torch.equal(upper + lower, people.images)


def test_the_same_seed_gives_the_same_dataset_on_disk_and_back(
    people: Faces, tmp_path: Path
) -> None:
    left = leave_out(people, "eyes", "noise", seed=3)
    assert torch.equal(left.images, leave_out(people, "eyes", "noise", seed=3).images)
    assert not torch.equal(left.images, leave_out(people, "eyes", "noise", seed=4).images)
    left.save(tmp_path / "faces.safetensors")
    assert Faces.load(tmp_path / "faces.safetensors").info == left.info


def test_bad_input_says_what_is_wrong(people: Faces) -> None:
    with pytest.raises(FerturbError, match="unknown fill 'pink'; known: black, mean, blur"):
        leave_out(people, "mouth", "pink")
    with pytest.raises(FerturbError, match="unknown facial feature 'ear'"):
        leave_out(people, "ear", "mean")
    with pytest.raises(FerturbError, match="35 faces, 2 landmarks"):
        leave_out(people, "mouth", "mean", find_landmarks(people.images[:2]))
    with pytest.raises(FerturbError, match="unknown fill 'pink'"):
        remove(torch.zeros(1, 1, 4, 4), torch.ones(1, 4, 4, dtype=torch.bool), "pink")
