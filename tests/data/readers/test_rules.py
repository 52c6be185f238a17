"""Every rule of `reader_rules`, in every form."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ferturb.base.errors import FerturbError
from ferturb.base.raster import PLAIN
from ferturb.data.sources import full_raster, load_source
from reader_rules import FORMS, RULES, Rule, rows

CASES = [
    pytest.param(rule, form, id=f"{rule.title}, {form}")
    for rule in RULES
    for form in FORMS
    if not rule.only or form in rule.only
]


def face(image: np.ndarray) -> bytes:
    """The 48×48 pixels that a face must have; a larger one of `of_side` is all of one grey."""
    return (image if image.shape == (48, 48) else np.full((48, 48), image[0, 0])).tobytes()


@pytest.mark.parametrize(("rule", "form"), CASES)
def test_a_rule_holds_in_a_form(rule: Rule, form: str, tmp_path: Path) -> None:
    rule, some = rule.of(form), rule.change(rows())
    source = FORMS[form](some, tmp_path)
    if rule.error:
        with pytest.raises(FerturbError, match=rule.error) as error:
            load_source(source, None, rule.order)
        assert "\n" not in str(error.value)
        return
    faces = load_source(source, None, rule.order)
    wanted = {face(r.image): (r.label, r.code) for r in some if r.label is not None}
    codes = zip(faces.labels.tolist(), faces.splits.tolist(), strict=True)
    found = dict(zip(map(face, faces.images.numpy()), codes, strict=True))
    assert found.keys() == wanted.keys()
    for image, (label, code) in wanted.items():
        assert found[image][0] == label
        assert code == -1 or found[image][1] == code
    assert len(set(faces.names)) == len(faces)
    full = full_raster(source)  # what `data info` says of the source as well
    assert full == PLAIN or max(max(r.image.shape) for r in some) > 48
    noted = [note for note in faces.notes if rule.note and re.search(rule.note, note)]
    assert bool(noted) == bool(rule.note), faces.notes
    assert rule.note or faces.notes == ()


def test_every_form_is_tried_by_most_rules() -> None:
    for form in FORMS:
        assert sum(param.values[1] == form for param in CASES) >= 20
