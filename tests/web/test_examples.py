"""The drawn faces on the page: each surely recognised by a shipped model."""

from __future__ import annotations

import re

import pytest

from ferturb.base.emotions import EMOTIONS
from ferturb.predict.predictor import Predictor
from ferturb.predict.reading import Reading
from ferturb.predict.shipped import NAMES
from ferturb.web.static_page import PAGE

FOLDER = PAGE / "examples"
OFFERED = re.findall(r"(\w+): [01]\b", (PAGE / "intake.js").read_text(encoding="utf-8"))


def test_the_page_offers_what_is_there() -> None:
    assert sorted(f"{name}.png" for name in OFFERED) == sorted(p.name for p in FOLDER.iterdir())


@pytest.mark.parametrize("emotion", [name for name in OFFERED if name in EMOTIONS])
def test_a_model_is_sure_of_each(emotion: str) -> None:
    path, whole = FOLDER / f"{emotion}.png", Reading(cropped=True)
    said = [
        next(Predictor(n, threads=1).predict_files(path, whole)).faces[0].emotion for n in NAMES
    ]
    assert emotion in said
