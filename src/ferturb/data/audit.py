"""What is wrong with a dataset: duplicates, leaks between splits, blank and unreadable images.

Exact duplicates have the same pixels. Near duplicates are the same photo cropped, scaled or
compressed otherwise: their 12×12 averages, centred and normalised, have a correlation of at
least `NEAR_CORRELATION`. On FER2013, 96 such pairs, drawn across their range of correlations in
full resolution, were looked at and all were the same photo; at 0.93 … 0.94 about four in ten were
different people. So the count is one of sure cases: too low rather than too high.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ferturb.base.checks import require_kind
from ferturb.base.emotions import EMOTIONS
from ferturb.base.pixels import luma
from ferturb.base.tabular import Tabular
from ferturb.data.faces import SPLITS, Faces

NEAR_CORRELATION = 0.97
"""Correlation of two faces' 12×12 averages from which they are near duplicates."""
NEAR_SIDE = 12
BLANK_STD = 2.0
"""Grey levels; a face whose pixels have a lower standard deviation is blank. FER2013's blank
images have 0 (twelve) and 0.6 (one), its next flattest has 4.1."""

_BLOCK = 2048


@dataclass(frozen=True)
class Group:
    """Faces that are copies of each other, in the order of the dataset."""

    names: tuple[str, ...]
    splits: tuple[str, ...]
    emotions: tuple[str, ...]

    @property
    def conflicting(self) -> bool:
        """True when the copies carry different emotions."""
        return len(set(self.emotions)) > 1

    @property
    def across_splits(self) -> bool:
        """True when the copies lie in more than one split."""
        return len(set(self.splits)) > 1


@dataclass(frozen=True)
class AuditReport(Tabular):
    """What `audit` found. Names are those of `Faces`."""

    source: str
    kind: str
    faces: int
    counts: dict[str, dict[str, int]]
    """Faces by split and emotion."""
    exact: tuple[Group, ...]
    """Groups of faces with the same pixels (blank faces too)."""
    near: tuple[Group, ...]
    """Groups of near duplicates, without blank faces; the first stands for its exact copies."""
    test_in_training: tuple[str, ...]
    """Test faces with an exact copy in training."""
    validation_in_training: tuple[str, ...]
    """Validation faces with an exact copy in training."""
    near_test_in_training: tuple[str, ...]
    """Test faces with a near duplicate in training and no exact copy there."""
    blank: tuple[str, ...]
    unreadable: tuple[dict[str, str], ...]
    notes: tuple[str, ...]

    def summary(self) -> dict[str, int]:
        """The numbers, without names."""
        within = sum(not group.across_splits for group in self.exact)
        return {
            "duplicate_groups": len(self.exact),
            "duplicate_groups_within_a_split": within,
            "duplicate_groups_across_splits": len(self.exact) - within,
            "redundant_copies": sum(len(group.names) - 1 for group in self.exact),
            "conflicting_groups": sum(group.conflicting for group in self.exact),
            "test_in_training": len(self.test_in_training),
            "validation_in_training": len(self.validation_in_training),
            "near_duplicate_groups": len(self.near),
            "near_duplicate_groups_across_splits": sum(g.across_splits for g in self.near),
            "near_test_in_training": len(self.near_test_in_training),
            "blank": len(self.blank),
            "unreadable": len(self.unreadable),
        }

    def records(self) -> Iterator[Mapping[str, Any]]:
        """A row a copy: the faces of each group of duplicates, exact ones first."""
        for kind, groups in (("exact", self.exact), ("near", self.near)):
            for number, group in enumerate(groups, 1):
                for face in zip(group.names, group.splits, group.emotions, strict=True):
                    named = dict(zip(("name", "split", "emotion"), face, strict=True))
                    yield {"duplicates": kind, "group": number} | named

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON can hold it: the summary, the counts, and all names."""
        data = {key: value for key, value in asdict(self).items() if key not in ("exact", "near")}
        return {
            "summary": self.summary(),
            **data,
            "duplicate_groups": [asdict(group) for group in self.exact],
            "conflicting_groups": [asdict(group) for group in self.exact if group.conflicting],
            "near_duplicate_groups": [asdict(group) for group in self.near],
        }


def audit(faces: Faces) -> AuditReport:
    """Look for duplicates, leaks, blank and unreadable images in a dataset."""
    blank = blank_faces(require_kind("faces", faces, Faces).images)
    exact = exact_groups(faces.images)
    alone = ~blank
    alone[torch.tensor([i for group in exact for i in group[1:]], dtype=torch.int64)] = False
    first = torch.nonzero(alone).flatten()
    near = [first[index].tolist() for index in near_groups(faces.images[first])]
    splits = faces.splits.tolist()
    leaked = _in_training(exact, splits)
    copies = {group[0]: group for group in exact}
    # A near group stands for its members' exact copies too.
    spread = [[j for i in group for j in copies.get(i, [i])] for group in near]
    near_leaked = [i for i in _in_training(spread, splits) if i not in set(leaked)]
    return AuditReport(
        source=faces.source,
        kind=faces.kind,
        faces=len(faces),
        counts=faces.counts(),
        exact=tuple(_group(faces, index) for index in exact),
        near=tuple(_group(faces, index) for index in near),
        test_in_training=_named(faces, leaked, "test"),
        validation_in_training=_named(faces, leaked, "validation"),
        near_test_in_training=_named(faces, near_leaked, "test"),
        blank=tuple(faces.names[i] for i in torch.nonzero(blank).flatten().tolist()),
        unreadable=tuple(faces.info.get("unreadable", ())),
        notes=faces.notes,
    )


def clean_variant(faces: Faces) -> Faces:
    """`faces` without the validation and test faces that have an exact copy in training.

    Training faces are never removed.
    """
    leaked = copied(faces)
    removed = [int((leaked & (faces.splits == code)).sum()) for code in range(len(SPLITS))]
    note = (
        f"clean variant: {removed[1]} validation and {removed[2]} test faces with an exact copy "
        "in training removed"
    )
    clean = faces.select(torch.nonzero(~leaked).flatten())
    return replace(clean, source=f"{faces.source}, clean", notes=(*faces.notes, note))


def copied(faces: Faces) -> Bool[Tensor, " n"]:
    """True for the validation and test faces that have an exact copy in training."""
    found = torch.zeros(len(faces), dtype=torch.bool)
    index = _in_training(exact_groups(faces.images), faces.splits.tolist())
    found[torch.tensor(index, dtype=torch.int64)] = True
    return found


def exact_groups(images: UInt8[Tensor, "n *c h w"]) -> list[list[int]]:
    """Positions of faces with the same pixels, groups of two and more, in order."""
    faces = images.contiguous().numpy()
    return _repeated(hashlib.blake2b(image, digest_size=16).digest() for image in faces)


def near_groups(images: UInt8[Tensor, "n *c h w"]) -> list[list[int]]:
    """Positions of near duplicates: connected groups of two and more, in order."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    features = _features(images)
    found = [torch.zeros(0, 2, dtype=torch.int64)]
    for start in range(0, len(images), _BLOCK):
        correlation = features[start : start + _BLOCK] @ features[start:].T
        found.append(torch.nonzero(correlation >= NEAR_CORRELATION) + start)
    rows, columns = torch.cat(found).T.numpy()
    size = (len(images), len(images))
    pairs = coo_array((np.ones(len(rows), bool), (rows, columns)), size)
    return _repeated(connected_components(pairs, directed=False)[1].tolist())


def _repeated(keys: Iterable[Hashable]) -> list[list[int]]:
    """The positions of each key that comes more than once, in order."""
    positions: defaultdict[Hashable, list[int]] = defaultdict(list)
    for i, key in enumerate(keys):
        positions[key].append(i)
    return [group for group in positions.values() if len(group) > 1]


def blank_faces(images: UInt8[Tensor, "n *c h w"]) -> Bool[Tensor, " n"]:
    """True where a face's pixels are (nearly) all the same."""
    if not len(images):
        return torch.zeros(0, dtype=torch.bool)
    blocks = torch.split(images, _BLOCK)
    return torch.cat([b.flatten(1).float().std(1, correction=0) for b in blocks]) < BLANK_STD


def _features(images: UInt8[Tensor, "n *c h w"]) -> Float[Tensor, "n 144"]:
    blocks = (luma(block)[:, None].float() for block in torch.split(images, _BLOCK))
    small = torch.cat([adaptive_avg_pool2d(block, NEAR_SIDE).flatten(1) for block in blocks])
    small = small - small.mean(1, keepdim=True)
    unit: Tensor = small / torch.linalg.vector_norm(small, dim=1, keepdim=True).clamp_min(1e-6)
    return unit


def _in_training(groups: Sequence[Sequence[int]], splits: list[int]) -> list[int]:
    """Positions outside training that are in a group with a training face."""
    return sorted(
        i for group in groups if any(splits[j] == 0 for j in group) for i in group if splits[i]
    )


def _named(faces: Faces, index: Sequence[int], split: str) -> tuple[str, ...]:
    code = SPLITS.index(split)
    return tuple(faces.names[i] for i in index if int(faces.splits[i]) == code)


def _group(faces: Faces, index: Sequence[int]) -> Group:
    return Group(
        names=tuple(faces.names[i] for i in index),
        splits=tuple(SPLITS[int(faces.splits[i])] for i in index),
        emotions=tuple(EMOTIONS[int(faces.labels[i])] for i in index),
    )
