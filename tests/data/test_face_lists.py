"""Lists of occluded and turned faces, in their published form."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.face_lists import read_face_list


@pytest.fixture
def listed(tmp_path: Path):
    def write(text: str):
        path = tmp_path / "list.txt"
        path.write_text(text)
        return read_face_list(path)

    return write


def test_both_published_forms(listed) -> None:
    found = listed("1_fer0034656.png 8 0\n7_fer0000003.png 8 2\n4/fer0032228.jpg\n\n")
    assert found.images.tolist() == [34656, 3, 32228]
    assert found.labels.tolist() == [EMOTIONS.index("happy"), 7, EMOTIONS.index("angry")]
    assert found.types == ("0", "2", "")


def test_places(listed, toy_faces) -> None:
    wanted = listed("0/fer0000004.jpg\n1/fer0009999.jpg\n2/fer0000002.jpg")
    names = tuple(f"x/fer{i:07d}.png" for i in range(len(toy_faces)))
    in_list, here = wanted.places(replace(toy_faces, names=names))
    assert in_list.tolist() == [0, 2]
    assert here.tolist() == [4, 2]
    with pytest.raises(FerturbError, match="can't tell which faces of toy the list means"):
        wanted.places(toy_faces)
    absent = listed("0/fer0009999.jpg")
    with pytest.raises(FerturbError, match="none of the 1 listed faces is among the 96"):
        absent.places(replace(toy_faces, names=names))


@pytest.mark.parametrize("line", ["8_fer0000001.png 8 0", "1-fer0000001.png", "happy"])
def test_other_lines_are_refused(listed, line: str) -> None:
    with pytest.raises(FerturbError, match=r"line 2: expected L_ferNNNNNNN\.png 8 TYPE"):
        listed(f"1_fer0000001.png 8 0\n{line}\n")
    with pytest.raises(FerturbError, match="lists no face"):
        listed("\n")


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(FerturbError, match="can't read the list of faces"):
        read_face_list(tmp_path / "absent.txt")
