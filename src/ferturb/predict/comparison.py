"""Faces before and after as one picture: a row a face, the seven probabilities under each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ferturb.base.errors import FerturbError
from ferturb.base.storage import require_file, write_bytes
from ferturb.predict.before_after import Change
from ferturb.predict.marked_files import IMAGES, carries, image_bytes

if TYPE_CHECKING:
    from jaxtyping import UInt8

_PAPER, _INK, _SOFT, _LINE = (255, 255, 255), (22, 32, 42), (92, 106, 120), (230, 235, 238)
_SURE, _UNSURE, _BEFORE = (13, 107, 116), (118, 126, 134), (178, 66, 10)
_FACE, _GAP, _EDGE, _BAR = 264, 40, 48, 26
_NAMES, _PERCENT = 86, 52
_MARK = "comparison"
_HEAD, _BELOW = 140, 86
"""All in pixels; the picture is made for screens of twice the density."""


@dataclass(frozen=True)
class Row:
    """One face: what it is called, what its changes did, in a sentence, and the changes."""

    title: str
    sentence: str
    changes: Sequence[Change]


def comparison(rows: Sequence[Row], title: str, foot: str) -> UInt8[np.ndarray, "h w 3"]:
    """The picture, RGB: `title` above the rows, `foot` small below them."""
    columns = max(len(row.changes) for row in rows)
    bars = max(len(row.changes[0].probabilities) for row in rows)
    wide = 2 * _EDGE + columns * _FACE + (columns - 1) * _GAP
    high = _HEAD + 44 + _FACE + _BELOW + bars * _BAR + 20
    image = Image.new("RGB", (wide, 110 + len(rows) * high + 60), _PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((_EDGE, 40), title, _SOFT, _font(26))
    for i, row in enumerate(rows):
        top = 90 + i * high
        _heading(draw, row, top, wide)
        for j, change in enumerate(row.changes):
            place = (_EDGE + j * (_FACE + _GAP), top + _HEAD)
            _panel(image, draw, change, row.changes[0], place)
    draw.text((_EDGE, image.height - 60), foot, _SOFT, _font(22))
    return np.asarray(image)


def _heading(draw: ImageDraw.ImageDraw, row: Row, top: int, wide: int) -> None:
    draw.line((_EDGE, top, wide - _EDGE, top), _LINE, 3)
    draw.text((_EDGE, top + 24), row.title, _SOFT, _font(26))
    for size in (44, 38, 32, 28):
        if draw.textlength(row.sentence, _font(size)) <= wide - 2 * _EDGE:
            break
    font = _font(size)
    draw.text((_EDGE, top + 62), row.sentence, _INK, font, stroke_width=0.6, stroke_fill=_INK)


def _panel(
    image: Image.Image,
    draw: ImageDraw.ImageDraw,
    change: Change,
    before: Change,
    place: tuple[int, int],
) -> None:
    """A face, what was done to it, the answer, and a bar for each emotion."""
    left, top = place
    draw.text((left, top), change.title, _INK, _font(28))
    top += 44
    face = Image.fromarray(change.face).resize((_FACE, _FACE), Image.Resampling.BICUBIC)
    corners = Image.new("L", (_FACE, _FACE), 0)
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, _FACE - 1, _FACE - 1), 16, 255)
    image.paste(face, (left, top), corners)
    top += _FACE + 14
    known = change.emotion is not None
    words = change.guess if known else "it doesn't know"
    colour = _SURE if known else _UNSURE
    draw.text((left, top), words, colour, _font(32), stroke_width=0.6, stroke_fill=colour)
    top += _BELOW - 26
    for emotion, share in change.probabilities.items():
        colour = (_SURE if known else _UNSURE) if emotion == change.guess else _SOFT
        earlier = None if change is before else before.probabilities[emotion]
        _bar(draw, (left, top), emotion, share, earlier, colour)
        top += _BAR


def _bar(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    emotion: str,
    share: float,
    before: float | None,
    colour: tuple[int, int, int],
) -> None:
    """An emotion's probability, and a mark where it was before."""
    left, top = place
    start, room = left + _NAMES, _FACE - _NAMES - _PERCENT
    draw.text((left, top), emotion, colour, _font(19))
    draw.rounded_rectangle((start, top + 5, start + room, top + 18), 4, _LINE)
    if share * room >= 1:
        draw.rounded_rectangle((start, top + 5, start + share * room, top + 18), 4, colour)
    if before is not None:
        mark = start + before * room
        draw.rectangle((mark - 1, top + 2, mark + 1, top + 21), _BEFORE)
    draw.text((left + _FACE, top), f"{100 * share:.0f} %", colour, _font(19), anchor="ra")


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def write_picture(pixels: UInt8[np.ndarray, "h w 3"], path: Path) -> None:
    """Write the picture, as `require_own` allows it."""
    require_own(path)
    write_bytes(path, image_bytes(pixels, path.suffix.lower(), _MARK))


def require_own(path: Path) -> None:
    """`FerturbError` unless a picture can be written there: nothing is there, or an earlier one."""
    if path.suffix.lower() not in IMAGES:
        raise FerturbError(f"a picture is written as {', '.join(IMAGES)}, got {str(path)!r:.200}")
    require_file(path)
    if os.path.lexists(path) and not carries(path, _MARK):
        raise FerturbError(f"{path} exists and is no earlier picture of a demo; give another name")
