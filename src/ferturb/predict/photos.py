"""Photos as arrays, from files, bytes or memory (`ferturb.base.decode` says how they are read)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ferturb.base.decode import FACE_SIZE, LIMITS, Limits, Picture, decode, face_of, upright
from ferturb.base.errors import FerturbError, first_line

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
    for picture in decode(data, limits):
        yield _photo(picture)


def photo_of(array: Any) -> Photo:
    """A photo from an array: uint8 (h, w) grayscale, (h, w, 3) RGB or (h, w, 4) RGBA."""
    pixels = _array(array)
    shaped = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3, 4))
    if pixels.dtype != np.uint8 or not shaped or 0 in pixels.shape:
        raise FerturbError(
            "a photo is uint8 (height, width), (height, width, 3) or (height, width, 4), got "
            f"{pixels.dtype} {pixels.shape}; convert it first"
        )
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    return _photo(upright(Image.fromarray(pixels), (pixels.shape[1], pixels.shape[0])))


def photo_from(source: Any, limits: Limits = LIMITS) -> Photo:
    """A photo from a file's path, a file's bytes, a picture of Pillow, or an array (`photo_of`).

    `limits`: what a file may be at most. What can't be read raises `FerturbError`.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return read_photo(bytes(source), limits)
    if isinstance(source, Image.Image):
        if 0 in source.size:
            raise FerturbError(f"a picture has pixels, got one of {source.width}×{source.height}")
        try:
            return _photo(upright(source, source.size))
        except Exception as error:  # it may be opened, and not read before now
            raise FerturbError(f"damaged image: {first_line(error)}") from error
    if not isinstance(source, str | os.PathLike):
        return photo_of(source)
    path = Path(source)
    if path.is_dir():
        raise FerturbError(f"{path} is a folder; predict_files reads those, and videos")
    try:
        return read_photo(path, limits)
    except FerturbError as error:
        raise FerturbError(f"{path}: {error}") from error


def name_of(photo: Any, number: int) -> str:
    """What a photo is called in an answer: its path, or its place in the list."""
    return os.fspath(photo) if isinstance(photo, str | os.PathLike) else str(number)


def photos_of(photos: Any) -> Iterable[Any]:
    """One photo or many as many: a path, bytes, a picture of Pillow and an array (h, w), (h, w, 1),
    (h, w, 3) or (h, w, 4) are one; what is neither one nor a list raises `FerturbError`."""
    shape = getattr(photos, "shape", None)
    array = shape is not None and (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4)))
    if array or isinstance(photos, str | os.PathLike | bytes | bytearray | Image.Image):
        return [photos]
    if not isinstance(photos, Iterable) or (shape is not None and len(shape) < 2):
        raise FerturbError(
            f"predict takes photos (paths, bytes, pictures, arrays), got {type(photos).__name__}"
        )
    return photos


def faces_of(faces: Any) -> UInt8[np.ndarray, "n 48 48"]:
    """Faces as one contiguous array: uint8 (n, 48, 48), 0 … 255, grayscale, NumPy or torch on the
    CPU, or a list of such faces. Anything else raises `FerturbError`."""
    array = _array(faces)
    if array.dtype != np.uint8 or array.shape[1:] != (FACE_SIZE, FACE_SIZE) or array.ndim != 3:
        raise FerturbError(
            f"grayscale faces need uint8 (n, {FACE_SIZE}, {FACE_SIZE}), got {array.dtype} "
            f"{array.shape}; `ferturb.Predictor` takes photos of any size"
        )
    return np.ascontiguousarray(array)


def _array(values: Any) -> np.ndarray:
    try:
        return np.asarray(values)
    except Exception as error:  # lists of unlike arrays, tensors on another device, anything
        raise FerturbError(
            f"expected an array, got {type(values).__name__}: {first_line(error)}"
        ) from error


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
        if path.is_dir():  # one of those that `find_files` could not look into
            next(path.iterdir(), None)
        if not path.is_file():  # a folder, a device, a pipe that would never end
            raise FerturbError("is not a file" if path.exists() else "does not exist")
        with path.open("rb") as file:
            return file.read(limits.bytes + 1)
    except FerturbError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise FerturbError(f"can't be read: {reason}") from error


def _photo(picture: Picture) -> Photo:
    return Photo(np.asarray(picture.image.convert("RGB")), picture.size)
