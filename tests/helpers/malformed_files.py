"""Damaged and hostile image files."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from ferturb.base.image_formats import FORMATS

HEADS = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    b"GIF89a",
    b"BM",
    b"RIFF\x00\x10\x00\x00WEBPVP8 ",
    b"II*\x00\x08\x00\x00\x00",
    b"MM\x00*\x00\x00\x00\x08",
    b"P5\n",
    b"P6 99999 99999 255\n",
    b"\x00\x00\x00\x1cftypavif",
)


def good_files() -> list[bytes]:
    """A small good file of every format, still and animated."""
    rng = np.random.default_rng(0)
    frames = [Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)) for _ in range(3)]
    files = []
    for kind in FORMATS:
        for together in (False, True):
            buffer = io.BytesIO()
            options = {"append_images": frames[1:], "save_all": True} if together else {}
            if together and kind in ("JPEG", "BMP", "PPM"):
                continue
            frames[0].save(buffer, kind, **options)
            files.append(buffer.getvalue())
    return files


def png(width: int, height: int, data: bytes, kind: int = 0, depth: int = 8) -> bytes:
    def part(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = part(b"IHDR", head) + part(b"IDAT", data) + part(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def bombs() -> list[bytes]:
    zeros = zlib.compress(bytes(30_000_000), 9)
    return [
        png(60_000, 60_000, zeros),
        png(2**31 - 1, 2**31 - 1, zeros),
        png(10_900, 10_900, zeros, kind=6, depth=16),
        png(0, 0, zeros),
        png(1, 2**31 - 1, zeros),
        b"P6\n100000 100000\n255\n",
        b"P5\n9999999999999999999 1\n255\n",
        b"BM"
        + struct.pack(
            "<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 2**30, -(2**30), 1, 24, 0, 0, 0, 0, 0, 0
        ),
        b"GIF89a" + struct.pack("<HH", 65535, 65535) + bytes(40),
    ]


def malformed(count: int) -> Iterator[bytes]:
    """Truncated, overwritten, spliced and invented files, and bombs."""
    rng = np.random.default_rng(1)
    good = good_files()
    yield b""
    yield from bombs()
    for i in range(count - 1 - len(bombs())):
        file = good[i % len(good)]
        how = i // len(good) % 4
        if how == 0:
            yield file[: rng.integers(1, len(file))]
        elif how == 1:
            changed = bytearray(file)
            for at in rng.integers(0, len(file), rng.integers(1, 40)):
                changed[at] = rng.integers(256)
            yield bytes(changed)
        elif how == 2:
            yield HEADS[i % len(HEADS)] + rng.bytes(int(rng.integers(0, 3000)))
        else:
            other = good[int(rng.integers(len(good)))]
            yield file[: rng.integers(1, len(file))] + other[rng.integers(0, len(other)) :]
