"""What a video shows of each person, from given frames and through the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from ferturb.base.emotions import EMOTIONS
from ferturb.cli.main import main
from ferturb.predict.results import FacePrediction, PhotoPrediction
from ferturb.predict.tracks import COLUMNS, Tracks
from made_photos import encoded, portrait


def face(track: int | None, emotion: str, share: float, sure: bool = True) -> FacePrediction:
    shares = {e: share if e == emotion else (1 - share) / 6 for e in EMOTIONS}
    return FacePrediction(
        box=(0.0, 0.0, 1.0, 1.0),
        score=1.0,
        landmarks=np.zeros((108, 2), np.float32),
        landmark_confidence=1.0,
        probabilities=shares,
        emotion=emotion if sure else None,
        hidden=None,
        face=np.zeros((48, 48), np.uint8),
        track=track,
    )


def frame(seconds: float | None, *faces: FacePrediction, name: str = "a.mp4") -> PhotoPrediction:
    return PhotoPrediction(name, (9, 9), faces, seconds=seconds, model="m", threshold=0.5)


def test_a_summary_is_of_the_frames_with_the_person() -> None:
    tracks = Tracks()
    for one in (
        frame(0.0, face(1, "happy", 0.9)),
        frame(0.5, face(1, "happy", 0.7), face(2, "sad", 0.6)),
        frame(1.0, face(1, "fear", 0.4, sure=False)),
        frame(1.5),
        frame(2.0, face(1, "happy", 0.8)),
        frame(0.0, face(1, "sad", 1.0), name="b.mp4"),
        frame(None, face(None, "sad", 1.0), name="photo.png"),
    ):
        tracks.add(one)
    first, second, other = tracks.summaries()
    assert (first.name, first.track, first.frames, first.first, first.last) == (
        *("a.mp4", 1, 4),
        *(0.0, 2.0),
    )
    assert first.shares == {"happy": 0.75, "unknown": 0.25}
    assert first.probabilities["happy"] == pytest.approx((0.9 + 0.7 + 0.1 + 0.8) / 4)
    assert sum(first.probabilities.values()) == pytest.approx(1)
    assert (second.track, second.shares, second.first) == (2, {"sad": 1.0}, 0.5)
    assert (other.name, other.track) == ("b.mp4", 1)
    assert first.words() == "a.mp4, face 1: 0.00 to 2.00 s, 4 frames: happy 75 %, unknown 25 %"
    assert second.words() == "a.mp4, face 2: 0.50 to 0.50 s, 1 frame: sad 100 %"
    row = first.row()
    assert set(row) == set(COLUMNS)
    assert (row["most_frequent"], row["share_unknown"], row["share_sad"]) == ("happy", 0.25, 0.0)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV (pip install '.[video]')")
    photo, _ = portrait(1, size=(320, 240))
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (320, 240))
    for _ in range(5):
        writer.write(np.ascontiguousarray(photo[..., ::-1]))
    writer.release()
    return path


def test_the_verb_summarises_in_every_form(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photo.png").write_bytes(encoded(portrait(1)[0]))
    command = [
        "predict",
        str(film),
        str(tmp_path / "photo.png"),
        "--model",
        "tiny",
        "--threads",
        "1",
    ]
    main([*command, "--tracks", "--json"])
    (track,) = json.loads(capsys.readouterr().out)
    assert (track["track"], track["frames"], track["model"]) == (1, 5, "tiny")
    main([*command, "--tracks", "--jsonl"])
    assert json.loads(capsys.readouterr().out) == track
    main([*command, "--tracks", "--csv"])
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert {row["frames"], row["track"]} == {"5", "1"}
    assert float(row["mean_happy"]) == track["probabilities"]["happy"]
    main([*command, "--tracks"])
    photo, summary = capsys.readouterr().out.splitlines()
    assert "photo.png: 1 face: " in photo
    assert summary.startswith(f"{film}, face 1: 0.00 to 0.40 s, 5 frames: ")
    main(command)
    *frames, photo, last = capsys.readouterr().out.splitlines()
    assert len(frames) == 5
    assert last == summary
