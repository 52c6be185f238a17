"""Whether faces are FER2013's, told by what they show, whatever their files are called.

A face's fingerprint is 112 bits: which of each two neighbours among its 8×8 block means is the
brighter one. FER2013's training, validation and test faces are known by a sample of twelve of each
emotion and split (`fer2013_sample`), all unlike any other face of FER2013. A JPEG of quality 75
changes at most 8 bits of its face, being enlarged to 224 pixels and made small again at most 5;
the nearest other face differs from a sampled one by 20 and more.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8
from PIL import Image

from ferturb.base.decode import face_of
from ferturb.base.emotions import EMOTIONS
from ferturb.data.faces import SPLITS
from ferturb.data.readers.fer2013_sample import SAMPLE

FARTHEST = 8
"""Bits by which a face's fingerprint may differ from a sampled one's."""
ENOUGH = 0.95
"""Share of the sample that has to be there: some files of a copy may be damaged."""

_BLOCK = 6
_CHUNK = 4096


@dataclass(frozen=True)
class Recognition:
    """How much of FER2013's sample is among some faces.

    ``places`` are the positions of the sample's faces among them, −1 where one is not there;
    ``labels`` and ``splits`` are FER2013's own of each.
    """

    places: Int64[np.ndarray, " s"]
    labels: Int64[np.ndarray, " s"]
    splits: Int64[np.ndarray, " s"]

    @property
    def share(self) -> float:
        """Share of the sample that is there."""
        return float((self.places >= 0).mean())

    def in_place(self, labels: np.ndarray, splits: np.ndarray) -> float:
        """Share of the sample that is there with FER2013's own label and split."""
        there = self.places >= 0
        if not there.any():
            return 0.0
        at = self.places.clip(0)
        return float((there & (labels[at] == self.labels) & (splits[at] == self.splits)).mean())

    def meaning(self, numbers: Int64[np.ndarray, " n"]) -> tuple[int, ...] | None:
        """The label that each number means; None where the sample does not tell."""
        if self.share < ENOUGH:
            return None
        given, own = (a[self.places >= 0] for a in (numbers[self.places.clip(0)], self.labels))
        table = np.zeros((max(len(EMOTIONS), int(given.max()) + 1), len(EMOTIONS)), np.int64)
        np.add.at(table, (given, own), 1)
        meaning = tuple(table.argmax(1)[: len(EMOTIONS)].tolist())
        clear = table.max(1).sum() >= ENOUGH * table.sum() and len(table) == len(EMOTIONS)
        return meaning if clear and len(set(meaning)) == len(EMOTIONS) else None


def recognise(images: UInt8[np.ndarray, "n *c h w"]) -> Recognition:
    """Look for FER2013's sample among faces, uint8 (n, 48, 48); others are made small for it."""
    known, labels, splits = sample()
    places = np.full(len(labels), -1, np.int64)
    nearest = np.full(len(labels), FARTHEST + 1)
    signs = known.astype(np.float32) * 2 - 1
    for start in range(0, len(images), _CHUNK):
        own = fingerprints(_small(images[start : start + _CHUNK])).astype(np.float32) * 2 - 1
        apart = (known.shape[1] - own @ signs.T) / 2
        best = apart.argmin(0)
        least = apart[best, np.arange(len(labels))]
        closer = least < nearest
        places[closer], nearest[closer] = best[closer] + start, least[closer]
    return Recognition(places, labels, splits)


def _small(images: UInt8[np.ndarray, "n *c h w"]) -> UInt8[np.ndarray, "n 48 48"]:
    """Faces at 48×48 in grey."""
    if images.shape[1:] == (48, 48):
        return images
    coloured = images.ndim == 4
    faces = images.transpose(0, 2, 3, 1) if coloured else images
    return np.stack([face_of(Image.fromarray(face)) for face in faces])


def fingerprints(images: UInt8[np.ndarray, "n 48 48"]) -> Bool[np.ndarray, "n 112"]:
    """112 bits a face: between neighbouring block means, which is the brighter one."""
    flat = images.reshape(len(images), -1).astype(np.float32)
    blocks = (flat @ _blocks(images.shape[1])).reshape(len(images), -1, images.shape[1] // _BLOCK)
    across = blocks[:, :, 1:] > blocks[:, :, :-1]
    down = blocks[:, 1:] > blocks[:, :-1]
    return np.concatenate([across.reshape(len(flat), -1), down.reshape(len(flat), -1)], 1)


@functools.cache
def _blocks(side: int) -> Float32[np.ndarray, "p b"]:
    """What sums pixels over 6×6 blocks; the sums are whole numbers, and so exact."""
    place = np.arange(side) // _BLOCK
    block = place[:, None] * (side // _BLOCK) + place
    return np.asarray(block.reshape(-1, 1) == np.arange((side // _BLOCK) ** 2), np.float32)


@functools.cache
def sample() -> tuple[Bool[np.ndarray, "s 112"], Int64[np.ndarray, " s"], Int64[np.ndarray, " s"]]:
    """Fingerprints, labels and split codes of the sampled faces of FER2013."""
    words = SAMPLE.split()
    packed = np.frombuffer(bytes.fromhex("".join(words)), np.uint8).reshape(len(words), -1)
    each = len(words) // (len(SPLITS) * len(EMOTIONS))
    labels = np.tile(np.repeat(np.arange(len(EMOTIONS)), each), len(SPLITS))
    splits = np.repeat(np.arange(len(SPLITS)), each * len(EMOTIONS))
    return np.unpackbits(packed, axis=1).astype(bool), labels, splits
