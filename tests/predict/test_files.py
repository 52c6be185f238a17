from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ferturb.base.errors import FerturbError
from ferturb.predict.files import find_files, paths_of, walked
from posix_only import posix_only


def test_folders_are_walked_by_name_and_files_taken_as_they_are(tmp_path: Path) -> None:
    for name in ("b.JPG", "a/c.png", "a/d.txt", "z.webp", "a/e/f.mp4", "a/.hidden"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    found = find_files([tmp_path, tmp_path / "q.x"])
    names = [p.relative_to(tmp_path).as_posix() for p in found.paths]
    assert names == ["a/c.png", "b.JPG", "z.webp", "q.x"]
    assert found.notes == (
        f"{tmp_path}: 1 video was passed over (a/e/f.mp4); give videos by name",
        f"{tmp_path}: 1 file was passed over (a/d.txt): no image by its suffix",
    )


def test_many_files_are_counted_and_some_named(tmp_path: Path) -> None:
    for i in range(7):
        (tmp_path / f"{i}.pdf").touch()
    (note,) = find_files(tmp_path).notes
    assert note.endswith(
        "7 files were passed over (0.pdf, 1.pdf, 2.pdf, …): no image by its suffix"
    )


@pytest.fixture
def deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in a folder, 1,500 times, with a photo at the bottom."""
    monkeypatch.chdir(tmp_path)
    for _ in range(1500):
        os.mkdir("d")  # noqa: PTH102
        os.chdir("d")
    Path("a.png").touch()
    yield tmp_path
    Path("a.png").unlink()
    for _ in range(1500):
        os.chdir("..")
        os.rmdir("d")  # noqa: PTH106


def test_deep_folders_are_walked_and_links_to_folders_not(deep: Path) -> None:
    (deep / "loop").symlink_to(deep)
    (found,) = find_files(deep).paths
    assert found.name in ("a.png", "d")  # beyond the system's longest path a folder is closed


def refusing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system refuse to list a folder, as it does for those who may not."""
    listed = os.scandir

    def scandir(path: Path) -> Any:
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)


def test_a_folder_that_is_closed_comes_among_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b/c.png", "d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    refusing(tmp_path / "b", monkeypatch)
    found = find_files(tmp_path)
    assert [p.name for p in found.paths] == ["a.png", "b", "d.png"]
    assert found.notes == ()


@posix_only
def test_a_link_to_itself_hides_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("a.png")
    (tmp_path / "b.png").touch()
    assert [p.name for p in find_files(tmp_path).paths] == ["b.png"]


def test_files_come_while_folders_are_walked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b/c.mp4", "b/d.parquet", "e.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    notes: list[str] = []
    found = walked(
        [tmp_path, Path("x" * 300)], {".png", ".parquet"}, notes, {"video": "!", "file": "?"}
    )
    assert next(found).name == "a.png"
    assert not notes
    assert [p.name for p in found] == ["d.parquet", "x" * 300]
    assert notes == [
        f"{tmp_path}: 1 video was passed over (b/c.mp4)!",
        f"{tmp_path}: 1 file was passed over (e.txt)?",
    ]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_may_not_be_read_is_looked_at_to_say_so(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    assert find_files(tmp_path).paths == (closed,)


@pytest.mark.usefixtures("no_shape_checks")
def test_what_is_no_path() -> None:
    assert paths_of("a") == paths_of(Path("a")) == paths_of(["a"]) == [Path("a")]
    for wrong in (b"a", 3, None, [3], [b"a"], [None]):
        with pytest.raises(FerturbError, match="a path"):
            paths_of(wrong)  # type: ignore[arg-type]
