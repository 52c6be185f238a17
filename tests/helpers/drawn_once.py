"""Drawn faces for tests that draw the same ones before each."""

from __future__ import annotations

from functools import cache

from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.data.faces import Faces


@cache
def drawn_once(n: int, seed: int) -> Faces:
    """`synthetic_faces`, the first time; to be read, not changed."""
    return synthetic_faces(n, seed)
