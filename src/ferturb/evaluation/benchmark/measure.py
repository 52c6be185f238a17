"""Models asked about every face under every condition.

Faces go through in chunks: while the models answer about one, the next are made ready in threads.
What a model said of a chunk is kept in the cache (`cache_folder`), so that a run that was stopped
goes on where it was. A model is known there by its answers to some faces, whole and as the
conditions show them, so that no file of its own need be trusted, and a function has as good an
identity as a network.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from scipy import special
from torch import Tensor, nn

from ferturb.base.config import BenchmarkOptions
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.storage import read_arrays, sources_version, write_arrays
from ferturb.base.tabular import Tabular
from ferturb.base.text import encodable
from ferturb.data.cache import BUILT_ON, cache_folder
from ferturb.data.faces import Faces
from ferturb.evaluation.benchmark.protocol import CONDITIONS, TITLE
from ferturb.evaluation.benchmark.showing import Shown
from ferturb.evaluation.chosen_faces import landmarks_at
from ferturb.features.altered import landmarks_of
from ferturb.features.landmarks import Landmarks
from ferturb.models.test_time import predict_logits
from ferturb.runs.provenance import describe_analysis

Array = np.ndarray
Progress = Callable[[int, int], None]
Shows = UInt8[Tensor, "cb *c h w"]

SHOWN_BY = (
    *BUILT_ON,
    "ferturb.data.drawn.geometry",
    "ferturb.data.drawn.traits",
    "ferturb.data.faces",
    "ferturb.data.memory",
    "ferturb.evaluation.benchmark.corruptions",
    "ferturb.evaluation.benchmark.protocol",
    "ferturb.evaluation.benchmark.showing",
    "ferturb.features",
)
"""The programs that show the faces: what was kept of others counts for nothing."""
_PIXELS = 256 * 48 * 48
_LEAST = 16
"""Faces in a chunk, at least."""
_PROBES, _HIDDEN = 16, 4
"""Faces that a model is known by: whole ones, and those shown under every condition."""


@dataclass(frozen=True, eq=False)
class Answers(Tabular):
    """What one model says of every face under every condition."""

    name: str
    labels: Int64[Array, " n"]
    logits: Float32[Array, "c n 7"]
    """In the order of `CONDITIONS`."""
    record: Mapping[str, Any]
    """Of which faces, by which versions, in how many seconds (of all models asked together)."""

    def records(self) -> Iterator[Mapping[str, Any]]:
        """A row a condition and face: what it was, what was named, how probable both were held."""
        for condition, logits in zip(CONDITIONS, self.logits, strict=True):
            shares = special.softmax(logits.astype(np.float64), axis=1)
            for face, (label, row) in enumerate(zip(self.labels.tolist(), shares, strict=True)):
                named = int(row.argmax())
                yield {
                    **{"model": self.name, "condition": condition.key, "face": face},
                    **{"emotion": EMOTIONS[label], "named": EMOTIONS[named]},
                    **{"probability": float(row[label]), "confidence": float(row[named])},
                }


def ask(
    models: Mapping[str, nn.Module],
    faces: Faces,
    options: BenchmarkOptions = BenchmarkOptions(),
    landmarks: Landmarks | None = None,
    device: torch.device | None = None,
    on_progress: Progress = lambda done, total: None,
) -> list[Answers]:
    """Ask models about the faces of a split under all of `CONDITIONS`, once each.

    `models`: by their names. `landmarks` are those of all the faces given; None finds those of the
    split. `on_progress` is called with (faces asked about, faces to ask about), every condition
    counting as one. Raises `FerturbError` for a split without faces.
    """
    chosen, started = faces.split(options.split), time.monotonic()
    worked = time.process_time()
    if not len(chosen):
        raise FerturbError(
            f"{faces.source} has no {options.split} faces; choose another split or source"
        )
    found = landmarks_at(landmarks, faces, options.split) or landmarks_of(chosen)
    models = {name: model.to(device or torch.device("cpu")) for name, model in models.items()}
    size = max(_LEAST, _PIXELS // (chosen.images[0].numel()))
    starts = range(0, len(chosen), size)
    make = partial(_under_all, chosen, found, size)
    probes = torch.cat([chosen.images[:_PROBES], _under_all(chosen, found, _HIDDEN, 0)])
    said = {name: predict_logits(m, probes, device=device).numpy() for name, m in models.items()}
    stores = {name: _Store(name, said[name], chosen, found, size, options.fresh) for name in said}
    total = len(models) * len(CONDITIONS) * len(chosen)
    done = 0
    parts: dict[str, list[Array]] = {name: [] for name in models}
    for start, shows in _shown(make, starts, stores, options.workers):
        for name, model in models.items():
            known = stores[name].load(start)
            if known is None:
                known = _asked(model, shows(), device)
                stores[name].keep(start, known)
            parts[name].append(known)
            done += known.shape[0] * known.shape[1]
            on_progress(done, total)
    about = describe_analysis(faces, started) | {"split": options.split, "models": len(models)}
    about["processor_seconds"] = round(time.process_time() - worked, 1)
    labels = chosen.labels.numpy()
    return [Answers(name, labels, np.concatenate(parts[name], 1), about) for name in models]


def _under_all(faces: Faces, landmarks: Landmarks, size: int, start: int) -> Shows:
    """A chunk of the faces under every condition."""
    some = slice(start, start + size)
    marks = Landmarks(landmarks.points[some], landmarks.confidence[some], landmarks.source[some])
    shown = Shown(faces.images[some], marks)
    return torch.cat([shown.under(condition) for condition in CONDITIONS])


def _shown(
    make: Callable[[int], Shows],
    starts: Sequence[int],
    stores: Mapping[str, _Store],
    workers: int,
) -> Iterator[tuple[int, Callable[[], Shows]]]:
    """Each chunk's place, and its faces under every condition; only what a model lacks is made."""
    missing = [s for s in starts if any(store.load(s) is None for store in stores.values())]
    ahead = iter(missing)
    pool = ThreadPoolExecutor(workers)
    try:
        ready: dict[int, Future[Shows]] = {}
        for start in islice(ahead, workers):
            ready[start] = pool.submit(make, start)
        for start in starts:
            yield start, partial(_result, ready, make, start)
            if start in ready:
                del ready[start]
                for following in islice(ahead, 1):
                    ready[following] = pool.submit(make, following)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _result(ready: Mapping[int, Future[Shows]], make: Callable[[int], Shows], start: int) -> Shows:
    """A chunk that is being made; one that was lost from the cache since then is made now."""
    return ready[start].result() if start in ready else make(start)


def _asked(model: nn.Module, shows: Shows, device: torch.device | None) -> Float32[Array, "c b 7"]:
    logits = predict_logits(model, shows, device=device).numpy()
    return np.asarray(logits.reshape(len(CONDITIONS), -1, logits.shape[1]), np.float32)


class _Store:
    """What one model said of these faces, by chunk."""

    def __init__(
        self,
        name: str,
        said: Float32[Array, "p 7"],
        faces: Faces,
        landmarks: Landmarks,
        size: int,
        fresh: bool,
    ) -> None:
        """`said`: what it answered about the faces that it is known by."""
        made = f"{TITLE} {encodable(name)} {sources_version(*SHOWN_BY)} "
        digest = hashlib.sha256(made.encode())
        digest.update(said.tobytes())
        digest.update(faces.content_hash().encode())
        digest.update(landmarks.points.numpy().tobytes())
        self._folder: Path = cache_folder() / "benchmark" / digest.hexdigest()[:16]
        self._fresh, self._n, self._size = fresh, len(faces), size
        self._kept: set[int] = set()

    def load(self, start: int) -> Float32[Array, "c b 7"] | None:
        """What was said of a chunk; None where nothing is kept that can be read."""
        if self._fresh and start not in self._kept:
            return None
        try:
            found = read_arrays(self._path(start), "remove it")["logits"]
        except (FerturbError, KeyError):
            return None
        shape = (len(CONDITIONS), min(self._size, self._n - start), len(EMOTIONS))
        sound = found.dtype == np.float32 and found.shape == shape
        return found if sound and np.isfinite(found).all() else None

    def keep(self, start: int, logits: Float32[Array, "c b 7"]) -> None:
        """Keep what was said of a chunk; a cache that can't be written only loses it."""
        self._kept.add(start)
        with contextlib.suppress(FerturbError):
            write_arrays(self._path(start), {"logits": logits})

    def _path(self, start: int) -> Path:
        return self._folder / f"{start}.npz"
