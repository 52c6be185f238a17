"""One training: (dataset, model, method, recipe, seed), to JSON and back without loss."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from ferturb.base.config.dataset import DatasetConfig
from ferturb.base.config.fields import build, require_types, seed_in_range
from ferturb.base.config.method import MethodConfig
from ferturb.base.config.network import ModelConfig
from ferturb.base.config.recipe import FAST, RecipeConfig
from ferturb.base.errors import FerturbError

FORMAT = 1
"""Of fingerprints: another number where the same fields have come to mean something else."""


@dataclass(frozen=True)
class RunConfig:
    """One training: (dataset, model, method, recipe, seed)."""

    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    method: MethodConfig = field(default_factory=MethodConfig)
    recipe: RecipeConfig = field(default_factory=lambda: FAST)
    seed: int = 0
    attention_run: str | None = None
    """Folder of the attention run (phase 1) that a `perturb` run takes its clusters from,
    relative to the run's own parent folder."""
    teachers: tuple[str, ...] = ()
    """Folders of finished runs whose ensemble teaches this one (`recipe.distillation`), relative
    to the run's own parent folder."""
    initial_weights: str | None = None
    """Folder of a finished run of the same network, relative to the run's own parent folder, whose
    weights this one's training starts from; None starts from random ones."""
    published_weights: str | None = None
    """File of weights that a published package brings (`ferturb.models.published`), in which this
    one's training starts."""
    evaluates: str | None = None
    """Folder of a finished run, relative to the run's own parent folder, whose network this one
    measures as its own method uses it; nothing is trained."""

    def __post_init__(self) -> None:
        require_types(self)
        seed_in_range(self.seed)
        if self.published_weights is not None and self.initial_weights is not None:
            raise FerturbError(
                "a training starts from a run's weights or from a package's, and both are given; "
                "leave one out"
            )

    @property
    def needs(self) -> tuple[str, ...]:
        """The folders of the runs that this one builds on, relative to its own parent folder."""
        named = (self.initial_weights, self.evaluates, self.attention_run, *self.teachers)
        return tuple(name for name in named if name is not None)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers, ready for JSON."""
        data: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return data

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> RunConfig:
        """The inverse of `to_dict`; unknown keys are an error, missing ones take the default."""
        return build(RunConfig, data)

    def fingerprint(self) -> str:
        """Twelve hex digits that are the same exactly when the configs are the same.

        Only what differs from the default counts, so that a field can be added later.
        """
        text = json.dumps({"format": FORMAT, **_changed(self)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _changed(config: Any) -> dict[str, Any]:
    """The fields that differ from the defaults of their class."""
    plain, changed = type(config)(), {}
    for f in fields(config):
        value, default = getattr(config, f.name), getattr(plain, f.name)
        if is_dataclass(value):  # not the same default: `RunConfig` has a recipe of its own
            value, default = _changed(value), {}
        if value != default:
            changed[f.name] = value
    return changed
