"""The checks of shapes that all tests run under: they refuse what jaxtyping would refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from jaxtyping import Float, Int
from torch import Tensor

import shape_checks
from ferturb.evaluation.metrics import accuracy

Function = Callable[..., Any]


def joined(a: Float[Tensor, "n c"], b: Float[Tensor, "n d"]) -> Float[Tensor, "n c+d"]:
    return torch.cat([a, b], 1)


def wrong(a: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
    return a[1:]


def named(a: Float[Tensor, "n c"], *more: Float[Tensor, " n"], k: int = 1) -> Int[Tensor, " n"]:
    return a.sum(1).long() * k + len(more)


def inner(a: Float[Tensor, " n"]) -> int:
    return len(a)


def outer(a: Float[Tensor, " n"], call: Function) -> Float[Tensor, " n"]:
    assert call(torch.ones(len(a) + 1)) == len(a) + 1  # an n of its own
    return a * 2


def rows(a: Float[Tensor, "n c"]) -> Iterator[Float[Tensor, " c"]]:
    yield from a


def no_shapes(count: int, text: str = "") -> str:
    return text * count


def ones(*shape: int) -> Tensor:
    return torch.ones(shape)


def both(function: Function) -> tuple[Function, Function]:
    """A function under this project's checks, and under jaxtyping's own."""
    own = shape_checks.checked(typechecker=shape_checks.typecheck)
    return own(function), shape_checks._JAXTYPED(typechecker=shape_checks.typecheck)(function)


FITTING: list[tuple[Function, tuple[Any, ...], dict[str, Any]]] = [
    (joined, (ones(2, 3), ones(2, 1)), {}),
    (joined, (ones(0, 3), ones(0, 1)), {}),
    (named, (ones(2, 3), ones(2), ones(2)), {"k": 3}),
    (named, (), {"a": ones(2, 3)}),
    (no_shapes, (2, "a"), {}),
]
REFUSED: list[tuple[Function, tuple[Any, ...], dict[str, Any]]] = [
    (joined, (ones(2, 3), ones(3, 1)), {}),
    (joined, (ones(2, 3), ones(2)), {}),
    (joined, (ones(2, 3), ones(2, 1).int()), {}),
    (joined, (ones(2, 3), ones(2, 1).numpy()), {}),
    (joined, (ones(2, 3),), {}),
    (wrong, (ones(2, 3),), {}),
    (named, (ones(2, 3), ones(2), ones(3)), {}),
    (named, (ones(2, 3),), {"k": "1"}),
    (named, (ones(2, 3),), {"other": 1}),
    (no_shapes, ("2",), {}),
    (rows, (ones(2),), {}),
]


@pytest.mark.parametrize(("function", "given", "by_name"), FITTING)
def test_what_fits_gives_what_it_gives(
    function: Function, given: tuple[Any, ...], by_name: dict[str, Any]
) -> None:
    expected = function(*given, **by_name)
    for checked in both(function):
        found = checked(*given, **by_name)
        assert type(found) is type(expected)
        assert (torch.equal if isinstance(found, Tensor) else str.__eq__)(found, expected)


@pytest.mark.parametrize(("function", "given", "by_name"), REFUSED)
def test_what_jaxtyping_refuses_is_refused(
    function: Function, given: tuple[Any, ...], by_name: dict[str, Any]
) -> None:
    for checked in both(function):
        with pytest.raises(Exception, match=r"type|argument|violates"):
            checked(*given, **by_name)


def test_a_call_within_a_call_has_axes_of_its_own() -> None:
    for checked, checked_inner in zip(both(outer), both(inner), strict=True):
        assert torch.equal(checked(ones(2), checked_inner), 2 * ones(2))
        with pytest.raises(Exception, match=r"type|violates"):
            checked(ones(2, 2), checked_inner)


def test_they_are_on_for_the_package() -> None:
    with pytest.raises(Exception, match="violates"):
        accuracy(torch.tensor([0, 1, 2]), torch.eye(7)[:2])


def test_they_can_be_switched_off(no_shape_checks: None) -> None:
    (own, _) = both(joined)
    with pytest.raises(RuntimeError, match="Sizes of tensors must match"):  # torch's own
        own(ones(2, 3), ones(3, 1))
