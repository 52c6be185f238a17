"""The models in the package are as good as their documentation says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ferturb.base.config import DatasetConfig
from ferturb.data.faces import Faces
from ferturb.data.sources import load_faces
from ferturb.predict.shipped import load_pretrained


@pytest.fixture(scope="module")
def private_test() -> Faces:
    path = Path(os.environ.get("FERTURB_DATA", "")) / "fer2013.zip"
    if "FERTURB_DATA" not in os.environ or not path.is_file():
        pytest.skip("set FERTURB_DATA to the folder that holds fer2013.zip")
    return load_faces(DatasetConfig(str(path))).split("test")


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "documented"), [("tiny", 68.6), ("clean", 71.5)])
def test_accuracy_on_private_test_is_the_documented_one(
    private_test: Faces, name: str, documented: float
) -> None:
    """The label head, with the model's own test-time augmentation, to a tenth of a point
    (docs/models.md)."""
    found = load_pretrained(name).predict_heads(private_test.images)["label"].argmax(1)
    accuracy = 100 * float((found == private_test.labels.numpy()).mean())
    assert len(found) == 3589
    assert accuracy == pytest.approx(documented, abs=0.1)
