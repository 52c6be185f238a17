"""What public functions of prediction say to what they can't take, and what can be pickled."""

from __future__ import annotations

import io
import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ferturb.base.errors import FerturbError
from ferturb.data.drawn.synthetic import draw
from ferturb.export.torch_models import load_calibrated
from ferturb.predict.altering import Alterer
from ferturb.predict.landmark_finder import LandmarkFinder
from ferturb.predict.onnx_session import OnnxModel
from ferturb.predict.predictor import Predictor
from ferturb.predict.reading import Reading
from ferturb.predict.shipped import FOLDER, About, load_pretrained
from made_photos import encoded

FACES = draw(3, seed=11).images.numpy()
pytestmark = pytest.mark.usefixtures("no_shape_checks")


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor("tiny", threads=1)


WRONG: dict[str, Callable[[Predictor], Any]] = {
    "a text for photos": lambda p: p.predict("photo.jpg"),
    "a path for photos": lambda p: p.predict(Path("photo.jpg")),
    "bytes for photos": lambda p: p.predict(b"jpeg"),
    "a folder for a photo": lambda p: p.predict(Path(__file__).parent),
    "a number in a list": lambda p: p.predict([7]),
    "rows of pixels": lambda p: p.predict(np.zeros(4, np.uint8)),
    "a picture of nothing": lambda p: p.predict(Image.new("RGB", (0, 5))),
    "a picture of a closed file": lambda p: p.predict(_closed()),
    "a threshold over 1": lambda p: p.model.with_threshold(1.5),
    "a threshold in words": lambda p: p.model.with_threshold("high"),
    "a number for photos": lambda p: p.predict(7),
    "None for photos": lambda p: p.predict(None),
    "texts for photos": lambda p: p.predict(["photo.jpg"]),
    "None for a photo": lambda p: p.predict([None]),
    "floats for photos": lambda p: p.predict([np.zeros((4, 4, 3))]),
    "unlike rows for a photo": lambda p: p.predict([[[1], [1, 2]]]),
    "one face for faces": lambda p: p.predict_faces(FACES[0]),
    "floats for faces": lambda p: p.predict_faces(FACES / 255),
    "texts for faces": lambda p: p.predict_faces(["a"]),
    "bytes for files": lambda p: p.predict_files(b"a.png"),
    "numbers for files": lambda p: p.predict_files([1]),
    "arrays for files": lambda p: p.predict_files([FACES[0]]),
    "None for files": lambda p: p.predict_files(None),
    "a negative camera": lambda p: p.predict_video(-1),
    "a huge camera": lambda p: p.predict_video(10**30),
    "a camera in words": lambda p: p.predict_video(True),
    "a camera of floats": lambda p: p.predict_video(0.5),
    "None for a video": lambda p: p.predict_video(None),
    "many faces for what_if": lambda p: p.what_if(FACES),
    "a text for what_if": lambda p: p.what_if("photo.jpg"),
    "a number for features": lambda p: p.what_if(FACES[0], [3]),
    "an unknown feature": lambda p: p.what_if(FACES[0], "ear"),
    "a number for a fill": lambda p: p.what_if(FACES[0], ["mouth"], 3),
    "a number for a model": lambda p: Predictor(3),
    "a model nobody knows": lambda p: Predictor("nobody"),
    "a detector nobody knows": lambda p: Predictor(p.model, "nobody"),
    "a number for a detector": lambda p: Predictor(p.model, 3),
    "no threads": lambda p: Predictor("tiny", threads=0),
    "threads below none": lambda p: load_pretrained("tiny", threads=-1),
    "too many threads": lambda p: load_pretrained("tiny", threads=10**12),
    "half a thread": lambda p: load_pretrained("tiny", threads=1.5),
    "threads in words": lambda p: load_pretrained("tiny", threads="two"),
    "a list for a model": lambda p: load_pretrained(["tiny"]),
    "None for a model": lambda p: load_pretrained(None),
    "no step": lambda p: Reading(every=0),
    "half a step": lambda p: Reading(every=1.5),
    "smoothing of NaN": lambda p: Reading(smoothing=float("nan")),
    "smoothing backwards": lambda p: Reading(smoothing=-1),
    "endless smoothing": lambda p: Reading(smoothing=float("inf")),
    "faces of a wrong size": lambda p: p.model.predict_proba(np.zeros((1, 40, 48), np.uint8)),
    "a text for faces": lambda p: p.model.predict_proba("abc"),
    "unlike rows for faces": lambda p: p.model.predict_proba([[1], [1, 2]]),
    "landmarks of floats": lambda p: LandmarkFinder(1)(FACES / 255),
    "inputs of another graph": lambda p: OnnxModel(FOLDER / "tiny.onnx").run({"photo": FACES}),
    "a temperature in words": lambda p: About.from_dict(
        About(name="x").to_dict() | {"temperature": "hot"}, Path("x.onnx")
    ),
    "a bias in words": lambda p: About.from_dict(
        About(name="x").to_dict() | {"bias": "no"}, Path("x.onnx")
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_can_not_be_taken_is_one_line_at_once(what: str, predictor: Predictor) -> None:
    with pytest.raises(FerturbError) as raised:
        WRONG[what](predictor)
    said = str(raised.value)
    assert 10 < len(said) < 300
    assert "\n" not in said


def _closed() -> Image.Image:
    picture = Image.open(io.BytesIO(encoded(FACES[0])))
    picture.fp.close()
    return picture


RIGHT: dict[str, Callable[[Predictor], Any]] = {
    "a list of faces": lambda p: p.predict_faces(list(FACES)),
    "a tensor of faces": lambda p: p.predict_faces(torch.from_numpy(FACES)),
    "photos as they are made": lambda p: p.predict((face for face in FACES), cropped=True),
    "pictures of Pillow": lambda p: p.predict([*map(Image.fromarray, FACES)], cropped=True),
    "pictures with palettes": lambda p: p.predict(
        [Image.fromarray(face).convert("P") for face in FACES], cropped=True
    ),
    "files' bytes": lambda p: p.predict([encoded(face) for face in FACES], cropped=True),
    "one photo after the other": lambda p: [p.predict(face, True)[0] for face in FACES],
    "one picture": lambda p: [p.predict(Image.fromarray(face), True)[0] for face in FACES],
    "one file's bytes": lambda p: [p.predict(encoded(face), True)[0] for face in FACES],
    "one in colour": lambda p: [p.predict(_coloured(face), True)[0] for face in FACES],
    "tensors": lambda p: p.predict(torch.from_numpy(FACES), cropped=True),
    "faces turned in memory": lambda p: p.predict_faces(FACES[:, ::-1][:, ::-1]),
}


def _coloured(face: np.ndarray) -> np.ndarray:
    return np.repeat(face[..., None], 3, axis=2)


@pytest.mark.parametrize("what", RIGHT)
def test_every_form_of_the_same_faces(what: str, predictor: Predictor) -> None:
    found = RIGHT[what](predictor)
    faces = [one.faces[0] if hasattr(one, "faces") else one for one in found]
    expected = predictor.model.predict_proba(FACES)
    got = [list(face.probabilities.values()) for face in faces]
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("many", [False, True])
def test_paths_are_photos_and_give_their_names(
    many: bool, predictor: Predictor, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path, face in zip(paths, FACES, strict=True):
        path.write_bytes(encoded(face))
    given = [str(paths[0]), *paths[1:]]
    found = (
        predictor.predict(given, cropped=True)
        if many
        else [predictor.predict(one, cropped=True)[0] for one in given]
    )
    assert [photo.name for photo in found] == [str(path) for path in paths]
    expected = predictor.model.predict_proba(FACES)
    got = [list(photo.faces[0].probabilities.values()) for photo in found]
    np.testing.assert_allclose(got, expected, atol=1e-6)
    with pytest.raises(FerturbError, match=rf"^{tmp_path}/9.png: does not exist$"):
        predictor.predict([*paths, tmp_path / "9.png"], cropped=True)


def test_a_table_of_predictions(predictor: Predictor) -> None:
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    found = predictor.predict([*FACES, np.zeros((60, 60), np.uint8)])
    whole = predictor.predict(FACES, cropped=True)
    table = whole.to_pandas()
    assert isinstance(table, pandas.DataFrame)
    expected = predictor.model.predict_proba(FACES)
    got = table[list(whole[0].faces[0].probabilities)].to_numpy()
    np.testing.assert_allclose(got, expected, atol=1e-4)
    assert list(table["face"]) == [1, 1, 1]
    assert set(table["model"]) == {"tiny"}
    assert found.to_pandas()["face"].isna().iloc[-1]  # a photo without a face has its row too


def test_a_threshold_decides_what_is_answered(predictor: Predictor) -> None:
    surest = predictor.model.predict_proba(FACES).max(1)
    middle = float(np.sort(surest)[1])
    for threshold in (0.0, middle, 1.0):
        found = Predictor(predictor.model.with_threshold(threshold), threads=1).predict_faces(FACES)
        assert [face.emotion is not None for face in found] == list(surest >= threshold)


def test_one_feature_is_a_list_of_one(predictor: Predictor) -> None:
    one, listed = (predictor.what_if(FACES[0], features) for features in ("mouth", ["mouth"]))
    assert one == listed
    points = predictor.finder(FACES[:1]).points[0]
    choices = (["mouth"], [("mouth",)])
    a, b = (Alterer(1).left_out(FACES[0], points, choice) for choice in choices)
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("backend", ["onnxruntime", "torch"])
def test_models_and_predictors_can_be_pickled(backend: str, predictor: Predictor) -> None:
    model = predictor.model if backend == "onnxruntime" else load_calibrated("tiny")
    used = Predictor(model, threads=1)
    expected = used.predict_faces(FACES)
    used.what_if(FACES[0], ["mouth"])
    again = pickle.loads(pickle.dumps(used))
    assert again.model.about == used.model.about
    for one, other in zip(again.predict_faces(FACES), expected, strict=True):
        assert one.probabilities == other.probabilities
    assert pickle.loads(pickle.dumps(expected[0])).probabilities == expected[0].probabilities


def _proba(model: Any) -> np.ndarray:
    return np.asarray(model.predict_proba(FACES))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_predicts_with_its_parents_model() -> None:
    model = load_pretrained("tiny", threads=2)
    expected = model.predict_proba(FACES)

    def child(queue: Any) -> None:
        queue.put(model.predict_proba(FACES))

    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,), daemon=True)
    process.start()
    np.testing.assert_array_equal(queue.get(timeout=60), expected)
    process.join(60)


def test_a_pool_of_processes_gets_the_model() -> None:
    model = load_pretrained("tiny", threads=1)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (found,) = pool.map(model.predict_proba, [FACES])
    np.testing.assert_array_equal(found, model.predict_proba(FACES))
