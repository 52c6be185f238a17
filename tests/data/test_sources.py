from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import torch

from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.data import cache, sources
from ferturb.data.sources import load_faces, load_source


def config(path, **options) -> DatasetConfig:
    return DatasetConfig(source=str(path), **options)


@pytest.fixture
def reads(monkeypatch):
    """The sources that were read, not taken from the cache."""
    calls: list[str] = []
    real = sources.load_source

    def counted(source, *how):
        calls.append(str(source))
        return real(source, *how)

    monkeypatch.setattr(sources, "load_source", counted)
    return calls


def equal(a, b) -> bool:
    return (
        a.content_hash() == b.content_hash()
        and a.names == b.names
        and (a.source, a.kind, a.notes, dict(a.info)) == (b.source, b.kind, b.notes, dict(b.info))
    )


def test_the_cache_gives_what_was_read(kaggle_files, write_zip, write_tree, reads):
    files = {**kaggle_files, sorted(kaggle_files)[0]: b"broken"}
    for path in (write_zip(files), write_tree(files)):
        fresh = load_source(path)
        reads.clear()
        assert equal(load_faces(config(path)), fresh)
        assert equal(load_faces(config(path)), fresh)
        assert len(reads) == 1
        assert equal(load_faces(config(path), cache=False), fresh)
        assert len(reads) == 2


def test_a_changed_source_is_read_again(kaggle_files, write_zip, write_tree, reads):
    archive, folder = write_zip(kaggle_files), write_tree(kaggle_files)
    for path in (archive, folder):
        load_faces(config(path))
    reads.clear()
    os.utime(archive, ns=(0, time.time_ns() + 10**9))
    names = sorted(kaggle_files)
    (folder / names[0]).rename(folder / names[0].replace("PrivateTest_", "PrivateTest_1"))
    for path in (archive, folder):
        load_faces(config(path))
    assert reads == [str(archive), str(folder)]
    assert len(list(cache.cache_folder().iterdir())) == 2


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "json"])
def test_a_damaged_cache_is_rebuilt(kaggle_files, write_zip, reads, damage):
    path = write_zip(kaggle_files)
    fresh = load_faces(config(path))
    (file,) = cache.cache_folder().iterdir()
    data = bytearray(file.read_bytes())
    if damage == "flip":
        data[-5000] ^= 1
    changed = {"cut": data[:-7], "flip": data, "empty": b"", "json": b"{}"}[damage]
    file.write_bytes(changed)
    assert equal(load_faces(config(path)), fresh)
    assert len(reads) == 2
    assert equal(load_faces(config(path)), fresh)
    assert len(reads) == 2


def test_a_cache_that_cant_be_written_is_only_slow(kaggle_files, write_zip, monkeypatch, recwarn):
    path = write_zip(kaggle_files)
    blocked = path.parent / "a file"
    blocked.write_text("x")
    monkeypatch.setenv("FERTURB_CACHE", str(blocked / "below"))
    assert equal(load_faces(config(path)), load_source(path))
    assert len(recwarn) == 0
    assert blocked.read_text() == "x"


def test_the_readers_are_part_of_the_key(kaggle_files, write_zip, reads, monkeypatch):
    path = write_zip(kaggle_files)
    load_faces(config(path))
    monkeypatch.setattr(cache, "READ_BY", cache.READ_BY[1:])
    load_faces(config(path))
    assert len(reads) == 2


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "own"))
    assert cache.cache_folder() == tmp_path / "own"
    monkeypatch.delenv("FERTURB_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_folder() == tmp_path / "xdg" / "ferturb"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / ".cache" / "ferturb"


def test_names_that_are_not_text_or_too_long(kaggle_files, write_tree, tmp_path):
    folder = write_tree(kaggle_files, "\udcff\udcfe")
    assert len(load_faces(config(folder))) == len(load_faces(config(folder))) == 84
    with pytest.raises(FerturbError) as error:
        load_faces(config(tmp_path / ("x" * 5000)))
    assert "\n" not in str(error.value)


def test_clean_is_applied_after_the_cache(kaggle_files, write_zip, reads):
    names = sorted(kaggle_files)
    test = next(n for n in names if "PrivateTest" in n)
    train = next(n for n in names if "Training" in n)
    path = write_zip({**kaggle_files, test: kaggle_files[train]})
    whole = load_faces(config(path))
    clean = load_faces(config(path, clean=True))
    assert len(reads) == 1
    assert set(whole.names) - set(clean.names) == {test}


def test_synthetic_faces_are_drawn_and_cached(monkeypatch, small_faces):
    calls: list[int] = []

    def drawn(n, _raster):
        calls.append(n)
        return small_faces.select(torch.arange(n))

    monkeypatch.setattr(sources, "_synthetic", drawn)
    for _ in range(2):
        assert len(load_faces(DatasetConfig(synthetic_faces=20))) == 20
    assert len(load_faces(DatasetConfig(synthetic_faces=21))) == 21
    assert len(load_faces(DatasetConfig(synthetic_faces=20), cache=False)) == 20
    assert calls == [20, 21, 20]


def test_progress_ends_with_all(kaggle_files, write_zip):
    seen: list[tuple[int, int]] = []
    load_source(write_zip(kaggle_files), lambda done, total: seen.append((done, total)))
    assert seen[-1] == (84, 84)


def test_other_files_are_refused_with_advice(tmp_path, write_zip, write_tree):
    with pytest.raises(FerturbError, match="no images or tables of faces"):
        load_source(write_zip({"readme.md": b"x"}))
    folder = write_tree({"data/fer2013.zip": b"PK", "notes.txt": b""}, "parent")
    with pytest.raises(FerturbError, match=r"it holds data/fer2013\.zip: give that file"):
        load_source(folder)
    binary = tmp_path / "weights.bin"
    binary.write_bytes(bytes(range(256)) * 9)
    with pytest.raises(FerturbError) as error:
        load_source(binary)
    assert "\n" not in str(error.value)


@pytest.mark.real_data
def test_the_real_archive_is_read_once_and_reopened_from_the_cache(
    real_zip: Path, real_faces: Faces, real_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERTURB_CACHE", str(real_cache))
    monkeypatch.setattr("ferturb.data.sources.load_source", None)  # can't be read any more
    again = load_faces(config(real_zip))
    assert len(again) == 35_887
    assert again.images.equal(real_faces.images)
