from __future__ import annotations

import os
import subprocess

import pytest

from ferturb.base.errors import FerturbError
from ferturb.data.readers import source_tree
from ferturb.data.readers.source_tree import open_tree
from ferturb.data.sources import load_faces, load_source
from posix_only import posix_only


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


def test_a_zip_whose_names_begin_with_a_dot(kaggle_files, write_zip, small_faces, same_faces):
    path = write_zip({f"./{name}": data for name, data in kaggle_files.items()})
    assert same_faces(load_source(path), small_faces)
    assert set(load_source(path).names) == set(kaggle_files)


def test_a_zip_with_a_password_is_refused_for_what_it_is(kaggle_files, write_zip):
    path = write_zip(kaggle_files)
    data = bytearray(path.read_bytes())
    for magic, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = -1
        while (place := data.find(magic, place + 1)) >= 0:
            data[place + flags] |= 1
    path.write_bytes(data)
    with pytest.raises(FerturbError, match="is encrypted; unpack it with its password"):
        load_source(path)


@pytest.mark.parametrize(
    ("start", "form"),
    [
        (b"\x1f\x8b\x08", "gzip"),
        (b"7z\xbc\xaf'\x1c", "7-Zip"),
        (b"Rar!\x1a\x07", "RAR"),
        (bytes(257) + b"ustar\0", "tar"),
    ],
)
def test_other_archives_are_named(tmp_path, start, form):
    (tmp_path / "faces.any").write_bytes(start + bytes(300))
    with pytest.raises(FerturbError, match=f"is a {form} archive; unpack it"):
        load_source(tmp_path / "faces.any")


@posix_only
def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(FerturbError, match="is no file"):
            load_source(tmp_path / name)
        with pytest.raises(FerturbError, match="is no file"):
            load_faces(str(tmp_path / name))


@posix_only
def test_what_is_no_file_in_a_folder_is_left_out_and_said(kaggle_files, write_tree):
    folder = write_tree(kaggle_files)
    os.mkfifo(folder / "train" / "happy" / "pipe.png")
    (folder / "train" / "happy" / "zero.png").symlink_to("/dev/zero")
    (folder / "train" / "happy" / "gone.png").symlink_to(folder / "nowhere")
    (folder / "train" / "happy" / "ring.png").symlink_to(folder / "train" / "happy" / "ring.png")
    faces = load_source(folder)
    assert len(faces) == len(kaggle_files)
    (note,) = faces.notes
    assert note.startswith("4 broken links, pipes or devices left out: train/happy/gone.png")


def test_folders_nested_without_end_are_refused_at_once(tmp_path):
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):  # too deep for one path
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    with pytest.raises(FerturbError, match="nested more than 64 deep"):
        load_faces(str(tmp_path))
    for _ in range(30):  # pytest can't remove what is too deep for it
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


def test_folders_that_may_not_be_read_are_said(kaggle_files, write_tree, monkeypatch):
    folder = write_tree(kaggle_files)
    real = os.scandir

    def closed(path):
        if str(path).endswith("fear"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr("os.scandir", closed)
    faces = load_source(folder)
    assert "2 folders that may not be read left out: test/fear, train/fear" in faces.notes
    assert "no faces of fear in this source" in faces.notes


def test_a_path_of_five_thousand_letters(tmp_path):
    for load in (load_source, load_faces):
        with pytest.raises(FerturbError, match=r"can't read .*(too long|does not exist)"):
            load(str(tmp_path / ("x" * 5000)))
