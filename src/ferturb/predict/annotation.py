"""Photos with what was found drawn on them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from ferturb.base.errors import FerturbError
from ferturb.base.storage import write_bytes
from ferturb.predict.output_names import MARK, mark_of, output_path
from ferturb.predict.photos import Photo
from ferturb.predict.results import FacePrediction, PhotoPrediction

if TYPE_CHECKING:
    from jaxtyping import UInt8

HIDDEN = 0.8
"""From this probability on a feature is called hidden."""
_SURE, _UNSURE = (46, 160, 67), (150, 150, 150)


def annotated(photo: Photo, prediction: PhotoPrediction) -> UInt8[np.ndarray, "h w 3"]:
    """The photo, as it was read, with boxes, landmarks and the most probable emotions."""
    image = Image.fromarray(photo.pixels).convert("RGB")
    draw = ImageDraw.Draw(image)
    for face in prediction.faces:
        _mark(draw, face, 1 / photo.scale, image.size)
    return np.asarray(image)


def write_annotated(prediction: PhotoPrediction, folder: str | Path) -> Path:
    """Write the annotated photo of a prediction that kept it; the file's path.

    a/b.jpg becomes a_b.png. Two photos never share a file, and no file is replaced but an earlier
    copy of the same photo (`ferturb.predict.output_names`). A photo that wasn't kept, and a folder
    that can't be written, raise `FerturbError`.
    """
    if prediction.photo is None:
        raise FerturbError("to be annotated a photo must be kept; predict with keep=True")
    path = output_path(Path(folder), prediction.name, prediction.frame)
    mark = mark_of(prediction.name, prediction.frame)
    write_bytes(path, _png(annotated(prediction.photo, prediction), mark))
    return path


def sentence(prediction: PhotoPrediction) -> str:
    """One line of words on a photo: "party.jpg: 2 faces: happy 93 % · ? sad 34 %"."""
    start = prediction.name
    if prediction.seconds is not None:
        start += f" at {prediction.seconds:.2f} s"
    elif prediction.frame is not None:
        start += f" frame {prediction.frame}"
    if prediction.error is not None:
        return f"{start}: {prediction.error}"
    if not prediction.faces:
        return f"{start}: no face found"
    count = "1 face" if len(prediction.faces) == 1 else f"{len(prediction.faces)} faces"
    return f"{start}: {count}: " + " · ".join(_words(face) for face in prediction.faces)


def _words(face: FacePrediction) -> str:
    hidden = [name.replace("_", " ") for name, p in (face.hidden or {}).items() if p > HIDDEN]
    return label(face) + (f" ({', '.join(hidden)} hidden?)" if hidden else "")


def _png(pixels: UInt8[np.ndarray, "h w 3"], mark: str) -> bytes:
    """A PNG file's bytes, with a mark of the photo that it is a copy of."""
    info = PngInfo()
    info.add_text(MARK, mark)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def label(face: FacePrediction) -> str:
    """What is written at a face: "happy 93 %", or "? sad 34 %" where it is not known."""
    words = f"{face.most_probable} {100 * face.confidence:.0f} %"
    if face.emotion is None:
        words = f"? {words}"
    return words if face.track is None else f"{face.track}: {words}"


def _mark(
    draw: ImageDraw.ImageDraw, face: FacePrediction, scale: float, size: tuple[int, int]
) -> None:
    colour = _UNSURE if face.emotion is None else _SURE
    left, top, right, bottom = (v * scale for v in face.box)
    thick = max(1, round(max(size) / 600))
    draw.rectangle((left, top, right, bottom), outline=colour, width=thick)
    for x, y in face.landmarks * scale:
        draw.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=colour)
    font = ImageFont.load_default(size=float(np.clip((right - left) / 8, 10, 48)))
    words = label(face)
    box = draw.textbbox((0, 0), words, font=font)
    high = box[3] + 4
    y = top - high if top >= high else min(bottom, size[1] - high)
    x = float(np.clip(left, 0, max(0, size[0] - box[2] - 6)))
    draw.rectangle((x, y, x + box[2] + 6, y + high), fill=colour)
    draw.text((x + 3, y + 1), words, fill=(255, 255, 255), font=font)
