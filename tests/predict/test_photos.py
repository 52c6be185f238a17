from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferturb.base import decode
from ferturb.base.decode import Limits
from ferturb.base.errors import FerturbError
from ferturb.predict.photos import (
    grey,
    photo_of,
    read_frames,
    read_photo,
    whole_face,
)

GRADIENT = np.tile(np.arange(0, 240, 4, dtype=np.uint8), (40, 1))  # 40 high, 60 wide


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "I;16", "I", "F", "CMYK", "1"])
def test_every_mode_shows_the_same_picture(mode: str) -> None:
    image = Image.fromarray(GRADIENT)
    if mode == "I;16":
        image = Image.fromarray(GRADIENT.astype(np.uint16) * 257)
    elif mode in ("I", "F"):
        wide = GRADIENT.astype(np.int32) * 257
        image = Image.fromarray(wide if mode == "I" else (wide / 65535).astype(np.float32))
    elif mode in ("RGBA", "LA", "CMYK"):
        image = image.convert("RGB").convert(mode)
    else:
        image = image.convert(mode)
    photo = read_photo(saved(image, "TIFF"))
    assert photo.size == (60, 40)
    shown = grey(photo.pixels).astype(int)
    if mode == "1":
        assert set(np.unique(shown)) == {0, 255}
        assert abs(shown.mean() - GRADIENT.mean()) < 6
    else:
        assert np.abs(shown - GRADIENT).max() <= 2


def test_transparent_pixels_lie_on_grey() -> None:
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert (read_photo(saved(image, "PNG")).pixels == 128).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation: int) -> None:
    upright = Image.fromarray(GRADIENT)
    stored = {
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Image.Transpose.ROTATE_180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = read_photo(saved(stored, "PNG", exif=exif))
    assert photo.size == (60, 40)
    np.testing.assert_array_equal(grey(photo.pixels), GRADIENT)


def test_files_that_are_read_at_the_same_time_leave_the_warnings_as_they_were() -> None:
    before = list(warnings.filters)
    data = saved(Image.fromarray(GRADIENT), "PNG")
    first, second = read_frames(data), read_frames(data)
    next(first), next(second)
    first.close()
    second.close()
    assert list(warnings.filters) == before


def test_large_photos_are_made_smaller_and_keep_their_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decode, "LONGEST", 100)
    wide = Image.fromarray(GRADIENT).resize((900, 600))
    for kind in ("PNG", "JPEG"):
        photo = read_photo(saved(wide, kind))
        assert photo.size == (900, 600)
        assert max(photo.pixels.shape[:2]) == 100
        assert photo.scale == 9.0
        small = np.asarray(Image.fromarray(GRADIENT).resize((100, 67)))
        assert np.abs(grey(photo.pixels).astype(int)[:, 10:90] - small[:, 10:90]).mean() < 4
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = read_photo(saved(wide, "JPEG", exif=exif))
    assert turned.size == (600, 900)
    assert turned.pixels.shape[0] == 100


def test_animations_give_their_frames(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (20, 10), (40 * i, 0, 0)) for i in range(5)]
    for kind in ("GIF", "WEBP", "TIFF", "PNG"):
        path = tmp_path / f"a.{kind.lower()}"
        options = {"lossless": True} if kind == "WEBP" else {}
        frames[0].save(path, kind, save_all=True, append_images=frames[1:], **options)
        reds = [int(photo.pixels[5, 5, 0]) for photo in read_frames(path)]
        assert reds == [0, 40, 80, 120, 160], kind
        assert len(list(read_frames(path, Limits(frames=2)))) == 2
        assert read_photo(path).pixels[5, 5, 0] == 0


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds a few bytes of pixels."""

    def part(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", body) + part(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file is empty"),
        (b"hello", "no image"),
        (png_of_size(100_000, 100_000), "too many pixels; at most 120 megapixels are read"),
        (
            png_of_size(12_000, 12_000),
            "12000×12000 are 144 megapixels; at most 120 megapixels are read",
        ),
        (png_of_size(100, 100), "damaged image"),
        (saved(Image.fromarray(GRADIENT), "JPEG")[:200], "damaged image|no image"),
    ],
)
def test_what_can_not_be_read_says_so_in_one_line(data: bytes, said: str) -> None:
    with pytest.raises(FerturbError, match=said) as caught:
        read_photo(data)
    assert "\n" not in str(caught.value)


def test_files_are_bounded_and_special_files_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(saved(Image.fromarray(GRADIENT), "PNG"))
    with pytest.raises(FerturbError, match="over 0 MiB"):
        read_photo(path, Limits(bytes=50))
    with pytest.raises(
        FerturbError, match=r"60×40 are 0.0024 megapixels; at most 0.0001 megapixels are read"
    ):
        read_photo(path, Limits(pixels=100))
    for bad, said in ((tmp_path, "is not a file"), (tmp_path / "b", "does not exist")):
        with pytest.raises(FerturbError, match=said):
            read_photo(bad)
    with pytest.raises(FerturbError, match="is not a file"):
        read_photo(Path("/dev/zero"))


def test_a_face_of_the_right_size_is_taken_pixel_for_pixel() -> None:
    face = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    np.testing.assert_array_equal(whole_face(read_photo(saved(Image.fromarray(face), "PNG"))), face)
    wide = np.zeros((48, 96), np.uint8)
    wide[:, 24:72] = face
    np.testing.assert_array_equal(whole_face(photo_of(wide)), face)


def test_arrays_that_are_no_photos() -> None:
    for wrong in (np.zeros((4, 4)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4), np.uint8)):
        with pytest.raises(FerturbError, match="a photo is uint8"):
            photo_of(wrong)
    assert photo_of(np.full((3, 5, 1), 7, np.uint8)).pixels.shape == (3, 5, 3)
