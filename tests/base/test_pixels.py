from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from ferturb.base.pixels import as_bytes, as_images, as_input, luma


def test_every_grey_level_survives_the_way_there_and_back() -> None:
    levels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    faces = as_input(levels)
    assert faces.shape == (1, 1, 16, 16)
    assert (float(faces.min()), float(faces.max())) == (0.0, 1.0)
    assert torch.equal(as_bytes(faces[:, 0]), levels)
    assert levels[0, 0, 1] == 1  # the images themselves stay
    assert as_bytes(torch.tensor([[0.5, 0.4999]])).tolist() == [[128, 127]]


def test_colour_goes_to_numbers_and_back_and_grey_is_pillows() -> None:
    images = torch.randint(0, 256, (5, 3, 9, 7), dtype=torch.uint8)
    faces = as_input(images)
    assert faces.shape == (5, 3, 9, 7)
    assert torch.equal(as_images(faces), images)
    assert torch.equal(as_images(as_input(images[:, 0])), images[:, 0])
    shown = [Image.fromarray(face.permute(1, 2, 0).numpy()).convert("L") for face in images]
    assert torch.equal(luma(images), torch.from_numpy(np.stack([np.asarray(i) for i in shown])))
    assert torch.equal(luma(images[:, 1]), images[:, 1])
