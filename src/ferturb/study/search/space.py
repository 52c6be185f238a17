"""What a search varies: fields of a run's recipe and network, each with its range or choices.

recipe.learning_rate=0.02..0.4:log     a number from a range, by its logarithm
recipe.augment.erase=0..0.6            a number from a range; whole where the field is
recipe.batch_size=64,128,256           one of these
recipe.progressive_sizes=[],[[0.67,32]]  one of these, as JSON
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from ferturb.base.config import RunConfig
from ferturb.base.config.fields import unknown
from ferturb.base.errors import FerturbError

if TYPE_CHECKING:
    import optuna

DEFAULT_SPACE = (
    "recipe.learning_rate=0.02..0.4:log",
    "recipe.weight_decay=0.0001..0.005:log",
    "recipe.batch_size=64,128,256",
    "recipe.warmup=0.05..0.5",
    "recipe.label_smoothing=0..0.2",
    "recipe.augment.erase=0..0.6",
    "recipe.augment.rotate=0..25",
    "model.dropout=0..0.5",
)
"""What is varied unless said otherwise: fields that cost no time and fit every network."""

SPACES = {
    "recipe": DEFAULT_SPACE,
    "vgg-like": (
        "model.shape.first_kernel=3,5,7",
        "model.shape.kernel=3,5",
        "model.shape.width=12..40:log",
        "model.shape.growth=1..2",
        "model.shape.blocks=2..4",
        "model.shape.convolutions=1..2",
        "model.shape.dropout=0..0.4",
        "model.dropout=0..0.6",
        "recipe.learning_rate=0.02..0.4:log",
    ),
}
"""Spaces by name, to give in place of fields. `vgg-like`: kernels, widths, depth, dropout and rate
of the network of that name, after Sam'an et al., "Hyperparameters by a genetic algorithm", 2024,
who state neither their space nor the split that they chose on."""

FIXED = {
    "recipe.name": "it only names the others",
    "recipe.epochs": "trials of equal length are compared; give --epochs",
    "recipe.evaluate": "trials are measured on the validation split alone",
    "recipe.validate_every": "every epoch is looked at, to stop what is behind",
    "recipe.validate_with": "all trials are measured alike",
    "recipe.keep": "all trials are measured alike",
}
"""What can't be varied, and why."""


@dataclass(frozen=True)
class Dimension:
    """One field that a search varies."""

    field: str
    """From the config's own top, e.g. `recipe.augment.erase`."""
    choices: tuple[Any, ...] = ()
    """What it is chosen from; empty for a range."""
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    """Whether only whole numbers are drawn."""

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that show whether all between them can be."""
        return self.choices or (self.low, self.high)

    def suggest(self, trial: optuna.Trial) -> Any:
        """The value that a trial takes."""
        if self.choices:
            labels = [_label(choice) for choice in self.choices]
            return self.value(trial.suggest_categorical(self.field, labels))
        if self.whole:
            return trial.suggest_int(self.field, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(self.field, self.low, self.high, log=self.log)

    def value(self, stored: Any) -> Any:
        """What the storage's value of this field stands for: it holds no lists."""
        return next((c for c in self.choices if _label(c) == stored), stored)

    def stored(self, value: Any) -> Any:
        """The inverse of `value`."""
        return _label(value) if self.choices else value

    def holds(self, value: Any) -> bool:
        """Whether a value is among those that can be drawn."""
        if self.choices:
            return value in self.choices
        return isinstance(value, int | float) and self.low <= value <= self.high


def parse(text: str, base: RunConfig) -> Dimension:
    """A dimension from `FIELD=LOW..HIGH[:log]` or `FIELD=A,B,…`; `FerturbError` for others.

    >>> parse("recipe.batch_size=64..256:log", RunConfig())
    Dimension(field='recipe.batch_size', choices=(), low=64, high=256, log=True, whole=True)
    >>> parse("model.name=compact,vgg16", RunConfig()).choices
    ('compact', 'vgg16')
    """
    field, _, values = (part.strip() for part in text.partition("="))
    if field in FIXED:
        raise FerturbError(f"a search can't vary {field}: {FIXED[field]}")
    value_of(base, field)  # an unknown field raises
    if not values:
        raise FerturbError(
            f"{text!r:.80} says nothing to choose from; give e.g. {field}=0.1..0.4 or {field}=1,2"
        )
    span, _, how = values.partition(":")
    if ".." in values and how in ("", "log") and not values.startswith("["):
        found = _range(field, span, how == "log", is_whole(field))
    else:
        found = Dimension(field, _choices(values))
    for value in found.ends:
        changed(base, {field: value})
    return found


def named(texts: Sequence[str]) -> tuple[str, ...]:
    """These fields, those of a space where its name is given.

    >>> named(["recipe.clip=0..1"]), len(named(["vgg-like", "recipe.clip=0..1"]))
    (('recipe.clip=0..1',), 10)
    """
    return tuple(field for text in texts for field in SPACES.get(text, (text,)))


def parse_all(texts: Sequence[str], base: RunConfig) -> tuple[Dimension, ...]:
    """All dimensions of a search; `FerturbError` for none, and for a field that comes twice."""
    found = tuple(parse(text, base) for text in texts)
    if not found or len({d.field for d in found}) < len(found):
        raise FerturbError(
            f"a search varies one or more fields, each once, got {', '.join(texts) or 'none'}"
        )
    return found


def value_of(config: RunConfig, field: str) -> Any:
    """What a config has in a field of its recipe or network; `FerturbError` for other names."""
    here: Any = {k: v for k, v in config.to_dict().items() if k in ("recipe", "model")}
    parts = field.split(".")
    for i, part in enumerate(parts):
        if not isinstance(here, Mapping) or part not in here:
            known = here if isinstance(here, Mapping) else {}
            of = f"field of {'.'.join(parts[:i])}" if i else "part of a run to search in"
            raise FerturbError(unknown(of, part, known))
        here = here[part]
    if isinstance(here, Mapping):
        raise FerturbError(
            f"{field} has fields of its own; name one, as {field}.{next(iter(here))}"
        )
    return here


def is_whole(field: str) -> bool:
    """Whether a field of a run holds whole numbers, by its type and whatever it holds now.

    >>> is_whole("recipe.augment.crop"), is_whole("recipe.clip")
    (True, False)
    """
    hint: Any = RunConfig
    for part in field.split("."):
        hint = get_type_hints(hint)[part]
    return int in (hint, *get_args(hint))


def changed(config: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """The config with these fields in place of its own; its recipe is called `searched`."""
    data = config.to_dict()
    data["recipe"]["name"] = "searched"
    for field, value in values.items():
        here = data
        *path, last = field.split(".")
        for part in path:
            here = here[part]
        here[last] = value
    return RunConfig.from_dict(data)


def _range(field: str, text: str, log: bool, whole: bool) -> Dimension:
    first, _, last = text.partition("..")
    try:
        low, high = (int(part) if whole else float(part) for part in (first, last))
    except ValueError:
        kind = "whole numbers" if whole else "numbers"
        raise FerturbError(f"{field} is a range of {kind}, e.g. 1..8, got {text!r:.80}") from None
    if not low < high or (log and low <= 0):
        above = " above 0" if log else ""
        raise FerturbError(f"{field} is a range from a number{above} to a higher one, got {text}")
    return Dimension(field, (), low, high, log, whole)


def _choices(text: str) -> tuple[Any, ...]:
    try:
        return tuple(json.loads(f"[{text}]"))
    except ValueError:
        return tuple(part.strip() for part in text.split(","))


def _label(choice: Any) -> Any:
    return json.dumps(choice) if isinstance(choice, list | dict) else choice
