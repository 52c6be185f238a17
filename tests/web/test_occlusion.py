from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ferturb.data.drawn.synthetic import draw
from ferturb.evaluation.saliency.methods import occlusion
from ferturb.models import classifier
from ferturb.web.occlusion import MEAN, MEAN_GREY, occlusion_maps


def test_a_model_that_looks_at_one_pixel() -> None:
    def predict(faces: np.ndarray) -> np.ndarray:
        p = faces[:, 20, 30] / 255
        return np.stack([p, 1 - p], 1)

    face = np.full((48, 48), MEAN_GREY, np.uint8)
    face[20, 30] = 255
    up, down = occlusion_maps(predict, face)
    # The windows at row 20 start at 16 and 20, those at column 30 at 24 and 28.
    fall = 1 - MEAN_GREY / 255
    assert np.isclose(up[20, 30], fall)
    assert np.isclose(up.max(), fall)
    assert (np.argwhere(up > 0).min(0) == [16, 24]).all()
    assert (np.argwhere(up > 0).max(0) == [27, 35]).all()
    # Its neighbour 4 rows above is in one window with it of the two at its rows: half the fall.
    assert np.isclose(up[16, 30], fall / 2)
    assert (down == 0).all()


def test_windows_are_the_mean_that_the_classifier_subtracts() -> None:
    assert MEAN == classifier.MEAN


class Toy(nn.Module):
    """A fixed random network of the faces' blurred pixels."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("weights", torch.randn(7, 144, generator=generator) * 0.5)

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(faces, 4).flatten(1) @ self.weights.T


def test_it_is_the_occlusion_of_saliency() -> None:
    face, model = draw(1, seed=2).images, Toy().eval()

    def predict(faces: np.ndarray) -> np.ndarray:
        shown = torch.from_numpy(faces).unsqueeze(1).float() / 255
        return model(shown).softmax(1).detach().numpy()

    found = occlusion_maps(predict, face[0].numpy())
    for emotion in range(7):
        shown = face.unsqueeze(1).float() / 255
        expected = occlusion(model, shown, torch.tensor([emotion]))[0].numpy()
        assert np.abs(found[emotion] - expected).max() < 0.02 * max(expected.max(), 0.01)
