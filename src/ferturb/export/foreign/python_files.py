"""A model that a Python file makes or is: ``FILE.py:NAME``.

The file is run as any program of its user: naming it is the user's wish, and nothing shields from
what it does.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

from torch import nn

from ferturb.base.errors import FerturbError, first_line


def of_python(path: Path, name: str) -> Any:
    """What a file calls `name`: a torch module, a `Wrapped`, or a function of faces.

    A function (or a class) that needs no argument makes the model, and is called. Raises
    `FerturbError` for a file that fails, or has no such name.
    """
    if not path.is_file():
        raise FerturbError(f"{path} does not exist; give FILE.py:NAME of a function or a module")
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        module = _run(path)
        if name not in vars(module):
            own = [key for key in vars(module) if not key.startswith("_")]
            raise FerturbError(
                f"{path} has no {name!r}; it has: {', '.join(own)[:120] or 'nothing'}"
            )
        found = getattr(module, name)
        return _called(found, f"{path}:{name}") if _makes_a_model(found) else found
    finally:
        sys.path.remove(folder)


def _run(path: Path) -> Any:
    name = f"ferturb_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # as pickling and dataclasses need it
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's program can fail in any way
        raise FerturbError(f"{path} failed: {_said(error)}") from error
    return module


def _called(function: Any, name: str) -> Any:
    try:
        return function()
    except Exception as error:  # a user's program can fail in any way
        raise FerturbError(f"{name} failed: {_said(error)}") from error


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}"


def _makes_a_model(found: Any) -> bool:
    if isinstance(found, nn.Module) or not callable(found):
        return False
    try:
        parameters = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):  # some functions in C have none
        return False
    fixed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p for p in parameters if p.default is p.empty and p.kind not in fixed]
    takes_some = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
    return not needed and not takes_some
