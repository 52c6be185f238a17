"""What changes of a face are said and drawn: sentences from given answers, and real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.drawn.synthetic import draw
from ferturb.predict.before_after import (
    AS_IT_IS,
    SHOWN,
    Change,
    changes,
    most_telling,
    sentence,
    telling,
)
from ferturb.predict.comparison import Row, comparison, require_own, write_picture
from ferturb.predict.predictor import Predictor

FACE = np.zeros((48, 48), np.uint8)


def change(title: str, emotion: str, share: float, sure: bool = True) -> Change:
    """A face whose most probable emotion has this share; the others share the rest."""
    rest = (1 - share) / 6
    shares = {e: share if e == emotion else rest for e in EMOTIONS}
    return Change(title, FACE, shares, emotion if sure else None)


def changed(before: Change, mouth: Change, eyes: Change) -> tuple[Change, ...]:
    return before, mouth, eyes


SURE = change(AS_IT_IS, "surprise", 0.9)
KEPT = change("without the mouth", "surprise", 0.5)
LOST = change("without the mouth", "fear", 0.4, sure=False)
OTHER = change("without the eyes", "fear", 0.7)
SAME = change("without the eyes", "surprise", 0.9)
UNSURE = change(AS_IT_IS, "sad", 0.4, sure=False)


@pytest.mark.parametrize(
    ("found", "drawn", "text"),
    [
        ((SURE, KEPT, OTHER), "surprise", "Without the eyes it takes this surprise for fear."),
        ((SURE, LOST, OTHER), None, "Without the eyes it takes this surprise for fear."),
        (
            (SURE, LOST, SAME),
            None,
            "Without the mouth it no longer knows this surprise: its best guess is fear (40 %).",
        ),
        (
            (SURE, KEPT, SAME),
            "surprise",
            "It answers the same of this surprise whatever is hidden; without the mouth it falls "
            "from 90 to 50 %.",
        ),
        (
            (
                change(AS_IT_IS, "happy", 0.9),
                change("without the mouth", "angry", 0.8),
                change("without the eyes", "happy", 0.9),
            ),
            "happy",
            "Without the mouth it takes this happy face for an angry face.",
        ),
        (
            (SURE, LOST, SAME),
            "angry",
            "Without the mouth it no longer knows this angry face, taken for surprise: its best "
            "guess is fear (40 %).",
        ),
        (
            (UNSURE, LOST, SAME),
            None,
            "It doesn't know what this face shows and guesses sad (40 %); without the eyes it "
            "answers surprise (90 %).",
        ),
    ],
)
def test_the_sentence_follows_from_the_answers(
    found: tuple[Change, ...], drawn: str | None, text: str
) -> None:
    assert sentence(found, drawn) == text


def test_an_answer_that_turns_tells_more_than_one_that_is_lost() -> None:
    assert telling((SURE, LOST, OTHER)) is OTHER
    assert telling((SURE, LOST, SAME)) is LOST
    assert telling((SURE, KEPT, SAME)) is KEPT
    faces = {"surprise": (SURE, KEPT, SAME), "fear": (SURE, LOST, OTHER)}
    assert most_telling(faces)[0] == "surprise"  # what is taken for something else tells nothing
    faces["surprise"], faces["fear"] = faces["fear"], faces["surprise"]
    assert most_telling(faces)[0] == "surprise"


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor("tiny", threads=1)


def test_changes_are_what_the_alterer_and_the_model_say(predictor: Predictor) -> None:
    face = draw(1, seed=3).images.numpy()[0]
    found = changes(predictor, face)
    assert [c.title for c in found] == [AS_IT_IS, *SHOWN.values()]
    whatif = predictor.what_if(face, ["mouth", "eyes", "brows"])
    for one, name in zip(found, ("", "mouth", "eyes", "brows"), strict=False):
        assert one.probabilities == pytest.approx(whatif[name], abs=1e-6)
    points = predictor.finder(face[None]).points[0]
    masked = predictor.alterer.worn(face, points, "surgical")
    np.testing.assert_array_equal(found[-1].face, masked)
    assert list(found[-1].probabilities.values()) == pytest.approx(
        predictor.model.predict_proba(masked[None])[0].tolist(), abs=1e-6
    )
    strict = Predictor(predictor.model.with_threshold(1.0), threads=1)
    assert {c.emotion for c in changes(strict, face)} == {None}


def test_the_picture_shows_every_face_in_its_place(predictor: Predictor) -> None:
    faces = draw(2, seed=3).images.numpy()
    rows = [Row(str(i), "A sentence.", changes(predictor, face)) for i, face in enumerate(faces)]
    picture = comparison(rows, "title", "foot")
    one = comparison(rows[:1], "title", "foot")
    assert picture.shape[1] == one.shape[1]
    assert picture.shape[0] > one.shape[0]
    for row in rows:
        for shown in row.changes:
            wanted = Image.fromarray(shown.face).resize((264, 264), Image.Resampling.BICUBIC)
            middle = np.asarray(wanted)[100:102, 40:220]
            windows = np.lib.stride_tricks.sliding_window_view(picture[..., 0], middle.shape[0], 0)
            lines = windows[..., 0]  # each line of the picture
            places = [
                np.where((lines[:, x : x + 180] == middle[0]).all(1))[0].size
                for x in range(40, picture.shape[1] - 180)
            ]
            assert sum(places) >= 1


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_only_an_earlier_picture_is_replaced(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_picture(np.zeros((4, 4, 3), np.uint8), path)
    write_picture(np.full((4, 4, 3), 200, np.uint8), path)
    with Image.open(path) as image:
        assert image.convert("L").getpixel((1, 1)) == pytest.approx(200, abs=2)
    Image.new("RGB", (4, 4)).save(path)
    before = path.read_bytes()
    with pytest.raises(FerturbError, match="exists and is no earlier picture"):
        write_picture(np.zeros((4, 4, 3), np.uint8), path)
    assert path.read_bytes() == before
    with pytest.raises(FerturbError, match="a picture is written as"):
        require_own(tmp_path / "a.txt")
