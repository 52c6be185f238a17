"""The page's PNGs: smaller, and nearly the same."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from ferturb.data.drawn.synthetic import draw
from ferturb.report.form.small import COLOURS, small

VERMILLION = (213, 94, 0)


def test_a_figure_is_smaller_and_no_grey_level_is_far_off() -> None:
    faces = draw(8, seed=1, size=96).images.numpy()
    sheet = np.stack([np.hstack(faces), np.hstack(faces[::-1])]).reshape(-1, 8 * 96)
    colours = np.stack([sheet, sheet, sheet], -1)
    colours[5:12, 5:12] = VERMILLION
    out = io.BytesIO()
    Image.fromarray(colours).save(out, format="png")
    png = small(out.getvalue())
    assert len(png) < 0.9 * len(out.getvalue())
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.size == (8 * 96, 2 * 96)
        assert len(picture.convert("RGB").getcolors(1 << 20)) <= COLOURS
        off = np.abs(np.asarray(picture.convert("RGB")).astype(int) - colours)
    assert off.mean() < 2.5
    assert off[5:12, 5:12].max() < 15  # what is rare keeps its colour
    assert small(out.getvalue()) == png


def test_few_colours_and_the_most_frequent_ones_stay_as_they_are() -> None:
    few = np.zeros((16, 16, 3), np.uint8)
    few[..., 0] = np.arange(256).reshape(16, 16) & 0xF0  # 16 colours
    many = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    paper = (21, 24, 28)
    many[:8] = paper

    for colours, same in ((few, slice(None)), (many, slice(8))):
        out = io.BytesIO()
        Image.fromarray(colours).save(out, format="png")
        with Image.open(io.BytesIO(small(out.getvalue()))) as picture:
            found = np.asarray(picture.convert("RGB"))
        assert (found[same] == colours[same]).all()
