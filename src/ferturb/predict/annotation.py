"""Photos with what was found drawn on them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ferturb.base.errors import FerturbError
from ferturb.base.storage import write_bytes
from ferturb.predict.marked_files import image_bytes
from ferturb.predict.output_names import mark_of, output_path
from ferturb.predict.photos import Photo
from ferturb.predict.results import FacePrediction, PhotoPrediction

if TYPE_CHECKING:
    from jaxtyping import UInt8

HIDDEN = 0.8
"""From this probability on a feature is called hidden."""
_FEW = 3
"""Faces that are named in one line, at most."""
_SURE, _UNSURE = (46, 160, 67), (150, 150, 150)


def annotated(photo: Photo, prediction: PhotoPrediction) -> UInt8[np.ndarray, "h w 3"]:
    """The photo, as it was read, with boxes, landmarks and the most probable emotions."""
    image = Image.fromarray(photo.pixels).convert("RGB")
    draw = ImageDraw.Draw(image)
    alone = len(prediction.faces) == 1
    for number, face in prediction.numbered():
        words = label(face, None if alone and face.track is None else number)
        _mark(draw, face, words, 1 / photo.scale, image.size)
    return np.asarray(image)


def write_annotated(prediction: PhotoPrediction, folder: str | Path) -> Path:
    """Write the annotated photo of a prediction that kept it; the file's path.

    a/b.jpg becomes a_b.jpg; what can't be written in its own format becomes a PNG. Two photos never
    share a file, and no file is replaced but an earlier copy of the same photo
    (`ferturb.predict.output_names`). A photo that wasn't kept, and a folder that can't be written,
    raise `FerturbError`. A video's frames make a video with `ferturb.predict.annotated_video`.
    """
    if prediction.photo is None:
        raise FerturbError("to be annotated a photo must be kept; predict with keep=True")
    path = output_path(Path(folder), prediction.name, prediction.frame)
    mark = mark_of(prediction.name, prediction.frame)
    write_bytes(path, image_bytes(annotated(prediction.photo, prediction), path.suffix, mark))
    return path


def lines(prediction: PhotoPrediction) -> list[str]:
    """A photo in words: "party.jpg: 2 faces: 1: happy 93 % · 2: ? sad 34 %", as one reads; where
    there are more than a few faces, one a line."""
    start = prediction.name
    if prediction.seconds is not None:
        start += f" at {prediction.seconds:.2f} s"
    elif prediction.frame is not None:
        start += f" frame {prediction.frame}"
    if prediction.error is not None:
        return [f"{start}: {prediction.error}"]
    faces = prediction.numbered()
    if not faces:
        return [f"{start}: no face found"]
    if len(faces) == 1:
        number, face = faces[0]
        return [f"{start}: 1 face: {_words(face, None if face.track is None else number)}"]
    words = [_words(face, number) for number, face in faces]
    if len(faces) <= _FEW:
        return [f"{start}: {len(faces)} faces: {' · '.join(words)}"]
    return [f"{start}: {len(faces)} faces, {_order(prediction)}:", *(f"  {text}" for text in words)]


def _order(prediction: PhotoPrediction) -> str:
    """How the faces are numbered, for a photo of one row and of more."""
    places = [face.box[0] + face.box[2] for face in prediction.faces]
    return "from left to right" if places == sorted(places) else "row by row from left to right"


def _words(face: FacePrediction, number: int | None) -> str:
    hidden = [name.replace("_", " ") for name, p in (face.hidden or {}).items() if p > HIDDEN]
    return label(face, number) + (f" ({', '.join(hidden)} hidden?)" if hidden else "")


def label(face: FacePrediction, number: int | None = None) -> str:
    """What is written at a face: "2: happy 93 %", or "? sad 34 %" where it is not known."""
    words = f"{face.most_probable} {100 * face.confidence:.0f} %"
    if face.emotion is None:
        words = f"? {words}"
    return words if number is None else f"{number}: {words}"


def _mark(
    draw: ImageDraw.ImageDraw,
    face: FacePrediction,
    words: str,
    scale: float,
    size: tuple[int, int],
) -> None:
    colour = _UNSURE if face.emotion is None else _SURE
    left, top, right, bottom = (v * scale for v in face.box)
    thick = max(1, round(max(size) / 600))
    draw.rectangle((left, top, right, bottom), outline=colour, width=thick)
    for x, y in face.landmarks * scale:
        draw.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=colour)
    font = ImageFont.load_default(size=float(np.clip((right - left) / 8, 10, 48)))
    box = draw.textbbox((0, 0), words, font=font)
    high = box[3] + 4
    y = top - high if top >= high else min(bottom, size[1] - high)
    x = float(np.clip(left, 0, max(0, size[0] - box[2] - 6)))
    draw.rectangle((x, y, x + box[2] + 6, y + high), fill=colour)
    draw.text((x + 3, y + 1), words, fill=(255, 255, 255), font=font)
