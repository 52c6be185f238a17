from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ferturb.base.errors import FerturbError
from ferturb.predict import video
from ferturb.predict.predictor import Predictor
from ferturb.predict.reading import Reading
from ferturb.predict.video import read_video
from made_photos import portrait


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Twelve frames of a face that drifts to the right, 10 a second."""
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV (pip install '.[video]')")
    photo, _ = portrait(1, size=(320, 240))
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (320, 240))
    for k in range(12):
        writer.write(np.ascontiguousarray(np.roll(photo, 2 * k, axis=1)[..., ::-1]))
    writer.release()
    return path


def test_frames_come_with_their_times_and_colours(film: Path) -> None:
    frames = list(read_video(film, every=5))
    assert [f.number for f in frames] == [0, 5, 10]
    assert [f.seconds for f in frames] == pytest.approx([0, 0.5, 1.0])
    expected = np.roll(portrait(1, size=(320, 240))[0], 10, axis=1)
    assert np.abs(frames[1].photo.pixels.astype(int) - expected).mean() < 4


def test_one_face_is_one_track(film: Path) -> None:
    found = list(Predictor("clean", threads=1).predict_files([film], Reading(every=4)))
    assert [p.frame for p in found] == [0, 4, 8]
    assert [[f.track for f in p.faces] for p in found] == [[1], [1], [1]]
    assert [p.seconds for p in found] == pytest.approx([0, 0.4, 0.8])
    lefts = [p.faces[0].box[0] for p in found]
    assert lefts[0] < lefts[1] < lefts[2]


def test_what_is_no_video(tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="needs OpenCV (pip install '.[video]')")
    path = tmp_path / "a.mp4"
    path.write_bytes(b"nonsense" * 100)
    with pytest.raises(FerturbError, match=r"can't be opened as a video|gives no frames"):
        list(read_video(path))
    with pytest.raises(FerturbError, match="does not exist"):
        list(read_video(tmp_path / "b.mp4"))
    with pytest.raises(FerturbError, match="every must be a whole number from 1 on"):
        list(read_video(path, every=0))
    found = list(Predictor("clean", threads=1).predict_files([path]))
    assert len(found) == 1
    assert found[0].error is not None


class Recording:
    """What cv2.VideoCapture gives of a file: frames with time stamps, in milliseconds."""

    def __init__(self, stamps: list[float], promised: int, rate: float = 10.0) -> None:
        self.stamps, self.promised, self.rate, self.at = stamps, promised, rate, -1

    def get(self, what: int) -> float:
        cv2 = pytest.importorskip("cv2")
        known = {cv2.CAP_PROP_FPS: self.rate, cv2.CAP_PROP_FRAME_COUNT: self.promised}
        return known[what] if what in known else self.stamps[max(self.at, 0)]

    def grab(self) -> bool:
        self.at += 1
        return self.at < len(self.stamps)

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.full((20, 30, 3), self.at, np.uint8)

    def release(self) -> None:
        pass


NAN = float("nan")


@pytest.mark.parametrize(
    ("stamps", "seconds"),
    [
        ([0, 100, 5000, 5100, 9000], [0, 0.1, 5, 5.1, 9]),  # a rate that varies
        ([0, 0, 0, 0], [0, 0.1, 0.2, 0.3]),  # none
        ([NAN, NAN, NAN], [0, 0.1, 0.2]),
        ([0, 100, 50, 60, 400], [0, 0.1, 0.2, 0.3, 0.4]),  # backwards
        ([0, 100, 1e300, 300], [0, 0.1, 0.2, 0.3]),
        ([700, 800], [0, 0.8]),
        ([0, -5, -1], [0, 0.1, 0.2]),
    ],
)
def test_frames_have_their_own_times(
    monkeypatch: pytest.MonkeyPatch, stamps: list[float], seconds: list[float]
) -> None:
    monkeypatch.setattr(video, "_open", lambda source: Recording(stamps, len(stamps)))
    frames = list(read_video(Path("a.mp4")))
    assert [f.seconds for f in frames] == pytest.approx(seconds)


@pytest.mark.parametrize(("promised", "whole"), [(30, False), (21, True), (0, True), (-9, True)])
def test_frames_that_are_promised_and_do_not_come(
    monkeypatch: pytest.MonkeyPatch, promised: int, whole: bool
) -> None:
    stamps = [100.0 * i for i in range(20)]
    monkeypatch.setattr(video, "_open", lambda source: Recording(stamps, promised))
    frames = read_video(Path("a.mp4"))
    assert len([next(frames) for _ in stamps]) == 20
    if whole:
        assert list(frames) == []
    else:
        with pytest.raises(FerturbError, match=r"^a.mp4 gives 20 of the 30 frames"):
            next(frames)


def test_half_a_file_gives_what_it_has_and_says_so(film: Path) -> None:
    data = film.read_bytes()
    film.write_bytes(data[: len(data) // 2])
    *whole, last = Predictor("tiny", threads=1).predict_files(film)
    assert len(whole) >= 3
    assert all(photo.error is None for photo in whole)
    assert last.error is not None
    assert last.error.startswith("gives ")
    assert "of the 12 frames that it promises" in last.error


@pytest.mark.parametrize("asked", [False, True])
def test_the_decoder_says_nothing_unless_it_is_asked(film: Path, asked: bool) -> None:
    data = bytearray(film.read_bytes())
    for at in range(3000, len(data) - 3000, 400):
        data[at] ^= 0x55
    (film.parent / "broken.avi").write_bytes(data)
    (film.parent / "page.mp4").write_bytes(b"<html>404</html>")
    command = [sys.executable, "-m", "ferturb", "predict", "--quiet", "--model", "tiny"]
    done = subprocess.run(
        [*command, str(film.parent / "broken.avi"), str(film.parent / "page.mp4")],
        capture_output=True,
        text=True,
        env=os.environ | ({"OPENCV_FFMPEG_LOGLEVEL": "48"} if asked else {}),
        check=False,
    )
    assert "page.mp4: can't be opened as a video" in done.stderr
    lines = (done.stdout + done.stderr).splitlines()
    ours = [line for line in lines if line.startswith("error ") or "broken.avi at" in line]
    assert (len(lines) > len(ours)) == asked  # OpenCV prints what was asked for on either
