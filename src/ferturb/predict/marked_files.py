"""Image and video files that carry a mark, by which a later copy knows that it may replace them.

An image has it in its EXIF, as the description; a GIF as its comment; a BMP, and a video, at the
end of the file, where viewers and players pass over it.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, features

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import UInt8

IMAGES = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **{".png": "PNG", ".webp": "WEBP", ".avif": "AVIF", ".bmp": "BMP", ".gif": "GIF"},
}
"""The suffixes of images that are written -> format; in place of others stands a PNG."""
FILMS = {".mp4": ("avc1", "vp09", "mp4v"), ".avi": ("MJPG",)}
"""The suffixes of videos that are written -> codecs, the first that OpenCV can write is taken; in
place of others stands an MP4.

Browsers play the first two: H.264, for which OpenCV's wheels have an encoder of the system on
macOS and Windows and none on Linux; and VP9, which they bring along. No browser plays the third,
MPEG-4 part 2, nor AVI.
"""
_DESCRIPTION = 0x010E
_QUALITY = 92
_LONGEST = 256


def suffix_of(name: str, film: bool = False) -> str:
    """The suffix of an annotated copy of the photo, or the video, with this name.

    >>> [suffix_of(name) for name in ("a.JPG", "b/c.ppm", "d")], suffix_of("e.mkv", film=True)
    (['.jpg', '.png', '.png'], '.mp4')
    """
    suffix = Path(name).suffix.lower()
    if film:
        return suffix if suffix in FILMS else ".mp4"
    if suffix == ".avif" and not features.check("avif"):
        return ".png"
    return suffix if suffix in IMAGES else ".png"


def image_bytes(pixels: UInt8[np.ndarray, "h w 3"], suffix: str, mark: str) -> bytes:
    """An image file's bytes, of the format that the suffix says, with a mark."""
    kind, buffer = IMAGES[suffix], io.BytesIO()
    more: dict[str, Any] = {"quality": _QUALITY} if kind in ("JPEG", "WEBP", "AVIF") else {}
    if kind == "GIF":
        more["comment"] = _text(mark)
    elif kind != "BMP":
        more["exif"] = Image.Exif()
        more["exif"][_DESCRIPTION] = _text(mark).decode()
    Image.fromarray(pixels).save(buffer, kind, **more)
    return buffer.getvalue() + (_last_chunk(suffix, mark) if kind == "BMP" else b"")


def mark_film(path: Path, mark: str) -> None:
    """Add a mark to a video file."""
    with path.open("ab") as file:
        file.write(_last_chunk(path.suffix, mark))


def carries(path: Path, mark: str) -> bool:
    """Whether a file is an image or a video with this mark; a link is none."""
    if path.is_symlink() or not path.is_file():
        return False
    suffix = path.suffix.lower()
    try:
        if suffix in (*FILMS, ".bmp"):
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - _LONGEST))
                return file.read().endswith(_last_chunk(suffix, mark))
        with Image.open(path, formats=tuple(set(IMAGES.values()))) as image:
            if image.format == "GIF":
                return bool(image.info.get("comment") == _text(mark))
            return bool(image.getexif().get(_DESCRIPTION) == _text(mark).decode())
    except Exception:  # a damaged file can make a decoder fail in any way
        return False


def _text(mark: str) -> bytes:
    return f"ferturb {mark}".encode()


def _last_chunk(suffix: str, mark: str) -> bytes:
    """What the containers have for bytes that mean nothing: JUNK in AVI, a free box in MP4; in a
    BMP those after the pixels."""
    text = _text(mark)
    if suffix == ".bmp":
        return text
    if suffix == ".avi":
        text += b" " * (len(text) % 2)
        return b"JUNK" + struct.pack("<I", len(text)) + text
    return struct.pack(">I", len(text) + 8) + b"free" + text
