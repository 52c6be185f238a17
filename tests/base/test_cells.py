"""A cell of a table as a picture: what it is, and why it is none."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferturb.base.cells import picture_of
from ferturb.base.errors import FerturbError

GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)
COLOURS = np.stack([GREY, GREY.T, 255 - GREY], 2)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("cell", [png(GREY), {"bytes": png(GREY), "path": "a.png"}])
def test_an_image_file_is_its_bytes(cell: Any) -> None:
    assert picture_of(cell) == png(GREY)


@pytest.mark.parametrize(
    "cell",
    [
        GREY.tolist(),
        GREY.ravel().tolist(),
        (GREY / 255).tolist(),
        GREY.astype(float).ravel().tolist(),
        (GREY + 0.4).clip(0, 255).tolist(),
        GREY[..., None].tolist(),
        GREY[None].tolist(),
        " ".join(map(str, GREY.ravel())),
        str(GREY.ravel().tolist()),
        GREY.tobytes(),
        {"bytes": GREY.tobytes()},
    ],
)
def test_grey_levels_in_every_form(cell: Any) -> None:
    found = picture_of(cell)
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, GREY)


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_come_first_or_last(channels: int) -> None:
    colours = np.concatenate([COLOURS, COLOURS[..., : channels - 3]], 2)
    np.testing.assert_array_equal(picture_of(colours.tolist()), colours)
    np.testing.assert_array_equal(picture_of(colours.transpose(2, 0, 1).tolist()), colours)


def test_true_is_white() -> None:
    np.testing.assert_array_equal(picture_of((GREY > 99).tolist()), (GREY > 99) * 255)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (None, "got 0"),
        ("", "got 0"),
        ([], "got 0"),
        (5, "got 1"),
        ([1, 2, 3], "got 3"),
        ([[1, 2, 3]], "got 1×3"),
        ([[1, 2], [3]], "rows of different lengths"),
        ("1 2 x 4", "got 'x' at position 3"),
        ("300 1 1 1", "got '300' at position 1"),
        ([300, 1, 1, 1], "from 0 to 255, got 300"),
        ([-0.5, 1, 1, 1], "from 0 to 255, got -0.5"),
        ([255.5, 1, 1, 1], "from 0 to 255, got 255.5"),
        ([float("nan"), 1, 1, 1], "something else than numbers"),
        (["a", "b"], "something else than numbers"),
        ({}, "no image"),
        ({"bytes": None, "path": "a.png"}, "no image bytes, only the path a.png"),
    ],
)
def test_what_is_no_picture_says_why(cell: Any, reason: str) -> None:
    with pytest.raises(FerturbError) as caught:
        picture_of(cell)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
