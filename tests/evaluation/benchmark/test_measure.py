from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ferturb.base.config import BenchmarkOptions
from ferturb.base.errors import FerturbError
from ferturb.base.storage import write_arrays
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.data.faces import Faces
from ferturb.evaluation.benchmark import measure
from ferturb.evaluation.benchmark.measure import ask
from ferturb.evaluation.benchmark.protocol import BY_KEY
from ferturb.evaluation.benchmark.showing import Shown
from ferturb.export.wrap import wrap
from ferturb.features.landmarks import find_landmarks
from ferturb.models.wrapped import Wrapped

SOME = tuple(BY_KEY[key] for key in ("whole", "mouth 2", "glasses", "noise", "random 1"))
"""The conditions that are asked about here: what takes its time is tested elsewhere."""
KNOWN_BY = 14 + 4 * 5
"""The faces that a model is known by: all whole ones, and four under every condition."""


class Counted:
    """A model of brightness that counts the faces it is asked about, and fails when it is told."""

    def __init__(self, most: float = np.inf) -> None:
        self.asked, self.most = 0, most

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        self.asked += len(faces)
        if self.asked > self.most:
            raise KeyboardInterrupt
        return 9 * faces.mean((1, 2, 3))[:, None] * np.linspace(1, -1, 7, dtype=np.float32)


def wrapped(most: float = np.inf) -> tuple[Wrapped, Counted]:
    counted = Counted(most)
    model = wrap(counted, "fer2013")
    model.name, counted.asked = "brightness", 0
    return model, counted


@pytest.fixture(scope="module")
def faces() -> Faces:
    return synthetic_faces(140, seed=3)


@pytest.fixture(autouse=True)
def small_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(measure, "_PIXELS", 1)
    monkeypatch.setattr(measure, "_LEAST", 6)
    monkeypatch.setattr(measure, "CONDITIONS", SOME)


def test_every_face_is_asked_about_under_every_condition(faces: Faces) -> None:
    seen: list[tuple[int, int]] = []
    (found,) = ask({"a": wrapped()[0]}, faces, on_progress=lambda *done: seen.append(done))
    test = faces.split("test")
    shown = Shown(test.images, find_landmarks(test.images))
    for place, condition in enumerate(SOME):
        light = shown.under(condition).float().mean((1, 2)).numpy() / 255
        expected = 9 * light[:, None] * np.linspace(1, -1, 7)
        assert np.allclose(found.logits[place], expected, atol=1e-4)
    assert found.labels.tolist() == test.labels.tolist()
    assert seen[-1] == (14 * 5, 14 * 5)
    assert found.record["split"] == "test"


def test_the_same_numbers_twice_and_with_any_number_of_workers(faces: Faces) -> None:
    first, second = (
        ask({"a": wrapped()[0]}, faces, BenchmarkOptions(workers=w, fresh=True))[0] for w in (1, 3)
    )
    assert np.array_equal(first.logits, second.logits)


def test_a_run_that_was_stopped_goes_on_where_it_was(faces: Faces) -> None:
    model, _ = wrapped(most=KNOWN_BY + 5 * 6 + 5)  # one chunk, and a bit
    with pytest.raises(KeyboardInterrupt):
        ask({"a": model}, faces)
    model, counted = wrapped()
    (found,) = ask({"a": model}, faces)
    assert counted.asked == KNOWN_BY + 5 * 8
    whole, counted = wrapped()
    (again,) = ask({"a": whole}, faces)
    assert counted.asked == KNOWN_BY
    assert np.array_equal(found.logits, again.logits)
    whole, counted = wrapped()
    (anew,) = ask({"a": whole}, faces, BenchmarkOptions(fresh=True))
    assert counted.asked == KNOWN_BY + 5 * 14
    assert np.array_equal(anew.logits, again.logits)


def test_another_model_of_the_same_name_is_asked_itself(faces: Faces) -> None:
    (first,) = ask({"a": wrapped()[0]}, faces)
    other = wrap(lambda x: -Counted()(x), "fer2013")
    (second,) = ask({"a": other}, faces)
    assert np.allclose(first.logits, -second.logits, atol=1e-5)


def test_a_model_that_differs_on_hidden_faces_alone_is_asked_itself(faces: Faces) -> None:
    whole = {face.tobytes() for face in (faces.images.numpy() / np.float32(255))[:, None]}

    def other(x: np.ndarray) -> np.ndarray:
        sign = [1 if face.tobytes() in whole else -1 for face in x]
        return Counted()(x) * np.array(sign, np.float32)[:, None]

    (first,) = ask({"a": wrapped()[0]}, faces)
    (second,) = ask({"a": wrap(other, "fer2013")}, faces)
    assert np.allclose(first.logits[0], second.logits[0], atol=1e-5)
    assert np.allclose(first.logits[1:], -second.logits[1:], atol=1e-5)


def test_other_landmarks_are_asked_about_themselves(faces: Faces) -> None:
    found = find_landmarks(faces.images)
    moved = replace(found, points=found.points.flip(0))
    for landmarks in (found, moved):
        (cached,) = ask({"a": wrapped()[0]}, faces, landmarks=landmarks)
        (fresh,) = ask({"a": wrapped()[0]}, faces, BenchmarkOptions(fresh=True), landmarks)
        assert np.array_equal(cached.logits, fresh.logits)


def test_damaged_and_foreign_files_in_the_cache_count_for_nothing(
    faces: Faces, tmp_path: Path
) -> None:
    (first,) = ask({"a": wrapped()[0]}, faces)
    for path in (tmp_path / "cache" / "benchmark").rglob("*.npz"):
        path.write_bytes(b"damaged")
    (second,) = ask({"a": wrapped()[0]}, faces)
    assert np.array_equal(first.logits, second.logits)


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"damaged")])
def test_what_is_lost_from_the_cache_on_the_way_is_asked_again(
    faces: Faces, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    (first,) = ask({"a": wrapped()[0]}, faces)

    def lose(done: int, total: int) -> None:
        for path in (tmp_path / "cache" / "benchmark").rglob("[!0]*.npz"):
            damage(path)

    (second,) = ask({"a": wrapped()[0]}, faces, on_progress=lose)
    assert np.array_equal(first.logits, second.logits)


@pytest.mark.parametrize("shape", [(5, 3, 7), (5, 6, 8), (4, 6, 7)])
def test_a_chunk_of_another_shape_counts_for_nothing(
    faces: Faces, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    (first,) = ask({"a": wrapped()[0]}, faces)
    (path,) = (tmp_path / "cache" / "benchmark").rglob("6.npz")
    write_arrays(path, {"logits": np.zeros(shape, np.float32)})
    (second,) = ask({"a": wrapped()[0]}, faces)
    assert np.array_equal(first.logits, second.logits)


def test_a_split_without_faces_is_refused(faces: Faces) -> None:
    with pytest.raises(FerturbError, match="has no test faces"):
        ask({"a": wrapped()[0]}, faces.split("train"))
