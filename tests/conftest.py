"""What all tests share: shape checks at run time, toy faces with a toy network, the real faces."""

from __future__ import annotations

from jaxtyping import config

import shape_checks

shape_checks.install(["ferturb", "research"])  # before the first import of ferturb

import gc  # noqa: E402
import os  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import pytest  # noqa: E402
import torch  # noqa: E402
from filelock import FileLock  # noqa: E402

from ferturb.base.allocation import keep_freed_memory  # noqa: E402
from ferturb.base.config import DatasetConfig  # noqa: E402
from ferturb.data.faces import Faces  # noqa: E402
from ferturb.data.sources import load_faces  # noqa: E402
from ferturb.models.backbones import BACKBONES  # noqa: E402
from ferturb.models.compact import compact  # noqa: E402
from ferturb.predict import onnx_session  # noqa: E402
from ferturb.predict.shipped import FOLDER  # noqa: E402
from needed_tools import require  # noqa: E402

keep_freed_memory()
gc.set_threshold(20_000, 20, 20)  # a test makes more than the 700 objects that Python waits for


def _in_memory() -> Path | None:
    """Linux's folder in memory, where it has room for 4 GB, and programs may be run from it."""
    folder = Path("/dev/shm")
    if not os.access(folder, os.W_OK):
        return None
    there = os.statvfs(folder)
    room = there.f_bavail * there.f_frsize >= 4 * 2**30
    return folder if room and not there.f_flag & os.ST_NOEXEC else None


if folder := _in_memory():  # a run makes 30,000 files, and removes those of each test that passes
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(folder))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that have slow tests, in each part: the processes get one each, and
    what the first one that is done takes over from another is short."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    slow, fast = [], []
    for own in files.values():
        is_slow = any(item.get_closest_marker("slow") for item in own)
        (slow if is_slow else fast).append(own)
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    parts: list[list[pytest.Item]] = [[] for _ in range(processes)]
    for number, own in enumerate(slow):
        parts[number % processes].extend(own)
    for own in fast:
        min(parts, key=len).extend(own)
    items[:] = [item for part in parts for item in part]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail, what lacks a tool before anything is made for it."""
    for mark in item.iter_markers("needs"):
        require(*mark.args)


def pytest_collection_finish() -> None:
    """What is there for all tests need not be looked through for garbage again and again."""
    gc.collect()
    gc.freeze()


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


@pytest.fixture(scope="session")
def real_zip() -> Path:
    """FER2013 as Kaggle has it."""
    folder = os.environ.get("FERTURB_DATA")
    path = Path(folder or "") / "fer2013.zip"
    if not folder or not path.is_file():
        pytest.skip("set FERTURB_DATA to the folder that holds fer2013.zip")
    return path


@pytest.fixture(scope="session")
def real_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where its faces are kept for all processes that test."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "real-faces"


@pytest.fixture(scope="session")
def real_faces(real_zip: Path, real_cache: Path) -> Faces:
    """Its faces, decoded once: a process that wants them meanwhile waits for the other's."""
    with pytest.MonkeyPatch.context() as patch, FileLock(f"{real_cache}.lock"):
        patch.setenv("FERTURB_CACHE", str(real_cache))
        return load_faces(DatasetConfig(str(real_zip)))


@pytest.fixture(scope="session", autouse=True)
def _nothing_outlives_a_power_cut() -> Iterator[None]:
    """Tests need not wait until the disk has each file; what a full disk does has a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _shipped_models_are_opened_once() -> Iterator[None]:
    """To open one takes longer than most tests that ask it. Each process opens its own."""
    opened: dict[tuple[int, Path, int | None], Any] = {}
    opening = onnx_session._session

    def shared(path: Path, threads: int | None) -> Any:
        if path.parent != FOLDER:
            return opening(path, threads)
        key = (os.getpid(), path, threads)
        if key not in opened:
            opened[key] = opening(path, threads)
        return opened[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_session, "_session", shared)
        yield


@pytest.fixture(scope="session", autouse=True)
def _coarse_figures() -> Iterator[None]:
    """The pixels of a report's figures are most of the time that it takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ferturb.report.form.style.DPI", 60)
        yield
