"""The type checker behind jaxtyping's import hook in tests (see conftest.py)."""

from __future__ import annotations

from typing import IO

from beartype import BeartypeConf, FrozenDict, beartype

typecheck = beartype(
    conf=BeartypeConf(
        is_pep484_tower=True,
        hint_overrides=FrozenDict({IO[bytes]: object}),
    )
)
"""beartype, with what mypy allows besides: an int for a float, a zip member's stream for IO."""
