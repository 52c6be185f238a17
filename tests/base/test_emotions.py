from __future__ import annotations

import pytest

from ferturb.base.emotions import EMOTIONS, emotion_label


def test_order_is_fer2013s() -> None:
    """fer2013.csv: 0=Angry, 1=Disgust, 2=Fear, 3=Happy, 4=Sad, 5=Surprise, 6=Neutral."""
    assert EMOTIONS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    assert [emotion_label(name) for name in EMOTIONS] == list(range(7))


@pytest.mark.parametrize(
    ("name", "emotion"),
    [
        ("Anger", "angry"),
        ("ANGRY", "angry"),
        ("disgusted", "disgust"),
        ("Fearful", "fear"),
        ("happiness", "happy"),
        ("joy", "happy"),
        ("Sadness", "sad"),
        ("suprise", "surprise"),
        ("Surprised", "surprise"),
        ("0_angry", "angry"),
        ("3-happiness", "happy"),
        ("05.surprise", "surprise"),
        (" neutral ", "neutral"),
        ("HA", "happy"),
    ],
)
def test_names_people_use(name: str, emotion: str) -> None:
    label = emotion_label(name)
    assert label is not None
    assert EMOTIONS[label] == emotion


@pytest.mark.parametrize("name", ["contempt", "", "3", "07", "unknown", "happy_sad", "unhappy"])
def test_what_is_no_emotion_is_not_guessed(name: str) -> None:
    assert emotion_label(name) is None
