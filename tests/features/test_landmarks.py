from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ferturb.base.errors import FerturbError
from ferturb.base.tensors import save_tensors
from ferturb.data.drawn.synthetic import draw
from ferturb.features.landmark_network import LandmarkNetwork
from ferturb.features.landmarks import (
    FORMAT,
    WEIGHTS,
    Calibration,
    Found,
    Landmarks,
    complete,
    confidence_of,
    find_landmarks,
    load_model,
    look,
    mirror,
    shipped_model,
)
from ferturb.features.points import COUNT, IBUG, INNER, MESH


@pytest.fixture(scope="module")
def drawn() -> tuple[Tensor, Tensor]:
    faces = draw(70, seed=11)
    return faces.images, faces.landmarks


def untrained(seed: int) -> LandmarkNetwork:
    """A network whose every layer does something, in evaluation mode."""
    torch.manual_seed(seed)
    network = LandmarkNetwork(COUNT)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.2)
    return network.eval()


def test_the_weights_take_less_than_a_megabyte() -> None:
    assert WEIGHTS.stat().st_size < 1_000_000


def test_drawn_faces_which_it_never_saw_are_found(drawn: tuple[Tensor, Tensor]) -> None:
    images, truth = drawn
    found = find_landmarks(images)
    error = (found.points[:, list(INNER)] - truth[:, list(INNER)]).norm(dim=2)
    assert float(error.median()) < 1.4
    assert set(found.source) == {"network"}
    assert float(found.confidence.median()) > 0.5


def test_a_mirrored_face_has_mirrored_landmarks(drawn: tuple[Tensor, Tensor]) -> None:
    images, _ = drawn
    found, flipped = find_landmarks(images), find_landmarks(images.flip(2))
    torch.testing.assert_close(mirror(flipped.points, 48), found.points, atol=2e-3, rtol=0)
    torch.testing.assert_close(flipped.confidence, found.confidence, atol=2e-3, rtol=0)


def test_a_face_has_the_same_landmarks_in_any_company(drawn: tuple[Tensor, Tensor]) -> None:
    images, _ = drawn
    alone = find_landmarks(images[7:8])
    torch.testing.assert_close(alone.points, find_landmarks(images).points[7:8], atol=2e-3, rtol=0)


def test_points_come_in_the_pixels_of_the_faces_given(drawn: tuple[Tensor, Tensor]) -> None:
    images, _ = drawn
    large = images.repeat_interleave(2, 1).repeat_interleave(2, 2)
    expected = (find_landmarks(images).points + 0.5) * 2 - 0.5
    apart = (find_landmarks(large).points - expected).norm(dim=2)
    assert float(apart.median()) < 0.5  # of 96 pixels: resizing softens a little
    assert float((expected - find_landmarks(images).points).norm(dim=2).median()) > 20


def test_nothing_to_see_gives_the_mean_shape_and_drops_no_face(
    drawn: tuple[Tensor, Tensor],
) -> None:
    images = torch.cat([drawn[0][:2], torch.full((2, 48, 48), 90, dtype=torch.uint8)])
    found = find_landmarks(images)
    assert found.source == ("network", "network", "mean shape", "mean shape")
    assert found.confidence[2:].tolist() == [0.0, 0.0]
    assert torch.equal(found.points[3], shipped_model().mean_shape)
    assert len(find_landmarks(images[:0])) == 0


def test_faces_are_trusted_more_than_noise(drawn: tuple[Tensor, Tensor]) -> None:
    noise = torch.randint(256, (20, 48, 48), generator=torch.Generator().manual_seed(0))
    trusted = find_landmarks(drawn[0]).confidence
    assert float(find_landmarks(noise.to(torch.uint8)).confidence.max()) < 0.3
    assert float(trusted.quantile(0.1)) > 0.3


def test_confidence_by_hand() -> None:
    found = Found(torch.zeros(2, COUNT, 2), torch.tensor([1.0, 2.0]), torch.tensor([0.95, 0.95]))
    chance = confidence_of(found, Calibration(bias=1.0, error=-2.0, mirror=5.0, least=0.0))
    expected = [1 / (1 + np.exp(-1.0)), 1 / (1 + np.exp(-1.0 + 2 * np.log(2.0)))]
    assert chance.tolist() == pytest.approx(expected, abs=1e-6)


def test_below_the_least_confidence_a_face_gets_the_mean_shape(
    drawn: tuple[Tensor, Tensor],
) -> None:
    model = shipped_model()
    strict = model._replace(calibration=model.calibration._replace(least=1.1))
    found = find_landmarks(drawn[0][:3], strict)
    assert found.source == ("mean shape",) * 3
    assert torch.equal(found.points, model.mean_shape.expand(3, -1, -1))


def test_a_saved_model_says_the_same_with_its_normalisations_folded_in(
    tmp_path: Path, drawn: tuple[Tensor, Tensor]
) -> None:
    network = untrained(3)
    shape = torch.rand(COUNT, 2) * 48
    calibration = {"bias": 1.0, "error": -1.0, "mirror": 0.0, "least": 0.1}
    save_tensors(
        tmp_path / "model.safetensors",
        {**network.state_dict(), "mean_shape": shape},
        {"format": FORMAT, "points": COUNT, "calibration": calibration},
    )
    loaded = load_model(tmp_path / "model.safetensors")
    assert not any(isinstance(m, nn.BatchNorm2d) for m in loaded.network.modules())
    assert loaded.calibration == Calibration(1.0, -1.0, 0.0, 0.1)
    assert torch.equal(loaded.mean_shape, shape)
    before, after = look(network, drawn[0][:5]), look(loaded.network, drawn[0][:5])
    spread = float(before.points.std())
    assert float((before.points - after.points).abs().max()) < 0.01 * spread
    torch.testing.assert_close(after.error, before.error, rtol=0.01, atol=0.0)


def test_the_68_points_can_be_completed() -> None:
    mean = shipped_model().mean_shape
    turn = torch.tensor([[0.8, -0.5], [0.6, 0.9]])
    truth = mean @ turn + torch.tensor([3.0, -7.0])
    whole = complete(truth[None, :IBUG])
    torch.testing.assert_close(whole[0], truth, atol=1e-3, rtol=0)
    bent = truth[None, :IBUG].clone()
    bent[0, 30] += 1.0
    assert torch.equal(complete(bent)[0, :IBUG], bent[0])


def test_selecting_faces(drawn: tuple[Tensor, Tensor]) -> None:
    images = torch.cat([drawn[0][:2], torch.zeros(1, 48, 48, dtype=torch.uint8)])
    part = find_landmarks(images).select(torch.tensor([2, 0]))
    assert part.source == ("mean shape", "network")
    assert float(part.confidence[0]) == 0.0


def test_bad_input_says_what_is_wrong(tmp_path: Path, no_shape_checks: None) -> None:
    with pytest.raises(FerturbError, match=r"0 … 255 grey, or .* RGB, got float32"):
        find_landmarks(torch.zeros(2, 48, 48))
    with pytest.raises(FerturbError, match="one confidence and one source a face"):
        Landmarks(torch.zeros(2, COUNT, 2), torch.zeros(1), ("network",))
    save_tensors(tmp_path / "other.safetensors", {"a": torch.zeros(1)}, {"format": "other"})
    with pytest.raises(FerturbError, match="no landmark network of this version"):
        load_model(tmp_path / "other.safetensors")


@pytest.mark.real_data
@pytest.mark.slow
def test_trusted_labels_of_the_validation_split_are_met(real_zip: Path, real_faces: Faces) -> None:
    table = real_zip.with_name("fer2013_landmarks.npz")
    if not table.is_file():
        pytest.skip("FERTURB_DATA names no folder with fer2013_landmarks.npz")
    faces = real_faces.split("validation")
    labels = np.load(table)
    row = {name: i for i, name in enumerate(labels["names"].tolist())}
    rows = np.array([row[name] for name in faces.names])
    trusted = (labels["score"][rows] > 0.9) & (labels["spread"][rows] < 1)
    chosen = torch.from_numpy(np.flatnonzero(trusted)[::8])
    truth = torch.from_numpy(labels["points"][rows[chosen]][:, list(MESH)].astype(np.float32))
    found = find_landmarks(faces.select(chosen).images)
    error = (found.points - truth)[:, list(INNER)].norm(dim=2).flatten()
    assert float(error.median()) <= 1.0
    assert float(error.quantile(0.9)) <= 2.0


@pytest.mark.usefixtures("no_shape_checks")
def test_numpy_faces_will_do() -> None:
    images = draw(2, seed=3).images
    found = find_landmarks(images.numpy())  # type: ignore[arg-type]
    assert found.points.equal(find_landmarks(images).points)
