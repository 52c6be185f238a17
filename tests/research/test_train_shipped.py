"""The queue of the trainings that ship, where not all of them are wanted."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
from train_shipped import work

from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError

DATA = DatasetConfig("fer2013.zip", votes="fer2013new.csv")
TEACHERS = "clean-s0, clean-s1, clean-s2, resnet18, vgg16"


def options(out: Path, *only: str, status: bool = False) -> Namespace:
    return Namespace(
        data=DATA.source, votes=DATA.votes, out=out, only=only, status=status, device="cpu"
    )


def test_a_student_without_its_teachers_says_who_they_are(tmp_path: Path) -> None:
    with pytest.raises(FerturbError, match=f"clean-taught learns from {TEACHERS}, not trained"):
        work(options(tmp_path, "clean-taught"))
    with pytest.raises(FerturbError, match="robust-taught learns from clean-s1, not trained in"):
        work(options(tmp_path, "clean-s0", "robust-taught"))
    work(options(tmp_path, "clean-taught", status=True))


def test_a_name_that_is_none_is_said(tmp_path: Path) -> None:
    for status in (True, False):
        with pytest.raises(FerturbError, match="unknown training 'clean-taut': did you mean"):
            work(options(tmp_path, "clean-s0", "clean-taut", status=status))
