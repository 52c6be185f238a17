from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from ferturb.base.errors import FerturbError
from ferturb.predict.annotation import write_annotated
from ferturb.predict.marked_files import IMAGES, carries
from ferturb.predict.output_names import output_path, stem_of
from ferturb.predict.photos import Photo
from ferturb.predict.results import PhotoPrediction

PIXELS = np.zeros((8, 8, 3), np.uint8)
NAMES = (
    *("a.png", "a.jpg", "a.jpeg", "A.PNG", "x/a.png", "x_a.png", "./a.gif", "../a.png", "/a.png"),
    *("../../etc/passwd", "..", ".", "/", "CON.jpg", "nul", "com1.tar.png", "C:\\a.png"),
    *("a:b?.png", "a*b|.png", "a\nb.png", "caf\udce9.png", "caf\udce8.png", "x" * 300 + ".png"),
    *("y" + "x" * 299 + ".png", "é" * 200 + ".jpg", "a. .png", " a.png", "~", "-rf.png"),
)


def shown(name: str, frame: int | None = None) -> PhotoPrediction:
    return PhotoPrediction(name, (8, 8), frame=frame, photo=Photo(PIXELS, (8, 8)))


def test_any_two_photos_have_a_file_each_inside_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    written = [
        write_annotated(shown(name, frame), out)
        for name, frame in itertools.product(NAMES, (None, 0, 1_000_001))
    ]
    assert len(set(written)) == len(written) == len(list(out.iterdir()))
    for path in written:
        assert path.parent == out
        assert len(path.name.encode()) <= 140
        assert path.name == path.name.strip(" .")
        assert not set(path.name) & set('<>:"/\\|?*\n')
        assert path.stem.partition(".")[0].lower() not in ("con", "nul", "com1")
        assert path.suffix in (".png", ".jpg", ".jpeg", ".gif")
    assert list(tmp_path.iterdir()) == [out]
    again = [
        write_annotated(shown(name, frame), out)
        for name, frame in itertools.product(NAMES, (None, 0, 1_000_001))
    ]
    assert again == written


@pytest.mark.parametrize("what", ["an original", "another's copy", "text", "a folder", "a link"])
def test_nothing_else_is_replaced(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.png"
    target = tmp_path / "elsewhere"
    if what == "an original":
        Image.fromarray(PIXELS).save(path)
    elif what == "another's copy":
        assert write_annotated(shown("other/../a.png"), tmp_path).name == "other_a.png"
        (tmp_path / "other_a.png").rename(path)
    elif what == "text":
        path.write_text("mine")
    elif what == "a folder":
        path.mkdir()
    else:
        path.symlink_to(target)
    before = None if what in ("a folder", "a link") else path.read_bytes()
    other = write_annotated(shown("/x/a.png" if what == "another's copy" else "a.png"), tmp_path)
    assert other != path
    assert path.is_dir() or path.is_symlink() or path.read_bytes() == before
    assert not target.exists()


@pytest.mark.parametrize(
    ("name", "suffix", "kind"),
    [
        *(("a.jpg", ".jpg", "JPEG"), ("a.JPEG", ".jpeg", "JPEG"), ("a.webp", ".webp", "WEBP")),
        *(("a.tiff", ".tiff", "TIFF"), ("a.png", ".png", "PNG"), ("a.gif", ".gif", "GIF")),
        *(
            ("a.BMP", ".bmp", "BMP"),
            ("a.ppm", ".png", "PNG"),
            ("a", ".png", "PNG"),
            ("a.heic", ".png", "PNG"),
        ),
    ],
)
def test_a_copy_keeps_its_photos_format_and_replaces_itself_alone(
    tmp_path: Path, name: str, suffix: str, kind: str
) -> None:
    path = write_annotated(shown(name), tmp_path)
    assert path.suffix == suffix
    with Image.open(path) as image:
        assert image.format == kind
        assert image.size == (8, 8)
    assert write_annotated(shown(name), tmp_path) == path
    Image.fromarray(PIXELS).save(path, kind)  # somebody else's, of the same name
    other = write_annotated(shown(name), tmp_path)
    assert other != path
    assert other.suffix == suffix


@pytest.mark.parametrize("suffix", sorted(IMAGES))
@pytest.mark.parametrize("frame", [None, 3])
def test_every_image_that_is_written_shows_what_was_given(
    tmp_path: Path, suffix: str, frame: int | None
) -> None:
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:, 12:] = 250, 10, 20
    prediction = PhotoPrediction(f"a{suffix}", (24, 16), frame=frame, photo=Photo(pixels, (24, 16)))
    path = write_annotated(prediction, tmp_path)
    assert path.name == ("a" if frame is None else "a_000003") + suffix
    with Image.open(path) as image:
        far = np.abs(np.asarray(image.convert("RGB")).astype(int) - pixels)[:, [0, 5, 18, 23]]
    assert far.max() < 16
    assert write_annotated(prediction, tmp_path) == path  # knows its own, whatever the format
    other = PhotoPrediction("b/../a" + suffix, (24, 16), frame=frame, photo=prediction.photo)
    assert write_annotated(other, tmp_path).suffix == suffix
    assert not carries(path, "of another")


def test_plain_names_stay_plain() -> None:
    assert stem_of("party.jpg") == "party"
    assert stem_of("holiday/2024/é.png") == "holiday_2024_é"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FerturbError, match="is not a folder"):
        output_path(tmp_path / "file", "a.png")
