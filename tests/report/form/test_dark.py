"""A figure on a dark page: the colours that change and those that stay."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgba
from matplotlib.ticker import MultipleLocator
from PIL import Image

from ferturb.report.form.dark import PAPER, darken
from ferturb.report.form.style import BLUE, GREEN, INK, Prints, new_figure, prints_of


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB"))


def drawn() -> Prints:
    with new_figure(3, 2) as figure:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=INK)
        axes.imshow(np.full((4, 4), 0.5), cmap="gray", vmin=0, vmax=1, extent=(0, 1, 0, 1))
        axes.set_title("a title")
    return prints_of(figure)


def test_paper_is_dark_and_ink_light() -> None:
    prints = drawn()
    light, dark = pixels(prints.light), pixels(prints.dark)
    assert light.shape == dark.shape
    assert to_hex(light[0, 0] / 255) == "#ffffff"
    assert to_hex(dark[0, 0] / 255) == PAPER.lower()
    assert light.mean() > 150 > dark.mean()
    grey = np.full(3, 127)
    for picture in (light, dark):  # a face is the same on both
        assert (np.abs(picture.astype(int) - grey).max(-1) <= 1).mean() > 0.2


def test_lines_marks_and_words_change_and_what_has_no_colour_stays() -> None:
    with new_figure(3, 2) as figure:
        axes = figure.subplots()
        (line,) = axes.plot([0, 1], "o", color=GREEN, markerfacecolor="white")
        (bare,) = axes.plot([0, 1], color=BLUE, markerfacecolor="none")
        points = axes.scatter([0, 1], [0, 1], c=[INK, "#123456"])
        words = axes.text(0, 0, "x", color=INK, alpha=0.75)
    darken(figure)
    assert to_hex(line.get_markerfacecolor()) == PAPER.lower()
    assert bare.get_markerfacecolor() == "none"
    assert to_hex(line.get_color()) != GREEN.lower()
    assert [to_hex(row) for row in points.get_facecolor()] == ["#e7e8ea", "#123456"]
    assert to_hex(words.get_color()) == "#e7e8ea"
    assert words.get_alpha() == 0.75


def test_ticks_that_are_made_later_are_light_too() -> None:
    with new_figure(3, 2) as figure:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1])
        axes.grid(visible=True)
        darken(figure)
        axes.set_ylim(0, 40)
        axes.yaxis.set_major_locator(MultipleLocator(1))
        figure.draw_without_rendering()
        ticks = axes.yaxis.get_major_ticks()
    assert len(ticks) > 30
    assert len({to_hex(tick.label1.get_color()) for tick in ticks}) == 1
    assert min(to_rgba(ticks[-1].label1.get_color())[:3]) > 0.6
    assert max(to_rgba(ticks[-1].gridline.get_color())[:3]) < 0.4


@pytest.mark.parametrize(("name", "pale"), [("Blues", 0.0), ("PuOr_r", 0.5)])
def test_what_is_pale_on_white_is_dark_on_a_dark_page(name: str, pale: float) -> None:
    with new_figure(2, 2) as figure:
        image = figure.subplots().imshow(np.zeros((2, 2)), cmap=name)
    before = np.array(image.get_cmap()(pale)[:3])
    darken(figure)
    after = np.array(image.get_cmap()(pale)[:3])
    assert before.mean() > 0.9
    assert after.mean() < 0.2
