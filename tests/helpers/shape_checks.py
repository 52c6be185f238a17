"""Shape checks at run time: the type checker, and the names it needs (see conftest.py)."""

from __future__ import annotations

import builtins
import re
import sys
from collections.abc import Callable
from functools import cache, partial, wraps
from importlib.machinery import ModuleSpec
from inspect import iscoroutinefunction, isgeneratorfunction
from types import FunctionType, ModuleType
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


_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_WORD = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_JAXTYPED = jaxtyping.jaxtyped


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


def _hints(function: FunctionType) -> list[Any] | None:
    """What the names in a signature stand for; None where one is known to type checkers alone."""
    said = (_QUOTED.sub("", str(text)) for text in function.__annotations__.values())
    words = {word for text in said for word in _WORD.findall(text)}
    known = vars(builtins) | function.__globals__
    return [known[word] for word in words] if words <= known.keys() else None


def _of_arrays(hint: object) -> bool:
    """Whether an annotation is, or holds, a type of jaxtyping's."""
    return "jaxtyping" in str(type(hint).__module__) + str(getattr(hint, "__module__", "")) or any(
        map(_of_arrays, getattr(hint, "__args__", ()))
    )


def checked(*, typechecker: Any) -> Callable[[Any], Any]:
    """`jaxtyping.jaxtyped`, at the first call of a function: half of them no test process calls.

    jaxtyping binds what a function is given to its signature, and asks the type checker twice about
    it; here it is asked once, within a context of jaxtyping's, in which an axis of the arguments
    keeps its length for what is returned. Where no shape is in the signature it is asked by itself.
    What a generator is given, beartype sees as it begins, after the context: jaxtyping checks it,
    and what only type checkers have a name for.
    """
    for_others = _JAXTYPED(typechecker=typechecker)

    def decorated(function: Any) -> Any:
        if not isinstance(function, FunctionType):
            return for_others(function)

        @cache
        def typed() -> Callable[..., Any]:
            made: Callable[..., Any]
            later = isgeneratorfunction(function) or iscoroutinefunction(function)
            hints = _hints(function)
            if hints is not None and not any(map(_of_arrays, hints)):
                made = typechecker(function)
            elif hints is None or later:
                made = for_others(function)
            else:
                made = _in_a_context(typechecker(function))
            return made

        @wraps(function)
        def either(*arguments: Any, **named: Any) -> Any:
            chosen = function if jaxtyping.config.jaxtyping_disable else typed()
            return chosen(*arguments, **named)

        return either

    return decorated


def _in_a_context(with_types: Callable[..., Any]) -> Callable[..., Any]:
    context = _JAXTYPED("context")

    def shaped(*arguments: Any, **named: Any) -> Any:
        with context:
            return with_types(*arguments, **named)

    return shaped


def install(packages: list[str]) -> None:
    """Check the shapes in the signatures of these packages, from their next import on."""
    jaxtyping.jaxtyped = checked
    jaxtyping.install_import_hook(packages, "shape_checks.typecheck")
    sys.meta_path[0] = Named(sys.meta_path[0])
