"""Faces with features left out or a mask worn, with onnxruntime alone.

What `ferturb.features.removal` and `face_masks` do with torch, to the bit: their own programs,
written as ONNX files by `tools/ship_altering.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ferturb.base.errors import FerturbError
from ferturb.predict.onnx_session import OnnxModel

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, UInt8


FOLDER = Path(__file__).with_name("weights")


class Alterer:
    """Alters 48×48 faces; opens each of its graphs when it is first needed."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads
        self._masks: dict[str, OnnxModel] = {}

    @cached_property
    def _remover(self) -> OnnxModel:
        return OnnxModel(FOLDER / "left_out.onnx", self._threads)

    @property
    def features(self) -> tuple[str, ...]:
        """The facial features that can be left out."""
        return tuple(self._remover.meta["features"])

    @property
    def fills(self) -> tuple[str, ...]:
        """What can stand in their place."""
        return tuple(self._remover.meta["fills"])

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of face masks."""
        return tuple(self._remover.meta["worn"])

    def left_out(
        self,
        face: UInt8[np.ndarray, "48 48"],
        points: Float[np.ndarray, "p 2"],
        choices: Sequence[Collection[str]],
        fill: str = "mean",
    ) -> UInt8[np.ndarray, "m 48 48"]:
        """One copy of the face for each choice of features, without these.

        `points` are the face's landmarks (`ferturb.predict.landmark_finder`). Raises
        `FerturbError` for an unknown feature or fill.
        """
        _known("fill", [fill], self.fills)
        rows = np.zeros((len(choices), len(self.features)), bool)
        for row, names in zip(rows, choices, strict=True):
            _known("facial feature", names, self.features)
            row[[self.features.index(name) for name in names]] = True
        return self._run(face, points, rows)[self.fills.index(fill)]

    def worn(
        self, face: UInt8[np.ndarray, "48 48"], points: Float[np.ndarray, "p 2"], kind: str
    ) -> UInt8[np.ndarray, "48 48"]:
        """The face wearing a mask: always the same one of its kind, in the face's own light."""
        _known("kind of face mask", [kind], self.kinds)
        if kind not in self._masks:
            self._masks[kind] = OnnxModel(FOLDER / f"worn_{kind}.onnx", self._threads)
        shown = {"face": face[None], "points": points[None].astype(np.float32)}
        worn = self._masks[kind].run(shown)[0][0]
        return np.asarray(worn)

    def _run(
        self, face: np.ndarray, points: np.ndarray, rows: Bool[np.ndarray, "m f"]
    ) -> list[np.ndarray]:
        shown = {"face": face[None], "points": points[None].astype(np.float32), "left_out": rows}
        if not len(rows):
            return [np.zeros((0, *face.shape), np.uint8) for _ in self.fills]
        return self._remover.run(shown)


def _known(what: str, names: Collection[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise FerturbError(f"unknown {what} {name!r}; known: {', '.join(known)}")
