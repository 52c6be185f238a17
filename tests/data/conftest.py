"""Small made-up datasets in every form, built without the code under test."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ferturb.base.emotions import EMOTIONS
from ferturb.data.faces import Faces

USAGES = ("Training", "PublicTest", "PrivateTest")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "the-cache"))


@pytest.fixture
def small_faces() -> Faces:
    """84 random faces: 10 training, 1 validation, 1 test of each emotion, in a mixed order."""
    generator = np.random.default_rng(7)
    labels = np.repeat(np.arange(7), 12)
    splits = np.tile(np.array([0] * 10 + [1, 2]), 7)
    order = generator.permutation(len(labels))
    labels, splits = labels[order], splits[order]
    images = generator.integers(0, 256, (len(labels), 48, 48), dtype=np.uint8)
    return Faces(
        images=torch.from_numpy(images),
        labels=torch.from_numpy(labels),
        splits=torch.from_numpy(splits.astype(np.uint8)),
        names=tuple(f"{USAGES[s]}_{i:05d}" for i, s in enumerate(splits)),
        source="made up",
    )


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture
def as_png() -> Callable[[np.ndarray], bytes]:
    return png


@pytest.fixture
def kaggle_files(small_faces: Faces) -> dict[str, bytes]:
    """The files of a Kaggle image archive that holds `small_faces`, by name."""
    files = {}
    for i, (image, label, split) in enumerate(
        zip(small_faces.images.numpy(), small_faces.labels, small_faces.splits, strict=True)
    ):
        folder = "train" if split == 0 else "test"
        name = f"{folder}/{EMOTIONS[int(label)]}/{USAGES[int(split)]}_{1000 - i}.jpg"
        files[name] = png(image)
    return files


@pytest.fixture
def write_zip(tmp_path: Path) -> Callable[..., Path]:
    def write(files: Mapping[str, bytes], name: str = "faces.zip") -> Path:
        path = tmp_path / name
        with zipfile.ZipFile(path, "w") as archive:
            for member, data in files.items():
                archive.writestr(member, data)
        return path

    return write


@pytest.fixture
def write_tree(tmp_path: Path) -> Callable[..., Path]:
    def write(files: Mapping[str, bytes], name: str = "faces") -> Path:
        for member, data in files.items():
            path = tmp_path / name / member
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return tmp_path / name

    return write


@pytest.fixture
def csv_text() -> Callable[..., str]:
    """fer2013.csv of some faces, written with nothing but string formatting."""

    def text(faces: Faces, header: str = "emotion,pixels,Usage") -> str:
        columns = [column.strip() for column in header.split(",")]
        lines = [header]
        for image, label, split in zip(
            faces.images.numpy(), faces.labels.tolist(), faces.splits.tolist(), strict=True
        ):
            fields = {
                "emotion": str(label),
                "Usage": USAGES[split],
                "pixels": " ".join(map(str, image.flatten().tolist())),
            }
            lines.append(",".join(fields[column] for column in columns))
        return "\n".join(lines) + "\n"

    return text


@pytest.fixture
def same_faces() -> Callable[[Faces, Faces], bool]:
    """True when two datasets hold the same faces with label and split, in any order."""

    def rows(faces: Faces) -> list[tuple[bytes, int, int]]:
        images = [image.tobytes() for image in faces.images.numpy()]
        return sorted(zip(images, faces.labels.tolist(), faces.splits.tolist(), strict=True))

    return lambda a, b: rows(a) == rows(b)
