"""The package's own rules: where its code lies, and how long its functions may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import ferturb

ROOT = Path(ferturb.__file__).parent
ROOMS = {
    "base",
    "cli",
    "data",
    "evaluation",
    "export",
    "features",
    "models",
    "perturb",
    "predict",
    "report",
    "runs",
    "study",
    "training",
    "web",
}
LINES, PARAMETERS, FILE = 60, 8, 305
"""The most that a function, its parameters and a file may have."""
EXCEPTIONS: dict[str, str] = {}
"""What is longer than it should be: a file, or FILE:FUNCTION -> why."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST) -> Iterator[tuple[str, int, int]]:
    """Name, lines and parameters (without self) of every function of a file."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            assert node.end_lineno is not None
            named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            own = [argument for argument in named if argument.arg not in ("self", "cls")]
            yield node.name, node.end_lineno - node.lineno + 1, len(own)


def too_long(name: str, text: str) -> set[str]:
    """What of a file is longer than it may be, as `EXCEPTIONS` names it."""
    found = {name} if text.count("\n") > FILE else set()
    return found | {
        f"{name}:{function}"
        for function, lines, parameters in functions(ast.parse(text))
        if lines > LINES or parameters > PARAMETERS
    }


FILES = {path.relative_to(ROOT).as_posix(): path for path in sorted(ROOT.rglob("*.py"))}


@pytest.mark.parametrize("name", FILES)
def test_functions_and_files_are_short(name: str) -> None:
    long = too_long(name, FILES[name].read_text(encoding="utf-8"))
    allowed = {place for place in EXCEPTIONS if place.partition(":")[0] == name}
    assert long <= allowed, f"shorten {', '.join(sorted(long - allowed))}"
    assert allowed <= long, f"no longer an exception: {', '.join(sorted(allowed - long))}"


def test_exceptions_are_few_and_of_files_that_there_are() -> None:
    assert len(EXCEPTIONS) <= 14
    assert {place.partition(":")[0] for place in EXCEPTIONS} <= set(FILES)


def test_the_package_holds_its_rooms_and_nothing_else() -> None:
    there = {path.name for path in ROOT.iterdir()} - {"__pycache__"}
    assert there == ROOMS | {"__init__.py", "__main__.py", "py.typed"}
    assert len(ROOMS) == 14


def test_the_check_itself_finds_what_is_too_long() -> None:
    body = "\n".join(["    pass"] * LINES)
    assert too_long("a.py", f"def f(x):\n{body}\n") == {"a.py:f"}
    assert too_long("a.py", f"def f(x):\n{body[9:]}\n") == set()
    nine = ", ".join(f"p{i}" for i in range(PARAMETERS + 1))
    assert too_long("a.py", f"class A:\n    async def f(self, {nine}): ...\n") == {"a.py:f"}
    assert too_long("a.py", f"class A:\n    def f(self, {nine[4:]}): ...\n") == set()
    assert too_long("a.py", f"def f(*, {nine}): ...\n") == {"a.py:f"}
    assert too_long("a.py", "x = 1\n" * (FILE + 1)) == {"a.py"}


def test_the_same_choices_stand_in_the_same_order() -> None:
    """Python keeps the first of two that differ in their order, and help would follow imports."""
    orders: dict[frozenset[object], set[tuple[object, ...]]] = {}
    for path in FILES.values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
                listed = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                choices = tuple(ast.literal_eval(choice) for choice in listed)
                orders.setdefault(frozenset(choices), set()).add(choices)
    assert len(orders) > 5
    assert [sorted(map(repr, found)) for found in orders.values() if len(found) > 1] == []
