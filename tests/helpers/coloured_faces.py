"""Drawn faces in colour: a data set of RGB, and a tree of files in the form that RAF-DB has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.data.faces import Faces

RAF_DB = {"surprise": 1, "fear": 2, "disgust": 3, "happy": 4, "sad": 5, "angry": 6, "neutral": 7}
"""The folder of each emotion, as RAF-DB's own files say."""
_EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
_SKINS = ((255, 214, 190), (236, 188, 150), (198, 140, 102), (140, 92, 66))


def coloured_faces(n: int, side: int = 100, seed: int = 0) -> Faces:
    """n drawn faces of `side` pixels, each tinted as skin."""
    drawn = synthetic_faces(n, seed, side)
    skins = torch.tensor(_SKINS)[torch.arange(n) % len(_SKINS)].float() / 255
    images = (drawn.images[:, None].float() * skins[:, :, None, None]).round().to(torch.uint8)
    return replace(drawn, images=images)


def write_raf_db(faces: Faces, folder: Path) -> None:
    """PNG files in train/1 … train/7 and test/1 … test/7; validation faces are training faces."""
    pictures = faces.images.permute(0, 2, 3, 1).numpy()
    for i, (label, split) in enumerate(zip(faces.labels, faces.splits, strict=True)):
        half, number = "test" if split == 2 else "train", RAF_DB[_EMOTIONS[label]]
        place = folder / half / str(number) / f"{half}_{i:05d}_aligned.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(pictures[i])).save(place)
