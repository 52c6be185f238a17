from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.feature import hog
from torch import nn

from ferturb.base.config import ModelConfig
from ferturb.data.drawn.synthetic import draw
from ferturb.features.landmarks import find_landmarks
from ferturb.features.points import GROUPS
from ferturb.models.classifier import Classifier
from ferturb.models.hog import HogBlocks
from ferturb.models.hog_landmarks import UPPER, Placed, UpperFace
from ferturb.models.trees import Trees

FACES = draw(24, seed=3).images


@pytest.mark.parametrize("scale", [1.0, 1 / 255])
def test_histograms_are_scikit_images(scale: float) -> None:
    noise = torch.randint(0, 256, (4, 48, 48), generator=torch.Generator().manual_seed(0))
    for images in (FACES[:6], noise, torch.full((1, 48, 48), 9)):
        ours = HogBlocks()(images[:, None].float() * scale).numpy()
        for image, blocks in zip(images.numpy().astype(np.float64) * scale, ours, strict=True):
            theirs = hog(image, 9, (6, 6), (2, 2), block_norm="L2-Hys")
            expected = theirs.reshape(7, 7, 36).transpose(2, 0, 1)
            np.testing.assert_allclose(blocks, expected, atol=2e-4)


def test_a_slope_fills_the_bin_of_its_direction() -> None:
    row, column = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    for degrees in range(5, 180, 20):
        angle = torch.tensor(degrees * torch.pi / 180)
        for sign in (1, -1):
            face = sign * (row * angle.sin() + column * angle.cos())
            middle = HogBlocks()(face[None, None])[0, :, 3, 3].view(4, 9)
            assert middle.argmax(1).unique().tolist() == [degrees // 20]


def test_a_blank_face_has_no_gradient_to_speak_of_and_none_that_is_nan() -> None:
    faces = torch.zeros(1, 1, 48, 48, requires_grad=True)
    HogBlocks()(faces).sum().backward()
    assert faces.grad is not None
    assert torch.isfinite(faces.grad).all()


def test_faces_of_another_side_are_resized() -> None:
    faces = torch.rand(2, 1, 40, 40)
    larger = nn.functional.interpolate(faces, (48, 48), mode="bilinear")
    assert torch.equal(HogBlocks()(faces), HogBlocks()(larger))


def test_trees_by_hand() -> None:
    """Two rounds of seven trees: those of emotion 3 ask first x0, then x1."""
    trees = Trees(rounds=2, leaves=3, depth=2)
    for place in (3, 10):
        trees.feature[place, :2] = torch.tensor([0, 1])
        trees.threshold[place, :2] = torch.tensor([0.5, -1.0])
        trees.left[place, :2] = torch.tensor([1, 3])
        trees.right[place, :2] = torch.tensor([2, 4])
        trees.value[place] = torch.tensor([0.0, 0.0, 5.0, 7.0, 11.0]) * (1 if place == 3 else 10)
    x = torch.tensor([[0.6, -2.0], [0.5, -1.0], [0.5, -0.9], [-3.0, -9.0]])
    expected = torch.zeros(4, 7)
    expected[:, 3] = 11 * torch.tensor([5.0, 7.0, 11.0, 7.0])
    assert torch.equal(trees(x), expected)


@pytest.mark.parametrize(("name", "inputs"), [("hog", 7 * 7 * 36), ("hog-boosted", 7)])
def test_the_linear_layer_alone_has_parameters(name: str, inputs: int) -> None:
    """Trees have numbers, but none that steps could train."""
    assert Classifier(ModelConfig(name)).parameter_count == 7 * inputs + 7


def test_landmarks_are_those_that_are_found_and_placed_by_the_eyes() -> None:
    torch.manual_seed(0)
    network = UpperFace().eval()
    faces = FACES[:, None].float() / 255
    seen, _ = network.landmarks(faces)
    both = find_landmarks(FACES).points  # the mean of the face's and its mirror image's
    assert (seen - both).norm(dim=2).mean() < 0.5
    eyes = [seen[:, list(GROUPS[f"{side}_eye"])].mean(1) for side in ("left", "right")]
    found = Placed()(seen).view(24, -1, 2)
    by_name = {point: found[:, i] for i, point in enumerate(UPPER)}
    for sign, side in ((-1, "left"), (1, "right")):
        middle = torch.stack([by_name[p] for p in GROUPS[f"{side}_eye"]]).mean(0)
        assert torch.allclose(middle.norm(dim=1), torch.tensor(0.5), atol=1e-4)
        assert (sign * middle[:, 0] > 0.4).all()
    shifted = Placed()(1.7 * seen + torch.tensor([3.0, -8.0]))
    torch.testing.assert_close(shifted, found.flatten(1), atol=1e-4, rtol=0)
    assert eyes[0][:, 0].max() < eyes[1][:, 0].min()


def test_the_upper_face_alone_counts_and_landmarks_are_not_trained() -> None:
    torch.manual_seed(0)
    network = Classifier(ModelConfig("hog-landmarks"))
    found = network.backbone.tail.landmarks
    before = {k: v.clone() for k, v in found.state_dict().items()}
    faces = FACES[:, None].float() / 255
    network.train()
    network(faces).log_softmax(1)[:, 1].sum().backward()
    for name, parameter in network.named_parameters():
        trained = "landmarks" not in name
        assert (parameter.grad is not None and bool(parameter.grad.any())) == trained, name
    assert all(torch.equal(v, before[k]) for k, v in found.state_dict().items())
    hog_part = network.eval().backbone.tail
    other = faces.clone()
    other[:, :, 32:] = torch.rand_like(other[:, :, 32:])
    assert torch.equal(hog_part.hog(faces)[:, :, :4], hog_part.hog(other)[:, :, :4])
    assert network.parameter_count == (
        36 * 64 * 9 + 64 * 64 * 9 + 4 * 64 + (64 * 28 + 2 * len(UPPER)) * 128 + 128 + 7 * 129
    )
