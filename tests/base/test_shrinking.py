from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferturb.base import decode as decoding
from ferturb.base import shrinking
from ferturb.base.decode import LIMITS, Limits, decode
from ferturb.base.errors import FerturbError
from ferturb.base.shrinking import decoded_bytes, plain

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I", "I;16", "F")


def picture(mode: str, width: int = 300, height: int = 200) -> Image.Image:
    """Noise on a gradient, half of it transparent where the mode can be."""
    rng = np.random.default_rng(3)
    grey = np.linspace(0, 200, width)[None] + rng.integers(0, 50, (height, width))
    if mode in ("I", "I;16", "F"):
        dtype = {"I": np.int32, "I;16": np.uint16, "F": np.float32}[mode]
        return Image.fromarray((grey * (257 if mode != "F" else 1 / 255)).astype(dtype))
    colour = np.stack([grey, grey[::-1], grey[:, ::-1], 255 * (grey > 120)], -1).astype(np.uint8)
    image = Image.fromarray(colour)
    if mode == "PA":
        return image.convert("RGB").convert("P").convert("PA")
    return image if mode == "RGBA" else image.convert(mode if mode == "LA" else "RGB").convert(mode)


@pytest.mark.filterwarnings("error")
def test_numbers_far_below_black_are_black() -> None:
    image = Image.fromarray(np.array([[-3e38, 0.5], [1.0, 0.0]], np.float32))
    assert np.asarray(plain(image, 2)).tolist() == [[0, 128], [255, 0]]


@pytest.mark.parametrize("longest", [37, 100, 299])
@pytest.mark.parametrize("mode", MODES)
def test_bands_give_the_same_picture_as_the_whole(
    mode: str, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = picture(mode)
    whole = np.asarray(plain(image, longest)).astype(int)
    assert max(whole.shape[:2]) == longest
    for band in (1, 300 * 7, 300 * 50):
        monkeypatch.setattr(shrinking, "_BAND", band)
        assert np.abs(np.asarray(plain(image, longest)).astype(int) - whole).max() <= 1
    at_once = plain(image, 300).resize((whole.shape[1], whole.shape[0]), Image.Resampling.BILINEAR)
    assert np.abs(np.asarray(at_once).astype(int) - whole).max() <= 1


def png(kind: int, depth: int, side: int, between: bytes = b"") -> bytes:
    """A black PNG of a colour type and depth, its side a multiple of 40."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    rows = bytes(1 + (side * samples * depth + 7) // 8) * (side // 40)
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(rows) + packer.flush(zlib.Z_FULL_FLUSH)  # may stand again and again
    sums = len(rows) * 40 % 65521 << 16 | 1  # Adler-32 of so many zeros
    data = b"\x78\xda" + packed * 40 + packer.flush() + struct.pack(">I", sums)

    def part(name: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + checksum

    head = part(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, kind, 0, 0, 0))
    palette = part(b"PLTE", bytes(9)) + part(b"tRNS", b"\0\x80") if kind == 3 else b""
    return b"\x89PNG\r\n\x1a\n" + head + palette + part(b"IDAT", data) + part(b"IEND", b"")


def saved(mode: str, side: int, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (side, side)).save(buffer, kind, **options)
    return buffer.getvalue()


def animated(kind: str, side: int) -> bytes:
    frames = [Image.new("RGB", (side, side), (i, 0, 0)) for i in (0, 90, 200)]
    return saved_frames(frames, kind)


def saved_frames(frames: list[Image.Image], kind: str) -> bytes:
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


LARGE = {
    "PNG of 16-bit grey": lambda: png(0, 16, 8000),
    "PNG with palette and transparency": lambda: png(3, 8, 8000),
    "PNG of 16-bit colour and alpha": lambda: png(6, 16, 8000),
    "PNG of grey and alpha": lambda: png(4, 8, 8000),
    "TIFF in one strip": lambda: saved(
        "RGB", 6000, "TIFF", compression="tiff_lzw", tiffinfo={278: 6000}
    ),
    "TIFF of floats": lambda: saved("F", 6000, "TIFF", compression="tiff_deflate"),
    "TIFF of inks": lambda: saved("CMYK", 6000, "TIFF", compression="tiff_deflate"),
    "JPEG with all its coefficients": lambda: saved(
        "CMYK", 6000, "JPEG", progressive=True, quality=30
    ),
    "GIF": lambda: saved("P", 8000, "GIF"),
    "WebP": lambda: saved("RGB", 5000, "WEBP", quality=10, method=0),
    "AVIF": lambda: saved("RGBA", 5000, "AVIF", speed=10),
    "WebP that moves": lambda: animated("WEBP", 4000),
    "PNG that moves": lambda: animated("PNG", 4000),
    "GIF that moves": lambda: animated("GIF", 4000),
}
"""Files of less than a megabyte that take hundreds of them."""
READ = """
import re, sys, warnings
from pathlib import Path
from PIL import Image
from ferturb.base.decode import decode
warnings.simplefilter("ignore")
def used(what):
    status = Path("/proc/self/status").read_text()
    return int(re.search(what + r":\\s+(\\d+) kB", status)[1]) // 1024
Image.init()
data, before = Path(sys.argv[1]).read_bytes(), used("VmRSS")
for picture in decode(data):
    pass
print(used("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize("what", LARGE)
def test_decoding_takes_what_it_is_said_to_take(what: str, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(LARGE[what]())
    assert path.stat().st_size < 2**20
    with Image.open(path) as image:
        told = decoded_bytes(image) / 2**20
    assert told < LIMITS.memory / 2**20
    command = [sys.executable, "-c", READ, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told / 4 - 60 < int(done.stdout) < told + 120  # the small picture and a band beside it


@pytest.mark.parametrize(
    "data",
    [
        png(6, 16, 1200),
        png(3, 8, 2400),
        saved("RGB", 600, "WEBP"),
        saved("RGB", 900, "JPEG", progressive=True),
        saved("RGB", 900, "TIFF", compression="tiff_lzw", tiffinfo={278: 900}),
        animated("GIF", 600),
        animated("PNG", 600),
    ],
)
def test_one_bound_holds_for_every_kind(data: bytes) -> None:
    with pytest.raises(FerturbError, match=r"pixels of this kind, take over 5 MiB to decode; make"):
        list(decode(data, Limits(memory=5 * 2**20)))
    assert len(list(decode(data))) in (1, 3)


def test_a_tile_that_is_larger_than_its_picture_is_counted() -> None:
    data = bytearray(saved("L", 32, "TIFF"))
    with Image.open(io.BytesIO(data)) as image:
        assert decoded_bytes(image) == 2 * 32 * 32
        image.tag_v2[322], image.tag_v2[323] = 100_000, 100_000
        assert decoded_bytes(image) > LIMITS.memory


def test_large_pictures_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_MANY_BYTES", 0)
    pictures = decode(saved("L", 64, "PNG"))
    next(pictures)  # while a picture is in use nobody waits for it
    assert decoding._LARGE.acquire(timeout=1)
    decoding._LARGE.release()
    assert len(list(decode(animated("GIF", 20)))) == 3
