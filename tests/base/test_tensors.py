"""Tensors in files of any name; `tests/training/test_checkpoint.py` damages them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from ferturb.base.errors import FerturbError
from ferturb.base.tensors import load_tensors, save_tensors

NOT_UTF8 = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize("name", ["a.safetensors", f"{NOT_UTF8}.safetensors", f"{NOT_UTF8}/a"])
def test_they_come_back_from_a_file_of_any_name(name: str, tmp_path: Path) -> None:
    tensors = {"a": torch.arange(6).view(2, 3), "b": torch.rand(4).half()}
    save_tensors(tmp_path / name, tensors, {"format": "f", "é": [1, None]})
    found, meta = load_tensors(tmp_path / name)
    assert meta == {"format": "f", "é": [1, None]}
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[key], value) for key, value in tensors.items())
    assert [p.name for p in (tmp_path / name).parent.iterdir()] == [Path(name).name]


@pytest.mark.parametrize("data", [b"", b"\xff" * 8, b"\2\0\0\0\0\0\0\0{}", b"\1\0\0\0\0\0\0\0{"])
def test_another_file_is_one_line_whatever_its_name(data: bytes, tmp_path: Path) -> None:
    (tmp_path / NOT_UTF8).write_bytes(data)
    if data.endswith(b"{}"):
        assert load_tensors(tmp_path / NOT_UTF8) == ({}, {})
        return
    with pytest.raises(FerturbError, match="is not a safetensors file") as caught:
        load_tensors(tmp_path / NOT_UTF8)
    assert "\n" not in str(caught.value)
