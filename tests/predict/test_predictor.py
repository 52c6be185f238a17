from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ferturb.base.decode import Limits
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.drawn.synthetic import draw
from ferturb.features.regions import FEATURES
from ferturb.predict.predictor import Predictor
from ferturb.predict.reading import Reading
from ferturb.predict.results import PhotoPrediction
from ferturb.predict.shipped import load_pretrained
from made_photos import Told, encoded, matched, portrait

FACES = draw(20, seed=11).images.numpy()


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor("clean", threads=1)


def rows(photo: PhotoPrediction) -> np.ndarray:
    return np.array([[face.probabilities[e] for e in EMOTIONS] for face in photo.faces])


def test_limits_hold_for_every_file(tmp_path: Path) -> None:
    small = Predictor("tiny", Told(np.zeros((0, 4))), threads=1, limits=Limits(pixels=1000))
    data = encoded(portrait(1)[0])
    (tmp_path / "a.png").write_bytes(data)
    for photo in (data, tmp_path / "a.png"):
        with pytest.raises(FerturbError, match="megapixels"):
            small.predict(photo)
    (found,) = small.predict_files(tmp_path)
    assert "megapixels" in (found.error or "")


def test_faces_that_are_cut_out_get_the_models_own_answers(predictor: Predictor) -> None:
    expected = load_pretrained("clean").predict_proba(FACES)
    found = predictor.predict_faces(FACES)
    got = np.array([[face.probabilities[e] for e in EMOTIONS] for face in found])
    np.testing.assert_allclose(got, expected, atol=1e-5)
    least = predictor.model.about.abstain_below
    for face, row in zip(found, expected, strict=True):
        assert face.most_probable == EMOTIONS[int(row.argmax())]
        assert face.emotion == (face.most_probable if row.max() >= least else None)
    assert {face.emotion is None for face in found} == {True, False}


def test_photos_in_memory_and_in_files_give_the_same(predictor: Predictor, tmp_path: Path) -> None:
    photo, boxes = portrait(2)
    (tmp_path / "a.png").write_bytes(encoded(photo))
    in_memory = predictor.predict([photo])[0]
    in_file = next(predictor.predict_files([tmp_path / "a.png"]))
    assert in_memory.size == (400, 220)
    assert matched(np.array([f.box for f in in_memory.faces], np.float32), boxes) == (2, 0)
    np.testing.assert_allclose(rows(in_file), rows(in_memory), atol=1e-6)
    for face in in_memory.faces:
        left, top, right, bottom = face.box
        inside = face.landmarks[17:68]  # without the jaw
        assert ((inside > [left - 25, top - 25]) & (inside < [right + 25, bottom + 25])).all()
        assert face.landmark_confidence > 0.3


def test_results_are_in_the_shown_photos_pixels(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ferturb.base import decode

    photo, boxes = portrait(1, size=(240, 200))
    monkeypatch.setattr(decode, "LONGEST", 240)
    double = photo.repeat(2, axis=0).repeat(2, axis=1)
    found = predictor.predict([photo, double])
    assert found[1].size == (480, 400)
    np.testing.assert_allclose(
        np.array(found[1].faces[0].box), 2 * np.array(found[0].faces[0].box), atol=4
    )
    np.testing.assert_allclose(found[1].faces[0].landmarks, 2 * found[0].faces[0].landmarks, atol=3)
    assert matched(np.array([found[0].faces[0].box], np.float32), boxes) == (1, 0)


def test_any_number_of_faces(predictor: Predictor) -> None:
    one, boxes = portrait(1, side=60, size=(100, 100))
    photo = np.tile(one, (10, 10, 1))
    shift = 100 * np.stack(np.meshgrid(np.arange(10), np.arange(10)), -1).reshape(-1, 2)
    many = boxes[0] + np.tile(shift, 2)
    crowd = Predictor(predictor.model, Told(many)).predict([photo, one[:30]])
    assert len(crowd[0].faces) == 100
    np.testing.assert_allclose(rows(crowd[0]), rows(crowd[0])[:1].repeat(100, 0), atol=1e-4)
    none = Predictor(predictor.model, Told(np.zeros((0, 4)))).predict([one])
    assert none[0].faces == ()
    assert none[0].error is None


def test_cropped_drops_no_image_and_reports_what_it_can_not_read(
    predictor: Predictor, tmp_path: Path
) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "0.png").write_bytes(encoded(FACES[0]))
    (tmp_path / "1.jpg").write_bytes(b"nonsense")
    (tmp_path / "2.png").write_bytes(encoded(np.full((5, 90, 3), 200, np.uint8)))
    (tmp_path / "b" / "3.png").write_bytes(encoded(FACES[3].repeat(2, 0).repeat(2, 1)))
    (tmp_path / "notes.txt").write_text("no photo")
    found = list(predictor.predict_files([tmp_path, tmp_path / "gone.png"], Reading(cropped=True)))
    assert [Path(p.name).name for p in found] == ["0.png", "1.jpg", "2.png", "3.png", "gone.png"]
    assert [p.error for p in found] == [
        None,
        "no image, or one of an unknown format",
        None,
        None,
        "does not exist",
    ]
    assert [len(p.faces) for p in found] == [1, 0, 1, 1, 0]
    expected = predictor.predict_faces(FACES[[0, 3]])
    np.testing.assert_allclose(
        rows(found[0])[0], [expected[0].probabilities[e] for e in EMOTIONS], atol=1e-5
    )
    assert found[3].faces[0].box == (0.0, 0.0, 96.0, 96.0)
    there = 2 * expected[1].landmarks + 0.5
    assert np.abs(found[3].faces[0].landmarks - there).mean() < 1.0
    assert found[2].faces[0].hidden is None  # a blank image has no landmarks
    assert found[2].faces[0].landmark_confidence == 0


def test_frames_of_an_animation(predictor: Predictor, tmp_path: Path) -> None:
    from PIL import Image

    frames = [Image.fromarray(face) for face in FACES[:3]]
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    found = list(predictor.predict_files([path], Reading(cropped=True, frames=True)))
    assert [p.frame for p in found] == [0, 1, 2]
    assert [p.frame for p in predictor.predict_files([path], Reading(cropped=True))] == [None]


def test_what_if_the_mouth_could_not_be_seen(predictor: Predictor) -> None:
    found = predictor.what_if(FACES[3])
    assert set(found) == {"", *FEATURES} - {"face"}
    expected = predictor.predict_faces(FACES[3:4])[0].probabilities
    assert found[""] == pytest.approx(expected, abs=1e-5)
    changes = {name: abs(p["happy"] - found[""]["happy"]) for name, p in found.items()}
    assert max(changes.values()) > 0.05
    only = predictor.what_if(FACES[3], ("mouth",), "blur")
    assert set(only) == {"", "mouth"}
    with pytest.raises(FerturbError, match="unknown facial feature 'ear'"):
        predictor.what_if(FACES[3], ("ear",))


@pytest.mark.usefixtures("no_shape_checks")
def test_what_if_takes_faces_and_three_fills(predictor: Predictor) -> None:
    for fill in ("noise", "inpaint"):
        with pytest.raises(FerturbError, match=f"unknown fill '{fill}'; known: mean, blur, black"):
            predictor.what_if(FACES[3], ("mouth",), fill)
    with pytest.raises(FerturbError, match=r"need uint8 \(n, 48, 48\), got uint8 \(1, 40, 48\)"):
        predictor.what_if(FACES[3][:40])


def test_what_is_no_photo_raises(predictor: Predictor) -> None:
    with pytest.raises(FerturbError, match="a photo is uint8"):
        predictor.predict([np.zeros((4, 4))])


@pytest.mark.usefixtures("no_shape_checks")
def test_one_path_is_a_list_of_one(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(FACES[0]))
    for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
        assert [p.error for p in predictor.predict_files(path)] == [None]
    assert [p.error for p in predictor.predict_files("/photo.jpg")] == ["does not exist"]
    with pytest.raises(FerturbError, match="a path is a text or a Path, got int"):
        predictor.predict_files([3])  # type: ignore[list-item]
