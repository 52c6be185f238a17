"""Faces with features left out or a mask worn, with onnxruntime alone.

What `ferturb.features.removal` and `face_masks` do with torch, to the bit: their own programs,
written as ONNX files by `tools/ship_altering.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ferturb.base.errors import FerturbError
from ferturb.predict.onnx_session import OnnxModel

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8

FOLDER = Path(__file__).with_name("weights")


class Alterer:
    """Alters 48×48 faces; opens each of its graphs when it is first needed."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads
        self._graphs: dict[str, OnnxModel] = {}

    def _graph(self, name: str) -> OnnxModel:
        if name not in self._graphs:
            self._graphs[name] = OnnxModel(FOLDER / f"{name}.onnx", self._threads)
        return self._graphs[name]

    @property
    def features(self) -> tuple[str, ...]:
        """The facial features that can be left out."""
        return tuple(self._graph("left_out").meta["features"])

    @property
    def fills(self) -> tuple[str, ...]:
        """What can stand in their place."""
        return tuple(self._graph("left_out").meta["fills"])

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of face masks."""
        return tuple(self._graph("left_out").meta["worn"])

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
        for row, chosen in zip(rows, choices, strict=True):
            names = (chosen,) if isinstance(chosen, str) else chosen
            _known("facial feature", names, self.features)
            row[[self.features.index(name) for name in names]] = True
        if not len(rows):
            return np.zeros((0, *face.shape), np.uint8)
        shown = _inputs(face, points) | {"left_out": rows}
        return self._graph("left_out").run(shown)[self.fills.index(fill)]

    def worn(
        self, face: UInt8[np.ndarray, "48 48"], points: Float[np.ndarray, "p 2"], kind: str
    ) -> UInt8[np.ndarray, "48 48"]:
        """The face wearing a mask: always the same one of its kind, in the face's own light."""
        _known("kind of face mask", [kind], self.kinds)
        return np.asarray(self._graph(f"worn_{kind}").run(_inputs(face, points))[0][0])


def _inputs(face: np.ndarray, points: np.ndarray) -> dict[str, np.ndarray]:
    return {"face": face[None], "points": points[None].astype(np.float32)}


def _known(what: str, names: Collection[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise FerturbError(f"unknown {what} {name!r}; known: {', '.join(known)}")
