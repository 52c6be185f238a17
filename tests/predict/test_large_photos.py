"""Photos of 10,000 × 10,000 pixels, of a hundred faces, and animations, with the real detector."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferturb.predict.photos import read_photo
from ferturb.predict.predictor import Predictor
from ferturb.predict.reading import Reading
from made_photos import matched, portrait

SIDE = 10_000
FACE = 3_000
MOST_MEMORY = 1200
"""MiB that a process may take for a photo of 100 million pixels: 300 decoded, and the program."""


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor("clean", threads=1)


def huge(path: Path, mode: str, kind: str) -> np.ndarray:
    """A photo with one face in its right lower quarter; the face's box."""
    photo, boxes = portrait(1)
    patch = Image.fromarray(photo).convert(mode)
    scale = FACE / (boxes[0, 3] - boxes[0, 1])
    shown = patch.resize((round(patch.width * scale), round(patch.height * scale)))
    image = Image.new(mode, (SIDE, SIDE), 128 if mode == "L" else (170, 170, 170))
    left, top = SIDE - shown.width, SIDE - shown.height
    image.paste(shown, (left, top))
    image.save(path, kind, **({"compress_level": 1} if kind == "PNG" else {}))
    return np.asarray(boxes * scale + np.array([left, top, left, top]))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize(("mode", "kind"), [("L", "JPEG"), ("RGB", "PNG")])
def test_a_photo_of_a_hundred_million_pixels(tmp_path: Path, mode: str, kind: str) -> None:
    path = tmp_path / f"huge.{kind.lower()}"
    box = huge(path, mode, kind)
    code = (
        "import re, sys\n"
        "from ferturb.cli.main import main\n"
        f"main(['predict', {str(path)!r}, '--json', '--threads', '1'])\n"
        # Not getrusage: a child starts with what its parent had at most.
        "status = open('/proc/self/status').read()\n"
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', status)[1], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (photo,) = json.loads(done.stdout)
    assert photo["size"] == [SIDE, SIDE]
    found = np.array([face["box"] for face in photo["faces"]], np.float32)
    assert matched(found, box.astype(np.float32)) == (1, 0)
    assert int(done.stderr.split()[-1]) / 1024 < MOST_MEMORY


@pytest.mark.slow
def test_an_array_of_a_hundred_million_pixels(predictor: Predictor) -> None:
    photo = np.full((SIDE, SIDE), 128, np.uint8)
    small, boxes = portrait(1)
    place = 9_500 - small.shape[0], 9_500 - small.shape[1]
    photo[place[0] : 9_500, place[1] : 9_500] = small[..., 0]
    found = predictor.predict([photo])[0]
    assert found.size == (SIDE, SIDE)
    # A face of 120 pixels is 1 % of this photo: too small to be seen in the whole.
    assert matched(np.array([f.box for f in found.faces], np.float32).reshape(-1, 4), boxes)[1] == 0


def crowd(columns: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Drawn faces in rows, and their boxes."""
    one, box = portrait(1, side=90, size=(120, 120))
    photo = np.tile(one, (rows, columns, 1))
    corners = [(120 * (i % columns), 120 * (i // columns)) for i in range(columns * rows)]
    return photo, box + np.tile(np.array(corners, np.float32), 2)


def test_a_hundred_faces_are_found_and_named(predictor: Predictor) -> None:
    photo, boxes = crowd(10, 10)
    faces = predictor.predict([photo])[0].faces
    found, wrong = matched(np.array([face.box for face in faces], np.float32), boxes)
    assert found == 100
    assert wrong == 0
    assert len(faces) == 100
    # The same drawn face a hundred times over: nearly all get one name.
    names = [face.most_probable for face in faces]
    assert max(map(names.count, set(names))) >= 90


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_a_face_moves_through_an_animation(predictor: Predictor, tmp_path: Path, kind: str) -> None:
    photo, boxes = portrait(1, size=(320, 240))
    shifts = (0, 40, 80)
    frames = [Image.fromarray(np.roll(photo, shift, axis=1)) for shift in shifts]
    path = tmp_path / f"moving.{kind.lower()}"
    frames[0].save(path, kind, save_all=True, append_images=frames[1:])
    found = list(predictor.predict_files([path], Reading(frames=True)))
    assert [one.frame for one in found] == [0, 1, 2]
    assert all(one.error is None and one.size == (320, 240) for one in found)
    for one, shift in zip(found, shifts, strict=True):
        there = (boxes + np.array([shift, 0, shift, 0])).astype(np.float32)
        assert matched(np.array([f.box for f in one.faces], np.float32), there) == (1, 0)
    first = next(iter(predictor.predict_files([path])))
    assert first.frame is None
    assert first.faces[0].box == pytest.approx(found[0].faces[0].box, abs=1)


def test_an_animation_that_breaks_off_keeps_what_came_before(
    predictor: Predictor, tmp_path: Path
) -> None:
    photo, _ = portrait(1, size=(320, 240))
    frames = [Image.fromarray(np.roll(photo, shift, axis=1)) for shift in (0, 40, 80)]
    path = tmp_path / "broken.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    found = list(predictor.predict_files([path, tmp_path / "gone.gif"], Reading(frames=True)))
    assert [one.frame for one in found if one.error is None][:1] == [0]
    assert found[-1].error == "does not exist"
    assert all(one.error is None or "\n" not in one.error for one in found)
    assert read_photo(path).size == (320, 240)
