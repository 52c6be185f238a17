from __future__ import annotations

import errno
import json
import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from ferturb.base import storage
from ferturb.base.errors import FerturbError
from ferturb.base.storage import (
    alone,
    atomic_path,
    load_tensors,
    read_json,
    remove_leftovers,
    save_tensors,
    write_bytes,
    write_json,
    write_rows,
    write_text,
)


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


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


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
    with pytest.raises(FerturbError, match=r"can't read .*none: No such file"):
        read_json(tmp_path / "none")
    (tmp_path / "bad").write_text('{"a": ')
    with pytest.raises(FerturbError, match="bad is not JSON"):
        read_json(tmp_path / "bad")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FerturbError, match="binary is not JSON"):
        read_json(tmp_path / "binary")


def test_json_is_for_people_too(tmp_path: Path) -> None:
    write_json(tmp_path / "x", {"a": ["ä", 1]})
    assert (tmp_path / "x").read_text(encoding="utf-8").endswith("}\n")
    assert "ä" in (tmp_path / "x").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "x").read_text(encoding="utf-8")) == {"a": ["ä", 1]}


def test_leftovers_of_a_killed_write_go_and_nothing_else(tmp_path: Path) -> None:
    kept = ["run.json", "log.txt", ".gitignore", ".run.json"]
    gone = [".run.json.k3_x9", ".model.safetensors.abc12345"]
    for name in kept + gone:
        (tmp_path / name).write_text("x")
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_rows_become_a_table_with_every_key_a_column(tmp_path: Path) -> None:
    write_rows(tmp_path / "t.csv", [{"a": 1, "b": "x, y"}, {"b": "z", "c": 2.5}])
    assert (tmp_path / "t.csv").read_text() == 'a,b,c\n1,"x, y",\n,z,2.5\n'


def test_a_folder_is_held_against_other_processes(tmp_path: Path) -> None:
    ask = (
        "import sys; from pathlib import Path; from ferturb.base.storage import alone\n"
        "with alone(Path(sys.argv[1]), 'training'): print('alone')"
    )

    def other() -> str:
        done = subprocess.run(
            [sys.executable, "-c", ask, str(tmp_path)], capture_output=True, text=True, check=False
        )
        return (done.stdout + done.stderr).strip().splitlines()[-1]

    with alone(tmp_path, "training"):
        assert f"another process is training {tmp_path}; wait for it or stop it" in other()
    assert other() == "alone"
    assert list(tmp_path.iterdir()) == []
