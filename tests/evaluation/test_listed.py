"""A run on listed faces, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ferturb.data.face_lists import FaceList
from ferturb.data.faces import Faces
from ferturb.evaluation.listed import score_listed


def test_listed_by_type_and_the_others(toy_faces: Faces) -> None:
    names = tuple(f"fer{i:07d}.png" for i in range(6))
    faces = replace(toy_faces.select(torch.arange(6)), names=names)
    wanted = FaceList(np.array([3, 1, 0, 77]), np.array([3, 7, 0, 2]), ("2", "1", "2", "1"))
    votes = np.zeros((6, 10), np.int64)
    votes[:, 1] = 10  # everyone is happy, but
    votes[5] = [0, 0, 0, 0, 0, 0, 0, 10, 0, 0]  # contempt
    votes[4] = [5, 5, 0, 0, 0, 0, 0, 0, 0, 0]  # no majority: left out
    logits = np.zeros((6, 7), np.float32)
    logits[np.arange(6), [1, 2, 3, 3, 4, 5]] = 1
    rows = score_listed("run", faces, logits, wanted, votes)
    assert [(r.faces, r.n, round(r.accuracy.estimate, 6)) for r in rows] == [
        ("listed", 3, round(1 / 3, 6)),  # 3 is right, 1 is contempt, 0 is wrong
        ("type 1", 1, 0.0),
        ("type 2", 2, 0.5),
        ("not listed", 2, 0.5),  # 2 is right, 5 contempt
    ]
    logits[2, 6] = 2
    assert score_listed("run", faces, logits, wanted, votes)[-1].accuracy.estimate == 0.0
    assert len(score_listed("run", faces, logits, replace(wanted, types=("",) * 4))) == 1
    votes[[2, 4, 5]] = 0  # of the others nobody was asked
    assert [r.faces for r in score_listed("run", faces, logits, wanted, votes)][-1] == "type 2"
    assert rows[2].cells() == ["run", "type 2", "50.0 [0.0, 100.0]", "2"]
