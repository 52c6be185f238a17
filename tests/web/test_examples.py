"""The drawn faces on the page: each surely recognised by every shipped model."""

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
GROUP = ("happy", "surprise", "sad", "neutral")
"""Who is on the picture of four, from left to right."""


def test_the_page_offers_what_is_there() -> None:
    assert sorted(f"{name}.png" for name in OFFERED) == sorted(p.name for p in FOLDER.iterdir())


@pytest.mark.parametrize("model", NAMES)
@pytest.mark.parametrize("example", OFFERED)
def test_every_model_is_sure_of_every_face(example: str, model: str) -> None:
    reading = Reading(cropped=example in EMOTIONS)
    (found,) = Predictor(model, threads=1).predict_files(FOLDER / f"{example}.png", reading)
    expected = (example,) if example in EMOTIONS else GROUP
    assert tuple(face.emotion for face in found.faces) == expected
