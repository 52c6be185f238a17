"""Faces that are really hidden or turned away, where the user has their published lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferturb.data.face_lists import read_face_list
from ferturb.data.faces import Faces
from ferturb.evaluation.benchmark.measure import Answers
from ferturb.evaluation.benchmark.protocol import WHOLE
from ferturb.evaluation.benchmark.scores import PLACE
from ferturb.evaluation.listed import score_listed


def score_lists(
    answers: Answers, faces: Faces, paths: Sequence[Path]
) -> tuple[dict[str, Any], ...]:
    """Accuracy on the faces of each list, by type, from the answers to whole faces.

    `faces` are those of the answers. Where they have votes, the split's other faces are a row
    too. `FerturbError` for a list that can't be read or whose faces aren't among these.
    """
    logits = np.asarray(answers.logits[PLACE[WHOLE]], np.float32)
    votes = None if faces.votes is None else faces.votes.numpy()
    return tuple(
        {"list": path.stem, "faces": row.faces, "n": row.n}
        | {"accuracy": [row.accuracy.estimate, row.accuracy.low, row.accuracy.high]}
        for path in paths
        for row in score_listed(answers.name, faces, logits, read_face_list(path), votes)
    )
