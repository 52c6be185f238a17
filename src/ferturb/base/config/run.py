"""One training: (dataset, model, method, recipe, seed), to JSON and back without loss."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from ferturb.base.config.dataset import DatasetConfig
from ferturb.base.config.fields import LATER, build
from ferturb.base.config.method import MethodConfig
from ferturb.base.config.network import ModelConfig
from ferturb.base.config.recipe import FAST, RecipeConfig


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
    teachers: tuple[str, ...] = field(default=(), metadata=LATER)
    """Folders of finished runs whose ensemble teaches this one (`recipe.distillation`), relative
    to the run's own parent folder."""
    initial_weights: str | None = field(default=None, metadata=LATER)
    """Folder of a finished run of the same network, relative to the run's own parent folder, whose
    weights this one's training starts from; None starts from random ones."""
    evaluates: str | None = field(default=None, metadata=LATER)
    """Folder of a finished run, relative to the run's own parent folder, whose network this one
    measures as its own method uses it; nothing is trained."""

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
        """The inverse of `to_dict`; unknown keys are an error, missing ones take the default.

        `start` is what `initial_weights` was called before.
        """
        known = {"initial_weights" if key == "start" else key: data[key] for key in data}
        return build(RunConfig, known)

    def fingerprint(self) -> str:
        """Twelve hex digits that are the same exactly when the configs are the same."""
        text = json.dumps(_as_known(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _as_known(config: Any) -> dict[str, Any]:
    """`to_dict`, without the later fields that are at their default."""
    known: dict[str, Any] = {}
    for f in fields(config):
        value = getattr(config, f.name)
        if is_dataclass(value):
            known[f.name] = _as_known(value)
        elif not (f.metadata.get("later") and value == f.default):
            known[f.name] = value
    return known
