"""What a user wants otherwise than a study's preset has it."""

from __future__ import annotations

from dataclasses import dataclass

from ferturb.base.config.fields import in_range, require_types


@dataclass(frozen=True)
class Changes:
    """What is studied, in place of what the preset says; empty or None keeps the preset's."""

    data: str = "synthetic"
    """A path, or `synthetic`."""
    label_order: str | None = None
    """What numbered labels mean, as `ferturb train --label-order` has it."""
    clean: bool = False
    """Leave out validation and test faces that have an exact copy in training."""
    models: tuple[str, ...] = ()
    """In place of the preset's."""
    methods: tuple[str, ...] = ()
    """In place of the preset's, by name."""
    faces: int | None = None
    """How many faces are drawn, with `--data synthetic`, in place of the preset's."""
    epochs: int | None = None
    """In place of the recipe's."""
    batch_size: int | None = None
    """In place of the recipe's."""
    learning_rate: float | None = None
    """In place of the recipe's."""
    votes: str | None = None
    """fer2013new.csv: the faces carry the votes of ten people."""
    heads: tuple[str, ...] = ()
    """What the networks learn: `label`, `votes` (with --votes) or both, in place of `label`."""
    seeds: int | None = None
    """How many (0, 1, …), in place of the preset's."""
    face_masks: tuple[str, ...] = ()
    """What the faces wear that is trained on, each in turn, in place of the preset's; `none` is
    nothing, e.g. `none mixed`."""
    sizes: tuple[str, ...] = ()
    """`leaving-out`: which of the training sizes, `2000`, `7000`, `all`."""
    arms: tuple[str, ...] = ()
    """`leaving-out`: which of the arms, e.g. `whole one-view`."""
    replicates: int | None = None
    """`leaving-out`: how many at most, the first ones, of each training size."""

    def __post_init__(self) -> None:
        require_types(self)
        for name, most in {
            "faces": None,
            "epochs": None,
            "seeds": 1000,
            "replicates": 1000,
        }.items():
            value = getattr(self, name)
            if value is not None:
                in_range(name, value, 1, most)
