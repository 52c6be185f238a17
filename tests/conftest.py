"""What all tests share: shape checks at run time, and toy faces with a toy network."""

from __future__ import annotations

from jaxtyping import config

import shape_checks

shape_checks.install(["ferturb", "research"])  # before the first import of ferturb

from collections.abc import Iterator  # noqa: E402

import pytest  # noqa: E402
import torch  # noqa: E402

from ferturb.data.faces import Faces  # noqa: E402
from ferturb.models.backbones import BACKBONES  # noqa: E402
from ferturb.models.compact import compact  # noqa: E402


@pytest.fixture
def no_shape_checks() -> Iterator[None]:
    """Call the library as a user does: wrong shapes meet its own checks, not the import hook's."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture
def tiny() -> Iterator[str]:
    """The name of a network of two narrow stages, known to the registry during the test."""
    BACKBONES["tiny"] = lambda: compact(widths=(4, 8), blocks=(1, 1))
    yield "tiny"
    del BACKBONES["tiny"]


@pytest.fixture
def toy_faces() -> Faces:
    """96 faces of 32×32 that can be learnt: noise, the brighter the higher the label."""
    generator = torch.Generator().manual_seed(5)
    n = 96
    labels = torch.arange(n) % 7
    noise = torch.randint(0, 60, (n, 32, 32), generator=generator)
    images = (noise + 30 * labels[:, None, None]).to(torch.uint8)
    splits = torch.zeros(n, dtype=torch.uint8)
    splits[64:80], splits[80:] = 1, 2
    names = tuple(f"toy/{i:03d}" for i in range(n))
    return Faces(images, labels, splits, names, "toy")
