from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ferturb.base.errors import FerturbError
from ferturb.predict.predictor import Predictor
from ferturb.predict.reading import Reading
from ferturb.predict.video import read_video
from made_photos import portrait


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Twelve frames of a face that drifts to the right, 10 a second."""
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV (pip install 'ferturb[video]')")
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
    pytest.importorskip("cv2", reason="needs OpenCV (pip install 'ferturb[video]')")
    path = tmp_path / "a.mp4"
    path.write_bytes(b"nonsense" * 100)
    with pytest.raises(FerturbError, match=r"can't be opened as a video|gives no frames"):
        list(read_video(path))
    with pytest.raises(FerturbError, match="does not exist"):
        list(read_video(tmp_path / "b.mp4"))
    with pytest.raises(FerturbError, match="every is how many frames"):
        list(read_video(path, every=0))
    found = list(Predictor("clean", threads=1).predict_files([path]))
    assert len(found) == 1
    assert found[0].error is not None
