"""A study of two short trainings; as a program: two_trainings.py FOLDER EPOCHS."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from ferturb.base.config import FAST, DatasetConfig, MethodConfig
from ferturb.data.sources import load_faces
from ferturb.study.plan import Study
from ferturb.study.study import run_study


def two_trainings(folder: Path, epochs: int) -> Study:
    """On the faces in FOLDER/faces."""
    return Study(
        "small",
        "a test",
        ("compact-tiny",),
        (MethodConfig("baseline"),),
        replace(FAST, epochs=epochs),
        1,
        seeds=(0, 1),
        dataset=DatasetConfig(str(folder / "faces")),
    )


if __name__ == "__main__":
    place = Path(sys.argv[1])
    study = two_trainings(place, int(sys.argv[2]))
    run_study(study, place / "study", load_faces(study.dataset), workers=2)
