from __future__ import annotations

import numpy as np
import pytest
import torch

from ferturb.base.config import DatasetConfig
from ferturb.data.sources import load_faces
from ferturb.features.training_variants import VARIANTS
from research.hidden import (
    FEATURES,
    GREY_ROWS,
    MEANS,
    WAYS,
    grey_rows,
    hidden_faces,
    hidden_scores,
    right_when_hidden,
)


def test_grey_rows_hide_the_lower_half_and_nothing_else() -> None:
    images = torch.arange(2 * 48 * 48).remainder(120).to(torch.uint8).view(2, 48, 48)
    hidden = grey_rows(images)
    assert torch.equal(hidden[:, :25], images[:, :25])
    assert bool((hidden[:, 25:] == 127).all())
    assert int(images.max()) == 119


def test_no_way_of_hiding_is_one_that_robust_trains_with() -> None:
    worn = [change for change in WAYS.values() if "face_masks" in change]
    assert all(change.get("alteration_seed", 0) == 0 for change in worn)
    assert all(copy["alteration_seed"] != 0 for copy in VARIANTS)
    assert not any(copy.get("left_out_fill") == "inpaint" for copy in VARIANTS)


def test_every_way_hides_something_of_every_face_and_the_first_nothing() -> None:
    faces = load_faces(DatasetConfig(synthetic_faces=60))
    whole = faces.split("test").images
    seen = dict(hidden_faces(faces))
    assert list(seen) == [*WAYS, GREY_ROWS]
    for name, images in seen.items():
        assert images.shape == whole.shape
        changed = (images != whole).flatten(1).any(1)
        assert not bool(changed.any()) if name == "whole" else float(changed.float().mean()) > 0.8


def test_right_is_asked_of_the_split_in_order() -> None:
    faces = load_faces(DatasetConfig(synthetic_faces=60))
    labels = faces.split("test").labels.numpy()

    def judge(images: torch.Tensor) -> dict[str, np.ndarray]:
        answers = labels.copy()
        answers[0] = (answers[0] + 1) % 7
        changed = (images != whole).flatten(1).any(1).numpy()
        return {"labels": answers == labels, "whole": ~changed}

    whole = faces.split("test").images
    right = right_when_hidden({"one": judge}, faces)["one"]
    assert list(right["labels"]) == [*WAYS, GREY_ROWS]
    assert all(not r[0] and r[1:].all() for r in right["labels"].values())
    assert right["whole"]["whole"].all()
    assert not right["whole"][GREY_ROWS].any()


def test_scores_and_means_by_hand() -> None:
    whole = np.array([True, True, False, True])
    half = np.array([True, False, False, True])
    own = {"whole": whole, **{f"without {f}": half for f in FEATURES}}
    own["without mouth"] = whole
    other = {name: np.array([True, False, False, False]) for name in own}
    other["without mouth"] = np.array([True, True, True, True])
    rows = {row.way: row for row in hidden_scores(own, other)}
    assert rows["whole"].accuracy.estimate == 0.75
    mean = rows["mean of features left out"]
    assert mean.accuracy.estimate == pytest.approx((5 * 0.5 + 0.75) / 6)
    assert mean.change is not None
    assert mean.change.estimate == pytest.approx((5 * 0.5 + 0.75) / 6 - (5 * 0.25 + 1) / 6)
    assert mean.change.low <= mean.change.estimate <= mean.change.high
    assert [name for name in MEANS if name in rows] == ["mean of features left out"]


def test_a_card_gets_its_section_once() -> None:
    from research.measure_pretrained import with_section

    rows = hidden_scores({"whole": np.array([True, True, False, True])})
    card = "# The model\n\nText.\n\n## Limits\n\nMany.\n"
    once = with_section(card, rows)
    assert "| whole | 75.0 |" in once
    assert with_section(once, rows) == once
    assert once.startswith("# The model\n\nText.\n\n## When")
    assert once.endswith("## Limits\n\nMany.\n")
