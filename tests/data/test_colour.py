"""Faces of any side, grey or in colour: read in full, seen otherwise, kept as they are."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from coloured_faces import coloured_faces, write_raf_db
from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.base.raster import Raster
from ferturb.base.storage import cache_folder
from ferturb.data import memory
from ferturb.data.audit import audit
from ferturb.data.faces import Faces
from ferturb.data.readers.csv_tables import write_csv
from ferturb.data.readers.fer2013 import write_folder
from ferturb.data.sources import full_raster, load_faces


@pytest.fixture(scope="module")
def drawn() -> Faces:
    return coloured_faces(70)


@pytest.fixture
def tree(drawn: Faces, tmp_path: Path) -> Path:
    write_raf_db(drawn, tmp_path / "raf")
    return tmp_path / "raf"


def config(tree: Path, **changes: Any) -> DatasetConfig:
    return replace(DatasetConfig(str(tree), label_order="raf-db"), **changes)


def in_order(faces: Faces) -> Faces:
    """Sorted by the number in the files' names."""
    numbers = [int(name.rsplit("_", 2)[-2]) for name in faces.names]
    return faces.select(np.argsort(numbers))


def test_a_tree_is_read_in_full_and_by_the_way_at_48(tree: Path, drawn: Faces) -> None:
    full = in_order(load_faces(config(tree, side=100, channels=3)))
    assert full.raster == Raster(100, 3) == full_raster(tree)
    assert torch.equal(full.images, drawn.images)
    assert torch.equal(full.labels, drawn.labels)
    plain = in_order(load_faces(config(tree)))
    assert plain.images.shape == (70, 48, 48)
    picture = Image.fromarray(drawn.images[7].permute(1, 2, 0).numpy()).convert("L")
    expected = np.asarray(picture.resize((48, 48), Image.Resampling.BICUBIC))
    assert np.array_equal(plain.images[7], expected)
    assert torch.equal(full.view().images, plain.images)  # the default view
    assert plain.names == full.names
    assert plain.content_hash() != full.content_hash()
    again = in_order(load_faces(config(tree, side=100, channels=3)))  # from the cache
    assert torch.equal(again.images, full.images)
    assert len(list(cache_folder().iterdir())) == 2


def test_a_picture_that_is_damaged_in_its_archive_hides_no_others_size(
    tree: Path, tmp_path: Path
) -> None:
    first, *others = sorted(tree.rglob("*.*"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in (first, *others):
            archive.write(path, path.relative_to(tree))
    data = (tmp_path / "a.zip").read_bytes()
    changed = data.replace(first.read_bytes()[:-8], first.read_bytes()[:-9] + b"?", 1)
    (tmp_path / "a.zip").write_bytes(changed)
    assert changed != data
    assert full_raster(tmp_path / "a.zip") == Raster(100, 3)


def test_views_change_side_and_colour_and_nothing_else(drawn: Faces) -> None:
    small = drawn.view(64, 3)
    assert small.images.shape == (70, 3, 64, 64)
    assert (small.names, small.source) == (drawn.names, drawn.source)
    assert drawn.view(100, 3) is drawn
    grey = drawn.view(100, 1)
    in_three = grey.view(100, 3)
    assert torch.equal(in_three.images, grey.images[:, None].expand(-1, 3, -1, -1))
    assert torch.equal(in_three.view(100).images, grey.images)
    for side, channels, said in ((40, 1, "from 48 to 224"), (225, 3, "from 48"), (100, 2, "1 .g")):
        with pytest.raises(FerturbError, match=said):
            drawn.view(side, channels)
        with pytest.raises(FerturbError, match=said):
            DatasetConfig(side=side, channels=channels)


def test_saved_and_loaded_faces_are_the_same(drawn: Faces, tmp_path: Path) -> None:
    drawn.save(tmp_path / "faces.safetensors")
    loaded = Faces.load(tmp_path / "faces.safetensors")
    assert torch.equal(loaded.images, drawn.images)
    assert loaded.content_hash() == drawn.content_hash()
    assert loaded.grey() == pytest.approx(drawn.grey(), rel=1e-12)
    train = drawn.images[drawn.splits == 0].double() / 255
    assert drawn.grey() == pytest.approx((train.mean().item(), train.std(correction=0).item()))


def test_faces_written_in_colour_are_read_back(drawn: Faces, tmp_path: Path) -> None:
    write_folder(drawn, tmp_path / "written")
    again = load_faces(DatasetConfig(str(tmp_path / "written"), side=100, channels=3))
    assert sorted(map(bytes, again.images.numpy())) == sorted(map(bytes, drawn.images.numpy()))
    with pytest.raises(FerturbError, match="48×48 grey faces, got 100×100 RGB"):
        write_csv(drawn, tmp_path / "faces.csv")


def test_parquet_and_tables_are_read_in_full_too(drawn: Faces, tmp_path: Path) -> None:
    files = []
    for face in drawn.images.permute(0, 2, 3, 1).numpy():
        buffer = io.BytesIO()
        Image.fromarray(face).save(buffer, "PNG")
        files.append({"bytes": buffer.getvalue()})
    rows = {"image": files, "label": drawn.labels.tolist(), "split": ["train"] * 70}
    pq.write_table(pa.table(rows), tmp_path / "faces.parquet")
    wanted = DatasetConfig(str(tmp_path / "faces.parquet"), label_order="fer2013", side=100)
    assert torch.equal(load_faces(replace(wanted, channels=3)).images, drawn.images)
    assert torch.equal(load_faces(wanted).images, drawn.view(100).images)
    plain = drawn.view()
    write_csv(plain, tmp_path / "fer.csv")
    table = DatasetConfig(str(tmp_path / "fer.csv"))
    assert torch.equal(load_faces(table).images, plain.images)
    assert torch.equal(load_faces(replace(table, side=64)).images, plain.view(64).images)


def test_drawn_faces_come_at_any_side() -> None:
    faces = load_faces(DatasetConfig(synthetic_faces=14, side=64, channels=3))
    assert faces.images.shape == (14, 3, 64, 64)
    assert torch.equal(faces.images[:, 0], faces.images[:, 2])


def test_large_faces_lie_in_a_file(
    tree: Path, drawn: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = load_faces(config(tree, side=100, channels=3), cache=False)
    (tree / "train" / "4" / "train_09999_aligned.png").write_bytes(b"no picture")
    monkeypatch.setattr(memory, "LARGE", 1000)
    mapped = load_faces(config(tree, side=100, channels=3), cache=False)
    assert mapped.names == in_memory.names
    assert torch.equal(mapped.images, in_memory.images)
    whole = mapped.images.untyped_storage().data_ptr()
    assert mapped.select(slice(10, 30)).images.untyped_storage().data_ptr() == whole
    for index in ([3, 5, 4], [-2, -1], [1, 1], torch.arange(70) % 3 == 0):
        assert torch.equal(mapped.select(index).images, in_memory.select(index).images)
    assert not list(cache_folder().iterdir())  # the file has no name


def test_the_audit_finds_copies_in_colour(drawn: Faces) -> None:
    images = drawn.images.clone()
    images[5] = images[3]
    images[6] = (images[3].float() * 0.97).round().to(torch.uint8)
    images[9] = 200
    report = audit(replace(drawn, images=images))
    assert [group.names for group in report.exact] == [(drawn.names[3], drawn.names[5])]
    assert any({drawn.names[3], drawn.names[6]} <= set(group.names) for group in report.near)
    assert report.blank == (drawn.names[9],)
