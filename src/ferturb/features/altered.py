"""The faces of a run: a source as it is, or altered before anything else sees it.

`DatasetConfig` can say that all faces wear face masks (MaskFer) or that a facial feature, or a
random region in its place, is left out of them. All splits are altered alike; labels, splits,
names and order stay, so that face i of one is face i of the other.

What takes long is kept in the cache (`ferturb.data.cache`): altered datasets, by the faces they
were made of and everything they were made with (`MADE_BY` and the landmarks' weights too), and the
landmarks of a dataset.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from ferturb.base.checks import require_kind
from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.base.pixels import at_once
from ferturb.base.storage import sources_version
from ferturb.base.tensors import load_tensors, save_tensors
from ferturb.data.cache import BUILT_ON, cache_folder, cached
from ferturb.data.faces import Faces
from ferturb.data.readers.images import Progress
from ferturb.data.sources import load_faces
from ferturb.data.splits import training_subset
from ferturb.features.landmarks import SOURCES, WEIGHTS, Landmarks, find_landmarks
from ferturb.features.masks.mask_fer import mask_faces
from ferturb.features.removal import leave_out

FORMAT = "ferturb-found-landmarks-1"
MADE_BY = (*BUILT_ON, "ferturb.data", "ferturb.features")
"""The programs that altered faces come from."""
FOUND_BY = (
    "ferturb.base.pixels",
    "ferturb.base.raster",
    "ferturb.features.landmark_network",
    "ferturb.features.landmarks",
    "ferturb.features.points",
)
"""The programs that landmarks come from."""
_ALTERATION = ("face_masks", "left_out", "left_out_fill", "left_out_control", "alteration_seed")
_CHUNK = 2048  # a multiple of find_landmarks' batch, so that chunks change no bit
_WORTH_KEEPING = 500
"""Landmarks of fewer faces are found again sooner than they are worth a file."""


def load_dataset(
    config: DatasetConfig, cache: bool = True, progress: Progress | None = None
) -> Faces:
    """The faces a dataset config describes, altered as it says; what every run is trained on.

    Without an alteration this is `load_faces`. Altered faces are of kind "maskfer" or "left-out",
    so that nothing takes them for FER2013. Every input that can't be used raises `FerturbError`.
    """
    faces = _altered_faces(require_kind("config", config, DatasetConfig), cache, progress)
    if config.training_faces is None:
        return faces
    index = training_subset(faces.splits.numpy(), config.training_faces, config.subset_seed)
    note = f"{config.training_faces:,} training faces, drawn with seed {config.subset_seed}"
    return replace(faces.select(torch.from_numpy(index)), notes=(*faces.notes, note))


def _altered_faces(config: DatasetConfig, cache: bool, progress: Progress | None) -> Faces:
    faces = load_faces(config, cache, progress)
    if not config.altered:
        return faces
    if not cache:
        return alter(faces, config, find_all_landmarks(faces, progress), progress)
    all_faces = replace(config, training_faces=None, subset_seed=0, votes=None)
    whole = hashlib.sha256(json.dumps(asdict(all_faces)).encode()).hexdigest()
    return alter_cached(faces, config, f"{config.source}-{_title(config)}-{whole[:8]}", progress)


def alter_cached(
    faces: Faces, config: DatasetConfig, name: str | None = None, progress: Progress | None = None
) -> Faces:
    """`alter` with the landmarks of these faces, or what it gave before.

    `name` says which source it is in the cache; None names it by the faces' content.
    """
    how = {key: asdict(config)[key] for key in _ALTERATION}
    content = hashlib.sha256(f"{faces.content_hash()} {how}".encode())
    content.update("\n".join(faces.names).encode("utf-8", "surrogateescape"))
    made = cached(
        name or f"{_title(config)}-{content.hexdigest()[:16]}",
        f"{content.hexdigest()} {_version()}",
        lambda: alter(
            replace(faces, votes=None), config, landmarks_of(faces, progress=progress), progress
        ),
    )
    return replace(made, votes=faces.votes)


def alter(
    faces: Faces, config: DatasetConfig, landmarks: Landmarks, progress: Progress | None = None
) -> Faces:
    """The same faces altered as a config says: first what they wear, then what is left out."""
    altered = faces
    if config.face_masks is not None:
        kind, seed = config.face_masks, config.alteration_seed
        altered = _of_kind(mask_faces(faces, kind, seed, landmarks, progress)[0], "maskfer")
    if config.left_out is None:
        return altered
    what: dict[str, Any] = {"feature": config.left_out, "fill": config.left_out_fill}
    what |= {"control": config.left_out_control, "seed": config.alteration_seed}
    altered = _of_kind(leave_out(altered, landmarks=landmarks, **what), "left-out")
    return replace(altered, info={**altered.info, "left_out": what})


def landmarks_of(faces: Faces, cache: bool = True, progress: Progress | None = None) -> Landmarks:
    """The landmarks of every face, from the cache where they were found before.

    They are kept by the faces' content, the network's weights and the programs (`FOUND_BY`); a
    cache that can't be read or written is only slow.
    """
    if not cache or len(faces) < _WORTH_KEEPING:
        return find_all_landmarks(faces, progress)
    key = f"{faces.content_hash()} {_weights()} {sources_version(*FOUND_BY)}"
    name = hashlib.sha256(key.encode()).hexdigest()[:16]
    path = cache_folder() / f"landmarks-{name}.safetensors"
    known = _stored_landmarks(path, key)
    if known is not None:
        return known
    found = find_all_landmarks(faces, progress)
    codes = torch.tensor([SOURCES.index(source) for source in found.source], dtype=torch.uint8)
    tensors = {"points": found.points, "confidence": found.confidence, "source": codes}
    with contextlib.suppress(FerturbError):
        save_tensors(path, tensors, {"format": FORMAT, "key": key})
    return found


def find_all_landmarks(faces: Faces, progress: Progress | None = None) -> Landmarks:
    """`find_landmarks` of many faces, telling how far it is."""
    parts, chunk = [], at_once(_CHUNK // 32, faces.images) * 32
    for images in torch.split(faces.images, chunk):
        parts.append(find_landmarks(images))
        if progress is not None:
            progress(min(len(parts) * chunk, len(faces)), len(faces))
    return Landmarks(
        torch.cat([part.points for part in parts]),
        torch.cat([part.confidence for part in parts]),
        tuple(source for part in parts for source in part.source),
    )


def _of_kind(faces: Faces, kind: str) -> Faces:
    """FER2013 that is altered is FER2013 no longer; drawn faces stay drawn faces."""
    return faces if faces.kind == "synthetic" else replace(faces, kind=kind)


def _title(config: DatasetConfig) -> str:
    words = [f"{config.face_masks}-masks"] if config.face_masks is not None else []
    if config.left_out is not None:
        words += ["random" if config.left_out_control else "without", config.left_out]
    return "-".join(words)


def _stored_landmarks(path: Path, key: str) -> Landmarks | None:
    try:
        tensors, meta = load_tensors(path)
        if meta.get("format") != FORMAT or meta.get("key") != key:
            return None
        source = tuple(SOURCES[code] for code in tensors["source"].tolist())
        return Landmarks(tensors["points"], tensors["confidence"], source)
    except (FerturbError, KeyError, IndexError, RuntimeError):
        return None


@functools.cache
def _weights() -> str:
    return hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()


@functools.cache
def _version() -> str:
    """A hash of the programs and weights that alter faces."""
    return hashlib.sha256(f"{_weights()} {sources_version(*MADE_BY)}".encode()).hexdigest()
