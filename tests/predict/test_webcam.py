"""The webcam's path, with a stand-in for OpenCV's capture: no camera is needed."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest

from ferturb.base.errors import FerturbError
from ferturb.cli.main import main
from ferturb.predict import video
from ferturb.predict.predictor import Predictor
from made_photos import portrait

cv2 = pytest.importorskip("cv2", reason="needs OpenCV (pip install '.[video]')")


class Camera:
    """What cv2.VideoCapture gives of a camera: no length, a doubtful frame rate, BGR frames."""

    opened: list[Camera] = []  # noqa: RUF012

    def __init__(self, source: int | str) -> None:
        self.source, self.released, self.asked = source, False, 0
        Camera.opened.append(self)

    def isOpened(self) -> bool:  # noqa: N802
        return self.source == 0

    def get(self, what: int) -> float:
        sizes = {cv2.CAP_PROP_FRAME_WIDTH: 320.0, cv2.CAP_PROP_FRAME_HEIGHT: 240.0}
        return sizes.get(what, -1.0)

    def grab(self) -> bool:
        self.asked += 1
        return self.asked <= 5

    def retrieve(self) -> tuple[bool, Any]:
        if self.asked == 2:
            return False, None  # a frame that was lost
        rgb = np.roll(portrait(1, size=(320, 240))[0], 4 * self.asked, axis=1)
        return True, rgb[..., ::-1]

    def release(self) -> None:
        self.released = True


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> type[Camera]:
    Camera.opened = []
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    return Camera


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by a quarter of a second whenever it is asked."""
    ticks = iter(np.arange(0, 1000, 0.25))
    monkeypatch.setattr(video.time, "monotonic", lambda: float(next(ticks)))


@pytest.mark.usefixtures("clock")
def test_a_cameras_frames_come_when_they_come(camera: type[Camera]) -> None:
    frames = list(video.read_video(0))
    assert [frame.number for frame in frames] == [0, 2, 3, 4]  # one was lost
    assert [frame.seconds for frame in frames] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert {frame.frames for frame in frames} == {None}
    expected = np.roll(portrait(1, size=(320, 240))[0], 4, axis=1)
    np.testing.assert_array_equal(frames[0].photo.pixels, expected)
    assert camera.opened[0].released


@pytest.mark.usefixtures("clock")
def test_a_person_before_the_camera_is_one_track(camera: type[Camera]) -> None:
    found = list(Predictor("clean", threads=1).predict_video(0))
    assert [[face.track for face in photo.faces] for photo in found] == [[1]] * 4
    assert {photo.name for photo in found} == {"0"}
    lefts = [photo.faces[0].box[0] for photo in found]
    assert lefts == sorted(lefts)


def test_one_who_stops_looking_lets_the_camera_go(camera: type[Camera]) -> None:
    frames = Predictor("clean", threads=1).predict_video(0)
    next(frames)
    assert not camera.opened[0].released
    frames.close()  # type: ignore[attr-defined]
    assert camera.opened[0].released


def test_the_verb_watches_a_camera(
    camera: type[Camera], capsys: pytest.CaptureFixture[str]
) -> None:
    start = time.monotonic()
    main(["predict", "--webcam", "0", "--every", "2", "--json", "--threads", "1"])
    found = json.loads(capsys.readouterr().out)
    assert [photo["frame"] for photo in found] == [0, 2, 4]
    assert all(0 <= photo["seconds"] <= time.monotonic() - start for photo in found)
    assert camera.opened[0].released


@pytest.mark.usefixtures("camera")
def test_a_camera_that_is_not_there() -> None:
    with pytest.raises(FerturbError, match=r"^webcam 7 can't be opened as a video$"):
        next(video.read_video(7))


def test_a_camera_that_gives_nothing(camera: type[Camera], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "grab", lambda self: False)
    with pytest.raises(FerturbError, match=r"^webcam 0 gives no frames; is it in use elsewhere\?$"):
        next(video.read_video(0))
