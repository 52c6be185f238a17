"""Photos as arrays, from files, bytes or memory (`ferturb.base.decode` says how they are read)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ferturb.base.decode import LIMITS, Limits, Picture, decode, face_of, upright
from ferturb.base.errors import FerturbError

if TYPE_CHECKING:
    from jaxtyping import UInt8


@dataclass(frozen=True)
class Photo:
    """One decoded picture.

    - ``pixels``: uint8 (h, w, 3), red, green, blue.
    - ``size``: width and height of the picture as it is shown, before it was made smaller.
    """

    pixels: UInt8[np.ndarray, "h w 3"]
    size: tuple[int, int]

    @property
    def scale(self) -> float:
        """Pixels of the picture a pixel of ``pixels`` stands for."""
        return float(self.size[0] / self.pixels.shape[1])


def read_photo(source: Path | bytes, limits: Limits = LIMITS) -> Photo:
    """The photo in a file or in a file's bytes; of an animated file the first frame."""
    return next(read_frames(source, limits))


def read_frames(source: Path | bytes, limits: Limits = LIMITS) -> Iterator[Photo]:
    """Every frame of a file, one for an ordinary photo; `FerturbError` for what can't be read."""
    data = file_bytes(source, limits) if isinstance(source, Path) else source
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for picture in decode(data, limits):
            yield _photo(picture)


def photo_of(array: Any) -> Photo:
    """A photo from an array: uint8 (h, w) grayscale, (h, w, 3) RGB or (h, w, 4) RGBA."""
    pixels = np.asarray(array)
    shaped = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3, 4))
    if pixels.dtype != np.uint8 or not shaped or 0 in pixels.shape:
        raise FerturbError(
            "a photo is uint8 (height, width), (height, width, 3) or (height, width, 4), got "
            f"{pixels.dtype} {pixels.shape}; convert it first"
        )
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    return _photo(upright(Image.fromarray(pixels), (pixels.shape[1], pixels.shape[0])))


def grey(pixels: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w"]:
    """Luma (ITU-R 601-2), as the faces of a dataset are made."""
    return np.asarray(Image.fromarray(pixels).convert("L"))


def whole_face(photo: Photo) -> UInt8[np.ndarray, "48 48"]:
    """A photo that is one face, as a dataset's faces are read: `face_of` its pixels."""
    return face_of(Image.fromarray(photo.pixels))


def file_bytes(path: Path, limits: Limits = LIMITS) -> bytes:
    """A file's bytes, one more than the limit at most; a missing or special file raises
    `FerturbError`."""
    try:
        if not path.is_file():  # a folder, a device, a pipe that would never end
            raise FerturbError("is not a file" if path.exists() else "does not exist")
        with path.open("rb") as file:
            return file.read(limits.bytes + 1)
    except OSError as error:
        raise FerturbError(f"can't be read: {error.strerror or error}") from error


def _photo(picture: Picture) -> Photo:
    return Photo(np.asarray(picture.image.convert("RGB")), picture.size)
