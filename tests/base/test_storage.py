from __future__ import annotations

import errno
import json
import os
import pickle
import stat
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ferturb.base import storage
from ferturb.base.errors import FerturbError
from ferturb.base.storage import (
    atomic_folder,
    atomic_path,
    read_arrays,
    read_json,
    read_object,
    require_file,
    require_folder,
    require_new,
    write_arrays,
    write_bytes,
    write_json,
    write_rows,
    write_text,
)
from ferturb.base.tensors import load_tensors, save_tensors
from posix_only import posix_only


def write_tensors(path: Path, word: str) -> None:
    save_tensors(path, {"x": torch.full((3,), float(len(word)))}, {"word": word})


def read_word(path: Path) -> str:
    word: str = load_tensors(path)[1]["word"]
    return word


WRITERS = {
    "text": (write_text, lambda p: p.read_text(encoding="utf-8")),
    "bytes": (lambda p, w: write_bytes(p, w.encode()), lambda p: p.read_bytes().decode()),
    "json": (write_json, read_json),
    "tensors": (write_tensors, read_word),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_written_is_read(tmp_path: Path, kind: str) -> None:
    write, read = WRITERS[kind]
    path = tmp_path / "new" / "folder" / "file"
    for word in ("first", "zweites ä 😀"):
        write(path, word)
        assert read(path) == word
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_json_is_json_and_an_older_file_with_nan_is_still_read(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    numbers = {"a": float("nan"), "b": [float("inf"), np.float64("nan"), 0.5], "c": "NaN"}
    write_json(path, numbers)

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    strict = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert strict == {"a": None, "b": [None, None, 0.5], "c": "NaN"}
    path.write_text(json.dumps(numbers), encoding="utf-8")  # as it was written before
    assert np.isnan(read_object(path)["a"])


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_flushed_is_open_for_writing(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows flushes nothing else; to what is open for reading not even no bytes are written."""
    flushed: list[int] = []
    monkeypatch.setattr(storage.os, "fsync", lambda file: flushed.append(os.write(file, b"")))
    WRITERS[kind][0](tmp_path / "x", "word")
    assert flushed == [0]


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, kind: str, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, read = WRITERS[kind]
    path = tmp_path / "file"
    write(path, "old")
    with monkeypatch.context() as patch:
        if broken == "fsync":
            patch.setattr(storage.os, "fsync", full_disk)
        else:
            patch.setattr(Path, "replace", full_disk)
        with pytest.raises(FerturbError, match=r"can't write .*file: No space left") as caught:
            write(path, "new")
    assert "\n" not in str(caught.value)
    assert read(path) == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_disk_that_fills_while_tensors_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors.torch

    def half(_: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half of it")
        raise safetensors.SafetensorError("IoError: No space left on device")

    path = tmp_path / "file"
    write_tensors(path, "old")
    monkeypatch.setattr(safetensors.torch, "save_file", half)
    with pytest.raises(FerturbError, match=r"can't write .*No space left"):
        write_tensors(path, "new")
    assert read_word(path) == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_an_error_of_the_caller_leaves_the_old_file_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fail()
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("kind", WRITERS)
def test_a_folder_that_cannot_be(tmp_path: Path, kind: str) -> None:
    (tmp_path / "plain").write_text("a file, no folder")
    for path in (tmp_path / "plain" / "x", tmp_path / "plain" / "deeper" / "x", Path("/proc/no/x")):
        with pytest.raises(FerturbError, match=r"can't write .* give a folder"):
            WRITERS[kind][0](path, "word")
    assert [p.name for p in tmp_path.iterdir()] == ["plain"]


@pytest.mark.parametrize("kind", WRITERS)
def test_files_have_the_permissions_of_any_new_file(tmp_path: Path, kind: str) -> None:
    old = os.umask(0o027)
    try:
        WRITERS[kind][0](tmp_path / "x", "word")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_tensors_of_every_kind_come_back_as_they_were(tmp_path: Path) -> None:
    tensors = {
        "float": torch.randn(2, 3, requires_grad=True),
        "bfloat16": torch.randn(4).bfloat16(),
        "bytes": torch.arange(5, dtype=torch.uint8),
        "count": torch.tensor(7),
        "bool": torch.tensor([True, False]),
        "empty": torch.zeros(0, 3),
        "columns": torch.arange(6).view(2, 3).T,
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    }
    meta = {"a": [1, 2.5, None, "ä"], "b": {"c": True}, "tiny": 0.1 + 0.2}
    save_tensors(tmp_path / "x", tensors, meta)
    got, got_meta = load_tensors(tmp_path / "x")
    assert got_meta == meta
    assert got.keys() == tensors.keys()
    for key, tensor in tensors.items():
        assert got[key].dtype == tensor.dtype
        assert torch.equal(got[key], tensor)


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"x": [1, 2]}))


def torch_file(path: Path) -> None:
    torch.save({"x": torch.zeros(2)}, path)


def cut(path: Path) -> None:
    write_tensors(path, "word")
    path.write_bytes(path.read_bytes()[:-5])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def huge_header(path: Path) -> None:
    path.write_bytes(b"\xff" * 8 + b"{}")


@pytest.mark.parametrize("make", [pickled, torch_file, cut, empty, huge_header, Path.mkdir])
def test_what_is_no_safetensors_file_is_a_one_line_error(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "x")
    with pytest.raises(FerturbError, match=r"x is not a safetensors .*unpickles") as caught:
        load_tensors(tmp_path / "x")
    assert "\n" not in str(caught.value)


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(FerturbError, match="none does not exist"):
        load_tensors(tmp_path / "none")
    with pytest.raises(FerturbError, match="none does not exist"):
        read_json(tmp_path / "none")
    (tmp_path / "bad").write_text('{"a": ')
    with pytest.raises(FerturbError, match="bad is not JSON"):
        read_json(tmp_path / "bad")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FerturbError, match="binary is not JSON"):
        read_json(tmp_path / "binary")


def test_json_holds_file_names_that_are_not_text(tmp_path: Path) -> None:
    write_json(tmp_path / "x", {"a": "\udcff.png"})
    assert read_json(tmp_path / "x") == {"a": "\udcff.png"}


def test_json_is_for_people_too(tmp_path: Path) -> None:
    write_json(tmp_path / "x", {"a": ["ä", 1]})
    assert (tmp_path / "x").read_text(encoding="utf-8").endswith("}\n")
    assert "ä" in (tmp_path / "x").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "x").read_text(encoding="utf-8")) == {"a": ["ä", 1]}


def test_rows_become_a_table_with_every_key_a_column(tmp_path: Path) -> None:
    write_rows(tmp_path / "t.csv", [{"a": 1, "b": "x, y"}, {"b": "z", "c": 2.5}])
    assert (tmp_path / "t.csv").read_text() == 'a,b,c\n1,"x, y",\n,z,2.5\n'


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_no_flipped_bit_of_a_tensor_file_is_taken_for_what_was_written(tmp_path: Path) -> None:
    """Every bit of a small file, one at a time: it is refused, or means the same (white space)."""
    path, tensors = tmp_path / "x", {"a": torch.arange(6.0).view(2, 3), "n": torch.tensor(7)}
    meta = {"format": "f", "history": [{"loss": 0.25, "nan": None}]}
    save_tensors(path, tensors, meta)
    whole, refused = path.read_bytes(), 0
    for bit in range(8 * len(whole)):
        path.write_bytes(flipped(whole, bit))
        try:
            found, words = load_tensors(path)
        except FerturbError:
            refused += 1
            continue
        unchecked = not words or words.keys() != meta.keys()  # the flip is in a name of ours
        assert unchecked or (
            words == meta and all(torch.equal(found[k], tensors[k]) for k in found)
        )
    assert refused > 0.9 * 8 * len(whole)


def test_a_file_without_a_checksum_is_of_an_earlier_version_and_read(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"x": torch.ones(3)}, tmp_path / "x", metadata={"ferturb": '{"format": "old"}'})
    tensors, meta = load_tensors(tmp_path / "x")
    assert (tensors["x"].tolist(), meta) == ([1, 1, 1], {"format": "old"})
    save_file({"x": torch.ones(3)}, tmp_path / "x", metadata={"ferturb": "[1]"})
    with pytest.raises(FerturbError, match=r"not a safetensors .*not a JSON object"):
        load_tensors(tmp_path / "x")


ARRAYS = {"labels": np.arange(5), "logits": np.eye(5, 7, dtype=np.float32)}


def one_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.arange(3))


def objects(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=np.array([{}, {}]))


def zipped_text(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.npy", "no array")


def fifo(path: Path) -> None:
    """Not on Windows: win32 has no such thing."""
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


DEVICES = [pytest.param(make, marks=posix_only) for make in (fifo, endless)]


@pytest.mark.parametrize(
    "make", [pickled, empty, one_array, objects, zipped_text, *DEVICES, Path.mkdir]
)
def test_what_is_no_file_of_arrays_is_a_one_line_error(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "x")
    with pytest.raises(FerturbError, match=r"x is not an npz file .*; make it again") as caught:
        read_arrays(tmp_path / "x", "make it again")
    assert "\n" not in str(caught.value)


def test_arrays_come_back_or_are_refused(tmp_path: Path) -> None:
    path, random = tmp_path / "x", np.random.default_rng(0)
    write_arrays(path, ARRAYS)
    whole = path.read_bytes()
    refused = 0
    for bit in random.integers(0, 8 * len(whole), 400):
        path.write_bytes(flipped(whole, int(bit)))
        try:
            found = read_arrays(path, "make it again")
        except FerturbError:
            refused += 1
            continue
        assert set(found) != set(ARRAYS) or all((found[k] == ARRAYS[k]).all() for k in found)
    assert refused > 100


@pytest.mark.parametrize("text", ["null", "[]", "3", '"x"', "[" * 100_000, '{"a": 1'])
def test_json_that_is_no_object_is_a_one_line_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(FerturbError, match=r"x\.json (holds|is not JSON)") as caught:
        read_object(tmp_path / "x.json")
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


@pytest.mark.parametrize("make", [*DEVICES, Path.mkdir])
@pytest.mark.parametrize("kind", WRITERS)
def test_a_device_or_a_pipe_is_never_replaced(tmp_path: Path, make: Any, kind: str) -> None:
    path = tmp_path / "x"
    make(path)
    before = path.lstat()
    with pytest.raises(FerturbError, match=r"can't write .*x: a folder, a device or a pipe"):
        WRITERS[kind][0](path, "word")
    assert path.lstat() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_link_stays_and_what_it_names_is_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("folder/target")
    for word in ("first", "second"):
        write_text(tmp_path / "link", word)
        assert (tmp_path / "folder" / "target").read_text() == word
        assert (tmp_path / "link").is_symlink()


def test_a_place_is_asked_for_before_long_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    (tmp_path / "empty").mkdir()
    fifo(tmp_path / "fifo")
    for good in ("new", "new/deep", "empty"):
        require_folder(tmp_path / good)
        require_new(tmp_path / good)
    require_folder(tmp_path / "full")
    require_file(tmp_path / "full" / "x")
    require_file(tmp_path / "new" / "x")
    for bad in ("file", "file/deep", "fifo", "x" * 5000):
        for ask in (require_folder, require_new):
            with pytest.raises(FerturbError, match=r"give a folder|not a folder|can't write"):
                ask(tmp_path / bad)
    with pytest.raises(FerturbError, match="not an empty folder"):
        require_new(tmp_path / "full")
    for bad in ("full", "fifo", "file/x"):
        with pytest.raises(FerturbError):
            require_file(tmp_path / bad)
    names = ["empty", "fifo", "file", "full"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names  # nothing was made


def test_a_folder_that_is_there_and_full_is_not_replaced(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        with atomic_folder(folder) as temporary:
            (temporary / "x").write_text("x")

    write(tmp_path / "a")
    with pytest.raises(FerturbError, match="not an empty folder"):
        write(tmp_path / "a")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
