"""Shape checks at run time: the type checker, and the names it needs (see conftest.py)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import IO, Any

import jaxtyping
from beartype import BeartypeConf, FrozenDict, beartype

typecheck = beartype(
    conf=BeartypeConf(
        is_pep484_tower=True,
        hint_overrides=FrozenDict({IO[bytes]: object}),
    )
)
"""beartype, with what mypy allows besides: an int for a float, a zip member's stream for IO."""
NAMES = ("Bool", "Float", "Float32", "Int", "Int64", "Shaped", "UInt8")
SHAPES = {name: getattr(jaxtyping, name) for name in NAMES}
"""What some modules import for type checkers alone: prediction works without jaxtyping."""


class Named:
    """Finds modules as the import hook does, and gives them `SHAPES`."""

    def __init__(self, hook: Any) -> None:
        self.hook = hook

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec: ModuleSpec | None = self.hook.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module
            spec.loader.exec_module = partial(_named, run)  # type: ignore[method-assign]
        return spec


def _named(run: Callable[[ModuleType], None], module: ModuleType) -> None:
    vars(module).update(SHAPES)
    run(module)


def install(packages: list[str]) -> None:
    """Check the shapes in the signatures of these packages, from their next import on."""
    jaxtyping.install_import_hook(packages, "shape_checks.typecheck")
    sys.meta_path[0] = Named(sys.meta_path[0])
