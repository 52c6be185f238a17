from __future__ import annotations

import torch

from ferturb.base.pixels import as_bytes, as_input


def test_every_grey_level_survives_the_way_there_and_back() -> None:
    levels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    faces = as_input(levels)
    assert faces.shape == (1, 1, 16, 16)
    assert (float(faces.min()), float(faces.max())) == (0.0, 1.0)
    assert torch.equal(as_bytes(faces[:, 0]), levels)
    assert levels[0, 0, 1] == 1  # the images themselves stay
    assert as_bytes(torch.tensor([[0.5, 0.4999]])).tolist() == [[128, 127]]
