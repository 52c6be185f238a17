"""Each corruption against scipy, or against what it means."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from ferturb.evaluation.benchmark import corruptions
from ferturb.evaluation.benchmark.corruptions import CORRUPTIONS
from ferturb.features.masks.keyed_random import KeyedRandom, index_keys

N = 12
RANDOM = KeyedRandom(index_keys(N, 5))


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    """Smooth pictures, so that another way to interpolate differs little."""
    noise = torch.rand(N, 48, 48, generator=torch.Generator().manual_seed(0)).numpy()
    smooth = np.stack([ndimage.gaussian_filter(one, 3) for one in noise])
    return torch.from_numpy((smooth - smooth.min()) / np.ptp(smooth)).float()


def test_blur_is_a_gaussian(faces: torch.Tensor) -> None:
    sigma = corruptions.BLUR * 48
    expected = np.stack(
        [ndimage.gaussian_filter(f, sigma, mode="nearest", radius=3) for f in faces.numpy()]
    )
    assert np.abs(corruptions.blur(faces, RANDOM).numpy() - expected).max() < 1e-4


def test_noise_has_its_strength_and_no_bias(faces: torch.Tensor) -> None:
    added = corruptions.noise(faces, RANDOM) - faces
    assert float(added.mean()) == pytest.approx(0, abs=1e-3)
    assert float(added.std()) == pytest.approx(corruptions.NOISE, rel=0.02)


def test_light_makes_some_faces_darker_and_the_others_brighter(faces: torch.Tensor) -> None:
    found = corruptions.light(faces, RANDOM)
    darker = torch.tensor([bool((a <= b).all()) for a, b in zip(found, faces, strict=True)])
    assert 0 < int(darker.sum()) < N
    assert torch.allclose(found[darker], faces[darker].square(), atol=1e-6)
    assert torch.allclose(found[~darker], faces[~darker].sqrt(), atol=1e-6)


def test_low_resolution_keeps_even_pictures_and_loses_what_is_fine(faces: torch.Tensor) -> None:
    checks = ((torch.arange(48)[:, None] + torch.arange(48)) % 2).float().expand(N, 48, 48)
    assert float((corruptions.low_resolution(checks, RANDOM) - 0.5).abs().max()) < 0.02
    assert float((corruptions.low_resolution(faces, RANDOM) - faces).abs().max()) < 0.08


def test_rotation_turns_by_its_angle_to_either_side(faces: torch.Tensor) -> None:
    found, inner, ways = corruptions.rotation(faces, RANDOM).numpy(), slice(12, 36), set()
    for before, after in zip(faces.numpy(), found, strict=True):
        errors = [
            np.abs(
                ndimage.rotate(before, way * corruptions.TURN, reshape=False, order=1)[inner, inner]
                - after[inner, inner]
            ).max()
            for way in (1, -1)
        ]
        assert min(errors) < 1e-4
        ways.add(int(np.argmin(errors)))
    assert ways == {0, 1}


def test_a_crop_error_moves_and_scales_every_face() -> None:
    dots = torch.zeros(N, 96, 96)
    dots[:, 40:56, 40:56] = 1.0
    found = corruptions.crop_error(dots, RANDOM)
    sizes = found.sum((1, 2)) / 256
    for size in sizes.tolist():
        assert min(abs(size - 1.15**2), abs(size - 1.15**-2)) < 0.05
    centres = np.array([ndimage.center_of_mass(f) for f in found.numpy()]) - 47.5
    away = np.hypot(*centres.T) * np.where(sizes > 1, 1 / 1.15, 1.15)
    assert np.allclose(away, 0.10 * 96, atol=0.5)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_face_is_changed_by_its_own_numbers_alone(name: str, faces: torch.Tensor) -> None:
    together = CORRUPTIONS[name](faces, RANDOM)
    alone = CORRUPTIONS[name](faces[7:8], KeyedRandom(RANDOM.keys[7:8]))
    assert float((together[7] - alone[0]).abs().max()) < 1e-6
    assert not torch.equal(together, faces)
