from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ferturb.base.errors import FerturbError
from ferturb.predict.many.tables import image_column, stored_image


def test_a_cell_is_bytes_or_numbers_or_text() -> None:
    face = np.arange(16, dtype=np.uint8).reshape(4, 4)
    buffer = io.BytesIO()
    Image.fromarray(face).save(buffer, "PNG")
    assert stored_image({"bytes": buffer.getvalue(), "path": "a.png"}) == buffer.getvalue()
    assert stored_image(buffer.getvalue()) == buffer.getvalue()
    for cell in (face.tolist(), face.ravel().tolist(), " ".join(map(str, range(16)))):
        np.testing.assert_array_equal(stored_image(cell), face)


@pytest.mark.parametrize("cell", [None, "", "1 2 x", "1 2 3", "300 1 1 1", [1, 2, 3], {}])
def test_a_cell_without_a_photo_is_one_that_cant_be_read(cell: object) -> None:
    assert stored_image(cell) == b""


def test_the_column_is_the_one_named_or_the_first_usual_one() -> None:
    assert image_column(["age", "pixels", "image"], None, "t") == "image"
    assert image_column(["age", "pixels"], "age", "t") == "age"
    with pytest.raises(FerturbError, match="expected a column x, found age"):
        image_column(["age"], "x", "t")
