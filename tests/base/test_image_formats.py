"""One list of what can be read: what is in it is read, what is not is named."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from ferturb.base import image_formats
from ferturb.base.decode import decode
from ferturb.base.errors import FerturbError
from ferturb.base.image_formats import FORMATS, START, SUFFIXES, format_of, is_image

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)
OTHERS = {
    "HEIC": HEIC,
    "HEIC of several": b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(40),
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40),
    "JPEG XL": b"\xff\x0a" + bytes(40),
    "Photoshop": b"8BPS\0\1" + bytes(40),
    "PDF": b"%PDF-1.7\n" + bytes(40),
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "video": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(40),
    "zip": b"PK\3\4" + bytes(40),
}


@pytest.fixture
def no_heif(monkeypatch):
    """As where pillow-heif is not installed."""
    monkeypatch.setattr(image_formats, "_heif", lambda: False)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_every_format_of_the_list_is_read_and_told_by_its_content(form, mode):
    if form not in Image.SAVE and form == "AVIF":
        pytest.skip("this Pillow writes no AVIF")
    buffer = io.BytesIO()
    Image.effect_noise((48, 48), 60).convert(mode).save(buffer, format=form)
    assert format_of(buffer.getvalue()[:START]) == form
    assert is_image(buffer.getvalue()[:START])
    assert next(decode(buffer.getvalue())).size == (48, 48)


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_read_is_named_with_what_to_do(name, no_heif):
    with pytest.raises(FerturbError) as error:
        next(decode(OTHERS[name]))
    assert name.removesuffix(" of several") in str(error.value)
    assert "JPEG" in str(error.value)
    assert is_image(OTHERS[name][:START]) == name.startswith("HEIC")


def test_what_nobody_knows_is_said_so(no_heif):
    for data in (b"hello", bytes(100), b"\0\0\0\x18ftypabcd" + bytes(20)):
        assert format_of(data[:START]) is None
        with pytest.raises(FerturbError, match="no image, or one of an unknown format"):
            next(decode(data))


def test_suffixes_are_lower_case_and_end_every_format():
    assert all(s.startswith(".") and s == s.lower() for s in SUFFIXES)
    Image.init()
    known = {Image.EXTENSION.get(s) for s in SUFFIXES if s not in image_formats.HEIF_SUFFIXES}
    assert known - {None} <= {*FORMATS, "MPO"}
    assert known >= set(FORMATS) - {"AVIF"}


def test_heic_is_read_where_pillow_heif_is_installed():
    pytest.importorskip("pillow_heif", reason="needs pillow-heif: pip install '.[heif]'")
    assert "HEIF" in image_formats.readable_formats()
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 30, 30)).save(buffer, format="HEIF")
    (picture,) = decode(buffer.getvalue())
    assert picture.size == (64, 48)
    red, green, _ = picture.image.convert("RGB").getpixel((32, 24))
    assert red > 150
    assert green < 80
    with pytest.raises(FerturbError, match=r"damaged HEIC image.*JPEG"):
        next(decode(buffer.getvalue()[:200]))
