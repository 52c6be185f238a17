"""Which image files can be read, by suffix and by content: the one list, for training and for
prediction.

HEIC, an iPhone's own format, is read where pillow-heif is installed (the extra `heif`).
"""

from __future__ import annotations

import functools

from ferturb.base.installation import install

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "AVIF")  # an MPO is a JPEG
_STILL = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".mpo", ".avif")
HEIF_SUFFIXES = (".heic", ".heif", ".hif")
_OTHERS = (".apng", ".gif", ".webp", ".tif", ".tiff", ".pbm", ".pgm", ".ppm", ".pnm")
SUFFIXES = (*_STILL, *_OTHERS, *HEIF_SUFFIXES)
"""The suffixes by which images are picked out of a folder."""

START = 32
"""How many of a file's first bytes tell its format."""
_READ = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    **dict.fromkeys((b"P4\n", b"P5\n", b"P6\n", b"P5 ", b"P6 "), "PPM"),
}
_OTHER = {
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"8BPS": "Photoshop",
    b"%PDF": "PDF",
    b"<svg": "SVG",
    b"FUJIFILMCCD-RAW": "camera raw",
    b"\0\0\1\0": "icon",
    b"PK\3\4": "zip",
    b"\x1aE\xdf\xa3": "video",
}
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1"), "HEIC"),
    b"msf1": "HEIC",
    b"crx ": "camera raw",
    **dict.fromkeys((b"isom", b"iso2", b"mp41", b"mp42", b"qt  ", b"M4V ", b"avc1"), "video"),
}
"""The brand of an ISO media file (``....ftypBRAND``) -> what it is."""


def format_of(start: bytes) -> str | None:
    """The format that a file's first `START` bytes show, or None.

    >>> format_of(b"GIF89a"), format_of(bytes(4) + b"ftypheic"), format_of(b"hello")
    ('GIF', 'HEIC', None)
    """
    if start[4:8] == b"ftyp":
        return _BRANDS.get(start[8:12])
    if start[:4] == b"RIFF":
        return {b"WEBP": "WEBP", b"AVI ": "video"}.get(start[8:12])
    if start[:2] == b"BM" and start[6:10] == bytes(4):
        return "BMP"
    known = (name for magic, name in (_READ | _OTHER).items() if start.startswith(magic))
    return next(known, None)


def is_image(start: bytes) -> bool:
    """Whether a file that begins so is an image of a kind that is read (with its extra, HEIC)."""
    return format_of(start) in (*FORMATS, "HEIC")


def readable_formats() -> tuple[str, ...]:
    """`FORMATS`, and HEIF where pillow-heif is installed, as Pillow knows them."""
    return (*FORMATS, "HEIF") if _heif() else FORMATS


def unread(start: bytes) -> str:
    """Why an image file that no decoder takes is not read, and what to do, from its first bytes."""
    found = format_of(start)
    if found == "HEIC" and _heif():
        return "damaged HEIC image, or one of a kind that is not read; save it as JPEG"
    if found == "HEIC":
        return f"HEIC is not read without pillow-heif: {install('heif')}, or save it as JPEG"
    if found is None or found in FORMATS:
        return "no image, or one of an unknown format"
    return f"{found} is not read; save it as JPEG or PNG"


@functools.cache
def _heif() -> bool:
    """Teach Pillow HEIF, once; False where pillow-heif is not installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True
