"""Who is drawn: the traits of a synthetic face, sampled, and everything random about it.

A trait is one number per face: a length, an angle, a tone. None of them depends on the emotion,
so that the action units alone carry it. Lengths are pixels of a 48×48 face at scale 1, measured
in the face's own frame: origin between the eyes, u to the image's right, v down.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from numpy.random import Generator
from torch import Tensor

BLOCK = 256
"""Faces that draw from one stream of random numbers."""
TRAITS, UNITS, TEXTURES, GRAIN, SPLITTING = range(5)
"""What a stream's numbers are for."""

Traits: TypeAlias = Mapping[str, Float[Tensor, "b 1 1"]]

BELL: dict[str, tuple[float, float]] = {
    # name: (least, most); a triangular distribution around the middle
    "center_x": (22.0, 25.0),
    "center_y": (18.0, 21.0),
    "scale": (0.9, 1.1),
    "roll": (-0.26, 0.26),  # radians
    "yaw": (-3.6, 3.6),  # pixels by which the middle of the face moves sideways
    "pitch": (-1.8, 1.8),
    "face_w": (17.6, 20.4),
    "head_top": (24.0, 27.5),
    "chin_v": (25.0, 28.2),
    "jaw_taper": (0.16, 0.42),
    "jaw_square": (2.05, 2.9),
    "eye_x": (8.5, 9.8),
    "eye_w": (3.9, 5.0),
    "eye_up": (1.75, 2.6),
    "eye_lo": (1.15, 1.7),
    "eye_tilt": (-0.17, 0.10),
    "iris": (1.85, 2.25),
    "gaze_u": (-1.0, 1.0),
    "gaze_v": (-0.5, 0.5),
    "crease": (0.0, 1.0),
    "lashes": (0.4, 0.9),
    "brow_v": (-7.2, -5.6),
    "brow_in": (3.3, 4.6),
    "brow_out": (14.0, 15.8),
    "brow_arch": (0.2, 1.5),
    "brow_slope": (-1.2, 0.5),
    "brow_thick": (0.55, 1.35),
    "nose_v": (9.4, 11.8),
    "nose_w": (3.0, 4.6),
    "nose_relief": (0.8, 1.5),
    "mouth_v": (16.4, 18.2),
    "mouth_w": (6.4, 8.2),
    "mouth_bow": (-0.8, 0.3),
    "lip_up": (1.0, 1.9),
    "lip_lo": (1.4, 2.4),
    "lip_tone": (0.55, 0.88),
    "teeth": (0.0, 1.0),  # how far a smile opens the lips
    "lopsided": (-0.22, 0.22),  # relative difference of the two sides of an expression
    "cheekbone": (0.5, 1.5),
    "light_u": (-0.95, 0.95),
    "light_v": (-0.85, 0.05),
    "contrast": (0.8, 1.35),
    "brightness": (-0.08, 0.15),
    "gamma": (0.7, 1.25),
    "grain": (0.004, 0.042),  # standard deviation of the sensor's noise
}

FLAT: dict[str, tuple[float, float]] = {
    # name: (least, most); a uniform distribution
    "age": (0.0, 1.0),
    "skin": (0.44, 0.88),  # albedo
    "hair_kind": (0.0, 1.0),
    "hair_tone": (0.0, 1.0),
    "hair_v": (-18.5, -13.0),
    "hair_part": (-4.0, 4.0),
    "hair_volume": (0.8, 4.0),
    "hair_waves": (0.0, 1.0),
    "hair_phase": (0.0, 6.28),
    "beard_kind": (0.0, 1.0),
    "glasses_kind": (0.0, 1.0),
    "glasses_round": (1.6, 4.0),
    "glasses_tone": (0.03, 0.45),
    "backdrop": (0.03, 0.97),
    "backdrop_slope_u": (-0.008, 0.008),
    "backdrop_slope_v": (-0.008, 0.008),
    "clothes": (0.05, 0.9),
    "ambient": (0.3, 0.62),
    "blur": (0.0, 0.22),  # share of each neighbour in the camera's three-tap blur
    "softness": (0.9, 1.5),  # width of a drawn edge, pixels
}


def random_stream(seed: int, block: int, purpose: int) -> Generator:
    """The generator of one purpose of one block of faces: streams never share numbers."""
    return np.random.default_rng((seed, block, purpose))


def sample_traits(rng: Generator, count: int) -> dict[str, Float[Tensor, "b 1 1"]]:
    """Traits of `count` people, each (count, 1, 1)."""
    bell = rng.random((2, len(BELL), count), dtype=np.float32).mean(0)
    flat = rng.random((len(FLAT), count), dtype=np.float32)
    traits = {}
    for table, shares in ((BELL, bell), (FLAT, flat)):
        for (name, (low, high)), share in zip(table.items(), shares, strict=True):
            traits[name] = torch.from_numpy(low + (high - low) * share).view(-1, 1, 1).float()
    return _dress(traits)


def _dress(t: dict[str, Tensor]) -> dict[str, Tensor]:
    """Turn the kinds drawn at random into amounts 0 or 1, and the tones that hang together."""
    kind, tone = t["hair_kind"], t["hair_tone"]
    t["bald"] = (kind < 0.12).float()
    t["fringe"] = ((kind > 0.32) & (kind < 0.55)).float()
    t["long"] = (kind > 0.42).float() * (kind < 0.72).float()
    t["hair_color"] = torch.where(tone < 0.75, 0.04 + 0.26 * tone, 0.3 + 0.9 * (tone - 0.75))
    t["hair_color"] = torch.where(t["skin"] < 0.5, t["hair_color"].clamp(max=0.14), t["hair_color"])
    t["brow_color"] = torch.minimum(t["hair_color"] * 0.7, t["skin"] * 0.5)
    bearded = (t["long"] == 0).float() * (t["beard_kind"] < 0.34).float()
    t["beard"] = bearded * torch.where(t["beard_kind"] < 0.14, 0.8, 0.35)
    t["moustache"] = bearded * (t["beard_kind"] < 0.24).float() * 0.7
    t["glasses"] = (t["glasses_kind"] < 0.15).float()
    return t


def sample_textures(
    rng: Generator, count: int, size: int
) -> dict[str, Float[Tensor, "b size size"]]:
    """Smooth noise for the backdrop and the skin, fine noise for hair; mean 0, about ±1."""

    def noise(cells: int, stream: Generator) -> Tensor:
        shape = (count, 1, cells, cells)
        coarse = torch.from_numpy(stream.standard_normal(shape, dtype=np.float32))
        if cells == size:
            return coarse[:, 0]
        smooth = torch.nn.functional.interpolate(
            coarse, size=(size, size), mode="bicubic", align_corners=True
        )
        return smooth[:, 0]

    cells = {"backdrop": 5, "skin": 9, "fine": 40}
    streams = rng.spawn(len(cells))  # one each: fewer faces are then the first of more
    return {k: noise(n, s) for (k, n), s in zip(cells.items(), streams, strict=True)}
