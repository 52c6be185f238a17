"""The models in the package are as good as their documentation says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ferturb.data.faces import Faces
from ferturb.predict.shipped import load_pretrained

KEPT = Path(__file__).parents[2] / "results" / "logits" / "shipped"


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "documented"), [("tiny", 68.6), ("clean", 71.5)])
def test_accuracy_on_private_test_is_the_documented_one(
    real_faces: Faces, name: str, documented: float
) -> None:
    """The label head, with the model's own test-time augmentation, to a tenth of a point
    (docs/models.md): what was kept of all faces, and the model's answer to every eighth now."""
    with np.load(KEPT / f"{name}.npz") as kept:
        said = kept["label_test_calibrated"].astype(np.float32)
    test = real_faces.split("test")
    labels = test.labels.numpy()
    assert len(labels) == 3589
    accuracy = 100 * float((said.argmax(1) == labels).mean())
    assert accuracy == pytest.approx(documented, abs=0.1)
    found = load_pretrained(name).predict_heads(test.images[::8])["label"]
    assert np.abs(found - np.exp(said[::8])).max() < 0.005
    assert (found.argmax(1) == said[::8].argmax(1)).mean() > 0.99
