from __future__ import annotations

import io
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
from PIL import Image

from ferturb.base.decode import Limits
from ferturb.base.errors import FerturbError
from ferturb.data.readers import images
from ferturb.data.readers.images import decode_face, decode_faces
from ferturb.predict.photos import read_photo, whole_face


def encoded(image: Image.Image, form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return buffer.getvalue()


def random_face(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 48), dtype=np.uint8)


def test_a_grayscale_48_file_is_taken_as_it_is():
    face = random_face()
    for form in ("PNG", "BMP", "TIFF", "PPM"):
        assert np.array_equal(decode_face(encoded(Image.fromarray(face), form)), face)
    jpeg = encoded(Image.fromarray(face), "JPEG", quality=90)
    assert np.array_equal(decode_face(jpeg), np.asarray(Image.open(io.BytesIO(jpeg))))


def test_gray_in_colour_modes_keeps_its_pixels():
    face = random_face()
    image = Image.fromarray(face)
    for mode in ("RGB", "RGBA", "LA"):
        assert np.array_equal(decode_face(encoded(image.convert(mode))), face), mode
    palette = Image.fromarray(face)
    palette = palette.convert("P")
    assert np.array_equal(decode_face(encoded(palette)), face)


def test_sources_that_are_read_at_the_same_time_leave_the_warnings_as_they_were():
    before, data = list(warnings.filters), encoded(Image.fromarray(random_face()))
    begun, ended = Event(), Event()

    def outer(name: str) -> bytes:
        begun.set()
        ended.wait(10)
        return data

    with ThreadPoolExecutor() as pool:
        first = pool.submit(decode_faces, outer, {"a": 1})
        begun.wait(10)
        decode_faces(lambda name: data, {"a": 1}, lambda *_: ended.set() or first.result())
    assert list(warnings.filters) == before


def test_sixteen_bits_are_scaled_to_eight():
    face = random_face()
    wide = Image.fromarray(face.astype(np.uint16) * 257)
    assert np.array_equal(decode_face(encoded(wide)), face)


def test_colour_becomes_luma():
    red = Image.new("RGB", (48, 48), (255, 0, 0))
    assert set(decode_face(encoded(red)).flatten().tolist()) == {round(0.299 * 255)}


def test_transparency_lies_on_grey():
    clear = Image.new("RGBA", (48, 48), (255, 255, 255, 0))
    assert set(decode_face(encoded(clear)).flatten().tolist()) == {128}


def transparent_palette() -> Image.Image:
    palette = Image.fromarray(random_face(4)).convert("P")
    palette.info["transparency"] = 7
    return palette


COLOURS = np.random.default_rng(1).integers(0, 256, (70, 90, 4), dtype=np.uint8)


@pytest.mark.parametrize(
    ("image", "form"),
    [
        (Image.fromarray(COLOURS), "PNG"),
        (Image.fromarray(COLOURS[..., :3]), "PNG"),
        (Image.fromarray(COLOURS[..., :3]), "JPEG"),
        (Image.fromarray(COLOURS, "CMYK"), "TIFF"),
        (Image.fromarray(COLOURS[..., :2], "LA"), "PNG"),
        (Image.fromarray(COLOURS[..., 0].astype(np.uint16) * 200), "PNG"),
        (Image.fromarray(COLOURS[..., 0].astype(np.int32) * 200), "TIFF"),
        (Image.fromarray(COLOURS[..., 0].astype(np.float32) / 255), "TIFF"),
        (Image.fromarray(COLOURS[..., 0] > 99), "PNG"),
        (transparent_palette(), "PNG"),
        (Image.fromarray(COLOURS[..., :3]).resize((4000, 3100)), "JPEG"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_training_and_prediction_see_the_same_face(image, form, turned):
    exif = Image.Exif()
    if turned:
        exif[0x0112] = 6
    data = encoded(image, form, exif=exif)
    assert np.array_equal(decode_face(data), whole_face(read_photo(data)))


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_half_a_file_is_an_error_in_both(form):
    data = encoded(Image.fromarray(COLOURS[..., :3]), form)
    for read in (decode_face, read_photo):
        with pytest.raises(FerturbError, match=r"^damaged image: "):
            read(data[: len(data) // 2])


def test_exif_orientation_is_applied():
    face = random_face()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    turned = decode_face(encoded(Image.fromarray(face), exif=exif))
    assert np.array_equal(turned, np.rot90(face, k=-1))


def test_the_central_square_is_kept_without_distortion():
    face = random_face()
    wide = np.zeros((48, 100), np.uint8)
    wide[:, 26:74] = face
    assert np.array_equal(decode_face(encoded(Image.fromarray(wide))), face)
    tall = wide.T.copy()
    assert np.array_equal(decode_face(encoded(Image.fromarray(tall))), face.T)


def test_large_images_are_averaged_not_sampled():
    checks = np.indices((480, 480)).sum(0) % 2 * 255
    small = decode_face(encoded(Image.fromarray(checks.astype(np.uint8))))
    assert np.abs(small.astype(int) - 127.5).max() < 3


@pytest.mark.parametrize("data", [b"", b"not an image", encoded(Image.new("L", (9, 9)))[:40]])
def test_damaged_data_is_an_error_of_one_line(data):
    with pytest.raises(FerturbError) as error:
        decode_face(data)
    assert "\n" not in str(error.value)


def test_huge_images_are_refused_before_decoding():
    with pytest.raises(FerturbError, match=r"200×100 are 0.02 megapixels; at most 0.01"):
        decode_face(encoded(Image.new("L", (200, 100))), limits=Limits(pixels=10_000))


def test_many_in_order_with_threads_and_without(monkeypatch):
    files = {f"{i}.png": encoded(Image.fromarray(random_face(i))) for i in range(700)}
    files["300.png"] = b"broken"
    sizes = {name: len(data) for name, data in files.items()}
    results = []
    calls: list[tuple[int, int]] = []
    for threshold in (0, 10**9):
        monkeypatch.setattr(images, "_THREADS_FROM_BYTES", threshold)
        calls.clear()
        faces, ok, lost = decode_faces(files.__getitem__, sizes, lambda *done: calls.append(done))
        assert calls[-1] == (700, 700)
        assert [item["name"] for item in lost] == ["300.png"]
        assert np.nonzero(~ok)[0].tolist() == [300]
        results.append(faces)
    assert np.array_equal(*results)
    assert np.array_equal(results[0][699], random_face(699))


@pytest.mark.real_data
def test_fer2013_is_taken_pixel_for_pixel(real_zip):
    with zipfile.ZipFile(real_zip) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")][::25]
        for data in map(archive.read, names):
            assert np.array_equal(decode_face(data), np.asarray(Image.open(io.BytesIO(data))))
    assert len(names) > 1000
