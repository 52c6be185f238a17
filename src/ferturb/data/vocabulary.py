"""The words that datasets use for emotions, splits and columns: one set for every reader.

Emotions by name are `ferturb.base.emotions`'. A class may also be a number, which means nothing by
itself: RAF-DB counts from 1 surprise, AffectNet from 0 neutral, folders are often numbered by the
alphabet. So numbers need an order, which the form says (fer2013.csv), the source's own names say
(Hugging Face), its faces say (FER2013's own), or the reader is told.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from ferturb.base.emotions import EMOTIONS, emotion_label
from ferturb.base.errors import FerturbError

Class = str | int | None
"""A class as a source has it: a word, a number, or nothing."""

SPLIT_WORDS: tuple[tuple[str, ...], ...] = (
    ("train", "training"),
    ("val", "valid", "validation", "dev", "publictest"),
    ("test", "testing", "privatetest"),
)
"""What a split is called, any case, with or without "set" behind it. Index = split code."""
_SPLITS = {word: code for code, words in enumerate(SPLIT_WORDS) for word in words}

COLUMNS: dict[str, tuple[str, ...]] = {
    "image": ("image", "images", "img", "img_bytes", "image_bytes", "bytes", "jpg", "jpeg", "png"),
    "pixels": ("pixels", "pixel", "pixel_values"),
    "label": (
        *("emotion_name", "label_name", "class_name", "label_text"),
        *("emotion", "label", "emotions", "labels", "expression", "class", "target"),
    ),
    "split": ("usage", "split", "set", "subset", "partition"),
}
"""Role -> what its column is called, any case; of several the one named first here is read."""

ORDERS: dict[str, tuple[int, tuple[str, ...]]] = {
    "fer2013": (0, EMOTIONS),
    "alphabet": (0, tuple(sorted(EMOTIONS))),
    "raf-db": (1, ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")),
    "affectnet": (
        0,
        ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt"),
    ),
    "ck+": (0, ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")),
    "fer+": (0, ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")),
}
"""Orders of numbered labels by name: the first number, and what it and those after it mean."""


def split_code(name: str) -> int | None:
    """Index into `SPLITS` of a split's name, or None when it is not a known one.

    >>> split_code("Training"), split_code("public_test"), split_code("test-set"), split_code("x")
    (0, 1, 2, None)
    """
    word = re.sub(r"[^a-z]", "", name.lower())
    return _SPLITS.get(word, _SPLITS.get(word.removesuffix("set"), _SPLITS.get(word + "ing")))


def split_of_path(path: str) -> int | None:
    """The split that a table's own name says, else the nearest folder that is named as one.

    >>> split_of_path("data/valid-00000-of-00001.parquet"), split_of_path("test/fer.csv")
    (1, 2)
    """
    place = PurePosixPath(path)
    stem = place.name.partition(".")[0]
    parts = {code for part in re.split(r"[-_ ]", stem) if (code := split_code(part)) is not None}
    words = [split_code(stem), parts.pop() if len(parts) == 1 else None]
    words += [split_code(folder) for folder in reversed(place.parts[:-1])]
    return next((code for code in words if code is not None), None)


def column_roles(columns: Sequence[str]) -> dict[str, int]:
    """Role -> position of the column that has it, among the names of a table's columns.

    >>> column_roles(["id", " Usage", "Label", "pixels"])
    {'pixels': 3, 'label': 2, 'split': 1}
    """
    plain = [re.sub(r"[\s-]+", "_", name.strip().lower()) for name in columns]
    found = {}
    for role, names in COLUMNS.items():
        places = [plain.index(name) for name in names if name in plain]
        if places:
            found[role] = places[0]
    return found


def class_of(value: object) -> Class:
    """A cell or a folder's name as a class: a number wherever it is one, else its words.

    >>> class_of(" 3 "), class_of(3.0), class_of("0_angry"), class_of(""), class_of(float("nan"))
    (3, 3, '0_angry', None, None)
    """
    if isinstance(value, float) and math.isnan(value):
        return None
    text = "" if value is None or isinstance(value, bool) else str(value).strip()
    if re.fullmatch(r"-?\d{1,9}(\.0*)?", text):
        return int(float(text))
    return text or None


def label_order(text: str) -> dict[int, str]:
    """What each number means: an order's name, or the emotions themselves.

    >>> label_order("raf-db")[1], label_order("sad, happy, contempt")[2], label_order("3=joy")
    ('surprise', 'contempt', {3: 'joy'})
    """
    if text.strip().lower() in ORDERS:
        first, words = ORDERS[text.strip().lower()]
        return dict(enumerate(words, first))
    words = tuple(word.strip() for word in text.split(","))
    pairs = [word.partition("=") for word in words]
    numbered = all(sign and number.strip().isdecimal() for number, sign, _ in pairs)
    order = {int(n): word.strip() for n, _, word in pairs} if numbered else dict(enumerate(words))
    labels = [label for word in order.values() if (label := emotion_label(word)) is not None]
    mixed = not numbered and "=" in text
    if mixed or len(order) != len(words) or not labels or len(set(labels)) != len(labels):
        raise FerturbError(
            f"unknown label order {text[:60]!r}: expected one of {', '.join(ORDERS)}, the classes "
            "in order from 0 (neutral,happy,…), or pairs (1=surprise,2=fear,…), each emotion once"
        )
    return order


def labels_of(
    classes: Sequence[Class], order: Mapping[int, str] | None = None
) -> tuple[list[int], bool]:
    """The label 0 … 6 of each class, −1 for one that is none of the emotions; and whether they are
    numbers that nobody gave an order: these stay as they are.

    A number beside classes that are emotions by name is one more class, as contempt is.
    """
    known = set(classes)
    meaning: dict[Class, int | None] = {
        word: emotion_label(word) for word in known if isinstance(word, str)
    }
    by_name = any(label is not None for label in meaning.values())
    numbers = [number for number in known if isinstance(number, int)]
    bare = bool(numbers) and order is None and not by_name
    for number in numbers:
        if bare:
            meaning[number] = number if number >= 0 else None
        elif order is not None and number in order:
            meaning[number] = emotion_label(order[number])
    labels = (meaning.get(value) for value in classes)
    return [-1 if label is None else label for label in labels], bare
