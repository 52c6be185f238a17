"""Lists of FER+'s faces that are hard to see: really occluded, or turned away.

Wang et al., "Region Attention Networks for Pose and Occlusion Robust Facial Expression
Recognition", IEEE TIP 2020 (arXiv 1905.04075), published test lists with one face a line:
``L_ferNNNNNNN.png 8 TYPE`` (Occlusion-FERPlus; the number of classes, and what hides the face) and
``L/ferNNNNNNN.jpg`` (Pose-FERPlus). L is FER+'s class: 0 neutral, happiness, surprise, sadness,
anger, disgust, fear, 7 contempt. The lists come without a licence: ferturb reads them and has none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.data.fer_plus import image_numbers
from ferturb.data.votes import CONTEMPT, LABELS

_LINE = re.compile(r"([0-7])[_/]fer(\d{7})\.\w+(?:\s+\d+\s+(\S+))?")


@dataclass(frozen=True)
class FaceList:
    """Faces by the number of their image in FER+."""

    images: Int64[np.ndarray, " m"]
    labels: Int64[np.ndarray, " m"]
    """0 … 6 in the order of `EMOTIONS`, 7 contempt."""
    types: tuple[str, ...]
    """What hides each face, as the list has it; "" where it says nothing."""

    def places(self, faces: Faces) -> tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]:
        """Of the listed faces that are among these: their places in the list, and in the faces.

        `FerturbError` when there are none, or when the faces' names don't say which image each is.
        """
        numbers = image_numbers(faces)
        if numbers is None:
            raise FerturbError(
                f"can't tell which faces of {faces.source} the list means: expected the files of "
                "FER2013's image archive, or names such as fer0000123.png; give those with --data"
            )
        place = {int(number): i for i, number in enumerate(numbers) if number >= 0}
        found = [(i, place[n]) for i, n in enumerate(self.images.tolist()) if n in place]
        if not found:
            raise FerturbError(
                f"none of the {len(self.images)} listed faces is among the {len(faces)} of "
                f"{faces.source}; is it the list of another split?"
            )
        listed, here = np.array(found, np.int64).T
        return listed, here


def read_face_list(path: Path) -> FaceList:
    """Read a list in its published form; anything else raises `FerturbError`."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FerturbError(f"can't read the list of faces {path}: {error}") from error
    rows: dict[int, tuple[int, str]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise FerturbError(
                f"{path}, line {number}: expected L_ferNNNNNNN.png 8 TYPE or L/ferNNNNNNN.jpg with "
                f"L from 0 to 7, got {line.strip()[:60]!r}"
            )
        label = LABELS[int(match[1])]
        rows[int(match[2])] = (CONTEMPT if label < 0 else int(label), match[3] or "")
    if not rows:
        raise FerturbError(f"{path} lists no face; copy or download it again")
    labels, types = zip(*rows.values(), strict=True)
    return FaceList(np.array(list(rows), np.int64), np.array(labels, np.int64), types)
