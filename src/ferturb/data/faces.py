"""`Faces`, the one container of face images, and its cache on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from PIL import Image
from torch import Tensor

from ferturb.base.checks import require_kind, require_path
from ferturb.base.config.fields import require_form
from ferturb.base.decode import face_of
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError, first_line
from ferturb.base.pixels import are_images, require_images
from ferturb.base.raster import FACE_SIZE, Raster
from ferturb.base.reading import reading
from ferturb.base.tabular import Tabular
from ferturb.base.tensors import load_tensors, save_tensors
from ferturb.data.memory import LARGE, room, selected

SPLITS: tuple[str, ...] = ("train", "validation", "test")
"""FER2013's Training, PublicTest and PrivateTest. Index = split code."""
FORMAT = "ferturb-faces-1"
_TENSORS = ("images", "labels", "splits")
_CHUNK = 4096


@dataclass(frozen=True)
class Faces(Tabular):
    """Face crops with their emotion labels, as one tensor of all their pixels.

    - ``images``: uint8, 0 … 255: grey (n, height, width), or in colour (n, 3, height, width).
    - ``labels``: int64 (n,), 0 … 6 in the order of `EMOTIONS`.
    - ``splits``: uint8 (n,), index into `SPLITS`.
    - ``names``: one name per face: its path inside the source, unique, with forward slashes.
    - ``source``: what these faces are, for people: "FER2013 (Kaggle zip)", "synthetic", …
    - ``kind``: "fer2013" (told by the faces), "synthetic" or "folder"; tables show the paper's
      numbers for "fer2013". Altered faces are "maskfer" (they wear something) or "left-out".
    - ``notes``: one line for each thing a reader should know (a split made by us, files left out).
    """

    images: UInt8[Tensor, "n *c h w"]
    labels: Int64[Tensor, " n"]
    splits: UInt8[Tensor, " n"]
    names: tuple[str, ...]
    source: str
    kind: str = "folder"
    notes: tuple[str, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else JSON can hold about these faces (e.g. unreadable files by name)."""
    votes: UInt8[Tensor, "n 10"] | None = None
    """How many people called each face what, in the order of `ferturb.base.emotions.VOTES`; a row
    of 0 where nobody was asked. None where the source has no votes."""

    def __post_init__(self) -> None:
        for name in _TENSORS:
            value = getattr(self, name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, name, torch.from_numpy(np.ascontiguousarray(value)))
            elif not isinstance(value, Tensor):
                raise FerturbError(
                    f"Faces.{name} must be a tensor or a NumPy array, got {type(value).__name__}"
                )
        require_images(self.images, "Faces.images")
        object.__setattr__(self, "names", _as_tuple(self.names))
        require_kind("Faces.names", self.names, tuple)
        require_kind("Faces.source", self.source, str)
        if self.votes is not None and require_kind("Faces.votes", self.votes, Tensor).ndim != 2:
            raise FerturbError(f"Faces.votes must be (n, 10), got {tuple(self.votes.shape)}")
        n = len(self)
        for name in ("labels", "splits", "names", *(["votes"] if self.votes is not None else [])):
            length = len(getattr(self, name))
            if length != n:
                raise FerturbError(f"Faces needs one of {name} per image: {n} images, {length}")
        for name, known in (("labels", EMOTIONS), ("splits", SPLITS)):
            codes = getattr(self, name)
            if codes.ndim != 1 or codes.is_floating_point():
                raise FerturbError(
                    f"Faces.{name} must be one whole number a face, got "
                    f"{str(codes.dtype).removeprefix('torch.')} {tuple(codes.shape)}"
                )
            if n and not (int(codes.min()) >= 0 and int(codes.max()) < len(known)):
                raise FerturbError(
                    f"Faces.{name} go from 0 to {len(known) - 1} ({', '.join(known)})"
                )

    def __len__(self) -> int:
        return int(self.images.shape[0])

    @property
    def raster(self) -> Raster:
        """Their side in pixels (the width's, where they aren't square) and their channels."""
        return Raster(int(self.images.shape[-1]), self.images.shape[1] if self.coloured else 1)

    @property
    def coloured(self) -> bool:
        """Whether they are RGB."""
        return self.images.ndim == 4

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return (int(self.images.shape[-2]), int(self.images.shape[-1]))

    def view(self, side: int = FACE_SIZE, channels: int = 1) -> Faces:
        """These faces at another side and in grey or colour, each as a picture of it is read.

        Itself where they are that already. A grey face in colour has three channels alike.

        >>> labels = torch.zeros(1, dtype=torch.int64)
        >>> images = torch.zeros(1, 48, 48, dtype=torch.uint8)
        >>> faces = Faces(images, labels, labels.byte(), ("a",), "")
        >>> faces.view(100, 3).images.shape
        torch.Size([1, 3, 100, 100])
        """
        raster = Raster(side, channels).checked()
        if self.size == (side, side) and self.raster == raster:
            return self
        images = room((len(self), *raster.shape))
        for i, face in enumerate(self.images.numpy()):
            picture = Image.fromarray(face.transpose(1, 2, 0) if self.coloured else face)
            images[i] = face_of(picture, raster)
        return replace(self, images=torch.from_numpy(images))

    def images_on(self, device: torch.device) -> UInt8[Tensor, "n *c h w"]:
        """The images on a device; those of over a gigabyte stay in the file that they lie in."""
        return self.images if self.images.numel() >= LARGE else self.images.to(device)

    def split(self, name: str) -> Faces:
        """The faces of one split: "train", "validation" or "test"."""
        if name not in SPLITS:
            raise FerturbError(f"unknown split {name!r}; known: {', '.join(SPLITS)}")
        return self.select(torch.nonzero(self.splits == SPLITS.index(name)).flatten())

    def select(self, index: Any) -> Faces:
        """The faces at these positions, in this order, or where a boolean mask is True.

        `index` is a tensor, an array, a list, or a slice. A mask of another length, a position
        beyond the last face and what is no position raise `FerturbError`.
        """
        index = self._positions(index)
        return replace(
            self,
            images=selected(self.images, index),
            labels=self.labels[index],
            splits=self.splits[index],
            names=tuple(self.names[i] for i in index.tolist()),
            votes=None if self.votes is None else self.votes[index],
        )

    def _positions(self, index: Any) -> Int64[Tensor, " m"]:
        if isinstance(index, slice):
            return torch.arange(len(self))[index]
        try:
            found = torch.as_tensor(index)
        except (TypeError, ValueError, RuntimeError) as error:
            raise FerturbError(
                f"expected positions or a mask of faces: {first_line(error)}"
            ) from None
        if not found.numel():
            found = found.to(torch.int64)
        if found.dtype == torch.bool and tuple(found.shape) == (len(self),):
            return torch.nonzero(found).flatten()
        whole = not (found.is_floating_point() or found.is_complex() or found.dtype == torch.bool)
        if found.ndim == 1 and whole:
            found = found.to(torch.int64)
            if not len(found) or -len(self) <= int(found.min()) <= int(found.max()) < len(self):
                return found
        raise FerturbError(
            f"expected positions of {len(self)} faces or a boolean mask of that length, got "
            f"{str(found.dtype).removeprefix('torch.')} {tuple(found.shape)}"
        )

    def records(self) -> list[Mapping[str, Any]]:
        """A row a face: name, split, emotion."""
        places = zip(self.names, self.splits.tolist(), self.labels.tolist(), strict=True)
        return [{"name": n, "split": SPLITS[s], "emotion": EMOTIONS[e]} for n, s, e in places]

    def counts(self) -> dict[str, dict[str, int]]:
        """Number of faces per split and emotion, e.g. ``counts()["train"]["happy"]``."""
        cells = self.splits.long() * len(EMOTIONS) + self.labels
        table = torch.bincount(cells, minlength=len(SPLITS) * len(EMOTIONS)).view(len(SPLITS), -1)
        rows = (dict(zip(EMOTIONS, row, strict=True)) for row in table.tolist())
        return dict(zip(SPLITS, rows, strict=True))

    def grey(self) -> tuple[float, float]:
        """Mean and standard deviation of the training pixels, as shares of white."""
        counts = torch.zeros(256, dtype=torch.float64)
        for images in self.split("train").images.split(_CHUNK):  # type: ignore[no-untyped-call]
            counts += torch.bincount(images.flatten(), minlength=256)
        levels = torch.arange(256, dtype=torch.float64) / 255
        total = counts.sum().clamp_min(1)
        mean = float((counts * levels).sum() / total)
        return mean, float(((counts * (levels - mean).square()).sum() / total).sqrt())

    def content_hash(self) -> str:
        """SHA-256 of pixels, labels and splits in order: the data hash a run stores.

        Votes don't count: faces are the same faces with and without them.
        """
        digest = hashlib.sha256()
        for tensor in (self.images, self.labels, self.splits):
            digest.update(str(tuple(tensor.shape)).encode())
            digest.update(tensor.contiguous().numpy().data)
        return digest.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write to one safetensors file, atomically."""
        tensors = {name: getattr(self, name) for name in _TENSORS}
        if self.votes is not None:
            tensors["votes"] = self.votes
        words = {name: getattr(self, name) for name in ("names", "source", "kind", "notes")}
        save_tensors(
            require_path("path", path),
            tensors,
            {"format": FORMAT, **words, "info": dict(self.info)},
        )

    @staticmethod
    def load(path: str | Path) -> Faces:
        """Read what `save` wrote."""
        path = require_path("path", path)
        tensors, meta = load_tensors(path)
        if meta.get("format") != FORMAT or set(_TENSORS) - set(tensors):
            raise FerturbError(
                f"{path} is not a faces file (expected format {FORMAT}, "
                f"got {meta.get('format')!r}); write it again"
            )
        _require_sound(path, tensors, meta)
        fields: dict[str, Any] = {name: tensors[name] for name in _TENSORS}
        fields |= {name: tuple(meta[name]) for name in ("names", "notes")}
        fields |= {"votes": tensors.get("votes"), "info": meta["info"]}
        return Faces(**fields, source=meta["source"], kind=meta["kind"])


class _Words(TypedDict):
    """What a faces file says in words."""

    names: list[str]
    source: str
    kind: str
    notes: list[str]
    info: dict[str, Any]


def _require_sound(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Raise `FerturbError` unless a file holds faces, whoever wrote it."""
    with reading(path, "a file of faces", "write it again"):
        require_form(_Words, dict(meta), "it")
        images, labels, splits = (tensors[name] for name in _TENSORS)
        if not are_images(images):
            raise ValueError(f"its images are {images.dtype} {tuple(images.shape)}")
        for codes, known in ((labels, EMOTIONS), (splits, SPLITS)):
            if codes.is_floating_point() or codes.shape != images.shape[:1]:
                raise ValueError("its labels or splits are not one number a face")
            if len(codes) and not 0 <= int(codes.min()) <= int(codes.max()) < len(known):
                raise ValueError(f"it has a label or split {int(codes.max())}")
        votes = tensors.get("votes")
        if votes is not None and (votes.dtype, votes.shape) != (torch.uint8, (len(images), 10)):
            raise ValueError(f"its votes are {votes.dtype} {tuple(votes.shape)}")


def _as_tuple(names: Any) -> Any:
    return tuple(names) if isinstance(names, list) else names
