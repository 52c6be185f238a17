"""Videos with what was found drawn on them: as long, as fast and as large as the original."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chromium import in_chromium, launched, playwright_api
from ferturb.base.errors import FerturbError
from ferturb.cli.main import main
from ferturb.predict.annotated_video import AnnotatedCopies
from ferturb.predict.photos import Photo
from ferturb.predict.results import PhotoPrediction
from ferturb.predict.video import read_video
from made_photos import portrait

cv2 = pytest.importorskip("cv2", reason="needs OpenCV (pip install '.[video]')")


def film(path: Path, frames: int = 8, size: tuple[int, int] = (320, 240)) -> Path:
    """A face that drifts to the right, 10 frames a second."""
    photo, _ = portrait(1, size=size)
    codec = "MJPG" if path.suffix == ".avi" else "mp4v"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 10.0, size)
    for k in range(frames):
        writer.write(np.ascontiguousarray(np.roll(photo, 2 * k, axis=1)[..., ::-1]))
    writer.release()
    return path


def shown(name: str, seconds: float, grey: int = 0, side: int = 32) -> PhotoPrediction:
    """A frame of one grey, in which no face was found."""
    pixels = np.full((side, side, 3), grey, np.uint8)
    return PhotoPrediction(name, (side, side), seconds=seconds, photo=Photo(pixels, (side, side)))


def codec_of(path: Path) -> str:
    capture = cv2.VideoCapture(str(path))
    return int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode()


def greys(path: Path) -> list[int]:
    return [round(float(frame.photo.pixels.mean())) for frame in read_video(path)]


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv", ".mov"])
def test_a_video_gives_a_video(
    tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = film(tmp_path / f"film{suffix}")
    out = tmp_path / "marked"
    command = ["predict", str(path), "--model", "tiny", "--threads", "1", "--annotate", str(out)]
    main([*command, "--json"])
    boxes = [photo["faces"][0]["box"] for photo in json.loads(capsys.readouterr().out)]
    (copy,) = out.iterdir()
    assert copy.suffix == (".avi" if suffix == ".avi" else ".mp4")
    originals, copies = list(read_video(path)), list(read_video(copy))
    assert [f.seconds for f in copies] == pytest.approx([f.seconds for f in originals], abs=0.01)
    for before, after, (left, top, right, bottom) in zip(originals, copies, boxes, strict=True):
        assert after.photo.size == before.photo.size
        changed = np.abs(after.photo.pixels.astype(int) - before.photo.pixels).max(2) > 60
        assert (
            changed[int(top) - 25 : int(bottom) + 3, int(left) - 3 : int(right) + 3].mean() > 0.02
        )
        assert changed[-10:].mean() < 0.01
    written = copy.read_bytes()
    main([*command, "--quiet"])  # again: in its own place
    assert [p.name for p in out.iterdir()] == [copy.name]
    assert copy.read_bytes() == written
    capsys.readouterr()


@pytest.mark.parametrize("name", ["a.avi", "a.mp4"])
def test_frames_stand_as_long_as_in_the_original(tmp_path: Path, name: str) -> None:
    times = [0.0, 0.1, 0.2, 0.6, 0.7, 900.0, 900.1]
    with AnnotatedCopies(tmp_path / "out") as copies:
        for i, seconds in enumerate(times):
            copies.write(shown(name, seconds, 30 * i))
    found = greys(tmp_path / "out" / name)
    counts = [sum(abs(g - 30 * i) < 8 for g in found) for i in range(len(times))]
    assert counts == [1, 1, 4, 1, 100, 1, 1]  # a long gap is cut to ten seconds
    assert len(found) == sum(counts)


def test_several_videos_and_photos_one_after_the_other(tmp_path: Path) -> None:
    with AnnotatedCopies(tmp_path / "out") as copies:
        copies.write(shown("a.avi", 0.0))
        copies.write(shown("b/a.avi", 0.0, side=33))  # an odd side
        copies.write(PhotoPrediction("c.png", error="can't be read"))
        copies.write(PhotoPrediction("d.png", (32, 32), photo=shown("", 0.0).photo))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.avi", "b_a.avi", "d.png"]
    assert len(greys(tmp_path / "out" / "b_a.avi")) == 1


def test_an_original_and_anything_else_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    original = film(tmp_path / "film.mp4").read_bytes()
    for _ in range(2):
        main(["predict", "film.mp4", "--model", "tiny", "--quiet", "--annotate", "."])
        assert (tmp_path / "film.mp4").read_bytes() == original
        assert len(list(tmp_path.iterdir())) == 2


def test_an_mp4_has_the_first_codec_that_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H.264 is refused by most OpenCVs on Linux; without any there is MPEG-4 part 2."""
    tried: list[str] = []
    writer = cv2.VideoWriter

    class Choosy:
        fourcc = staticmethod(cv2.VideoWriter.fourcc)

        def __new__(cls, path: str, codec: int, *more: Any) -> Any:
            tried.append(codec.to_bytes(4, "little").decode())
            return writer(path, codec, *more) if tried[-1] in known else Closed()

    monkeypatch.setattr(cv2, "VideoWriter", Choosy)
    known = ["vp09", "mp4v"]
    for name in ("vp9.mp4", "old.mp4"):
        with AnnotatedCopies(tmp_path / "out") as copies:
            for i in range(3):
                copies.write(shown(name, i / 10, 40 * i))
        assert greys(tmp_path / "out" / name) == pytest.approx([0, 40, 80], abs=8)
        known = ["mp4v"]
    assert tried == ["avc1", "vp09", "avc1", "vp09", "mp4v"]
    assert codec_of(tmp_path / "out" / "vp9.mp4").lower() in ("vp09", "vp90")


def test_a_codec_that_can_not_be_written_is_passed_over_in_silence(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mkv", 3)
    command = [sys.executable, "-m", "ferturb", "predict", str(path), "--model", "tiny", "--quiet"]
    command += ["--annotate", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    (written,) = (tmp_path / "out").iterdir()
    assert codec_of(written).lower() in ("avc1", "h264", "vp09", "vp90")  # browsers play them


@pytest.mark.slow
@in_chromium
def test_a_browser_plays_the_copy_of_a_video(tmp_path: Path) -> None:
    with AnnotatedCopies(tmp_path) as copies:
        for i in range(10):
            copies.write(shown("a.mov", i / 10, 20 * i, 64))
    (tmp_path / "page.html").write_text("<video src=a.mp4 muted></video>", encoding="utf-8")
    played = """() => new Promise(done => {
      const film = document.querySelector("video");
      film.ontimeupdate = () => done([film.duration, film.videoWidth]);
      film.onerror = () => done([film.error.message]);
      film.play().catch(error => done([String(error)]));
    })"""
    with playwright_api().sync_playwright() as playwright:
        browser = launched(playwright)
        page = browser.new_page()
        page.goto((tmp_path / "page.html").as_uri())
        assert page.evaluate(played) == [pytest.approx(1.0, abs=0.11), 64]
        browser.close()


class Closed:
    """A writer for which OpenCV has no codec."""

    fourcc = staticmethod(cv2.VideoWriter.fourcc)

    def __init__(self, *given: Any) -> None: ...

    def isOpened(self) -> bool:  # noqa: N802
        return False

    def release(self) -> None: ...


def test_a_video_that_can_not_be_written_is_one_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cv2, "VideoWriter", Closed)
    copies = AnnotatedCopies(tmp_path / "out")
    copies.write(shown("a.mp4", 0.0))
    with pytest.raises(FerturbError, match=r"^this OpenCV can't write \.mp4 videos"):
        copies.write(shown("a.mp4", 0.1))
    copies.write(shown("a.mp4", 0.2))
    copies.close()
    assert list((tmp_path / "out").iterdir()) == []
    monkeypatch.undo()
    path = film(tmp_path / "film.avi", 3)
    monkeypatch.setattr(cv2, "VideoWriter", Closed)
    with pytest.raises(SystemExit) as stopped:
        main(["predict", str(path), "--model", "tiny", "--annotate", str(tmp_path / "out")])
    assert stopped.value.code == 1
    assert capsys.readouterr().err.count("this OpenCV can't write") == 1


def test_a_copy_that_is_interrupted_is_a_whole_video(tmp_path: Path) -> None:
    def interrupted() -> None:
        with AnnotatedCopies(tmp_path / "out") as copies:
            for i in range(4):
                copies.write(shown("a.avi", i / 10))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(greys(tmp_path / "out" / "a.avi")) == 4
