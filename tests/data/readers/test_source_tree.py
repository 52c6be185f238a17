from __future__ import annotations

import pytest

from ferturb.base.errors import FerturbError
from ferturb.data.readers import source_tree
from ferturb.data.readers.source_tree import open_tree
from ferturb.data.sources import load_source


def test_folder_and_zip_list_the_same(write_tree, write_zip):
    files = {"b/x.txt": b"1", "a/c/y.txt": b"22", ".hidden/z": b"3", "top": b""}
    with open_tree(write_tree(files)) as folder, open_tree(write_zip(files)) as archive:
        assert list(folder.members.items()) == [("a/c/y.txt", 2), ("b/x.txt", 1), ("top", 0)]
        assert folder.members == archive.members
        assert folder.folders == archive.folders == {"a", "a/c", "b"}
        assert folder.read("a/c/y.txt") == archive.read("a/c/y.txt") == b"22"
        with pytest.raises(FerturbError, match="larger than 1 bytes"):
            archive.read("a/c/y.txt", 1)


def test_a_loop_of_links_ends(write_tree):
    folder = write_tree({"a/x.txt": b"1"})
    (folder / "a" / "again").symlink_to(folder)
    with open_tree(folder) as tree:
        assert list(tree.members) == ["a/x.txt"]


def test_truncated_zip(kaggle_files, write_zip):
    path = write_zip(kaggle_files)
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:size])
        with pytest.raises(FerturbError, match="not a complete zip archive") as error:
            load_source(path)
        assert "\n" not in str(error.value)


def test_missing_path(tmp_path):
    with pytest.raises(FerturbError, match="does not exist; give the path of"):
        load_source(tmp_path / "no.zip")


def test_bombs_are_refused(write_zip, write_tree, monkeypatch):
    files = {f"happy/{i}.png": b"0" * 1000 for i in range(5)}
    archive, folder = write_zip(files), write_tree(files)
    monkeypatch.setattr(source_tree, "MAX_BYTES", 4_000)
    with pytest.raises(FerturbError, match="unpacks to 5 files and 5,000 bytes"):
        open_tree(archive)
    monkeypatch.setattr(source_tree, "MAX_MEMBERS", 4)
    with pytest.raises(FerturbError, match="more than 4 files"):
        open_tree(folder)


def test_hostile_member_names_touch_no_disk(kaggle_files, write_zip, tmp_path):
    extra = {"../../evil/happy/Training_1.jpg": b"x", "/abs/sad/Training_2.jpg": b"x"}
    path = write_zip({**kaggle_files, **extra}, "sub.zip")
    before = sorted(p.name for p in tmp_path.rglob("*"))
    faces = load_source(path)
    assert [item["name"] for item in faces.info["unreadable"]] == ["abs/sad/Training_2.jpg"]
    assert sorted(p.name for p in tmp_path.rglob("*")) == before
