from __future__ import annotations

import pytest

from ferturb.base.errors import FerturbError
from ferturb.predict.many.tables import image_column


def test_the_column_is_the_one_named_or_the_first_usual_one() -> None:
    assert image_column(["age", "pixels", "image"], None, "t") == "image"
    assert image_column(["age", "pixels"], "age", "t") == "age"
    with pytest.raises(FerturbError, match="expected a column x, found age"):
        image_column(["age"], "x", "t")
