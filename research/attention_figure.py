"""The picture of `research.attention_on_faces`: attention on drawn faces, network by network.

    python -m research.attention_figure BEFORE AFTER --out docs/img/attention_on_faces.png

Each argument is as there: a run of phase 1, or an attention.onnx.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8

from ferturb.base.emotions import EMOTIONS
from ferturb.base.storage import write_bytes
from ferturb.data.drawn.synthetic import draw
from ferturb.perturb.clusters import unit_range
from ferturb.report.form.style import VERMILLION, WIDTH, draw_face, new_figure, png_of
from research.attention_on_faces import maps_of

Array = np.ndarray
SEED = 3


def attention_figure(
    images: UInt8[Array, "e h w"],
    hulls: Bool[Array, "e h w"],
    maps: Mapping[str, Float[Array, "e h w"]],
) -> bytes:
    """A column for each emotion: the face with its hull, and below it each network's attention,
    scaled to the map's own range; as PNG."""
    side = (WIDTH - 0.4) / len(images)
    with new_figure(WIDTH, side * (1 + len(maps)) + 0.3) as figure:
        grid = figure.subplots(1 + len(maps), len(images), squeeze=False)
        for column, emotion in enumerate(EMOTIONS):
            draw_face(grid[0, column], images[column] / 255, emotion)
            for row, attention in enumerate(maps.values(), 1):
                draw_face(grid[row, column], images[column] / 255, "")
                grid[row, column].imshow(unit_range(attention)[column], cmap="viridis", alpha=0.75)
            for axes in grid[:, column]:
                axes.contour(hulls[column], levels=[0.5], colors=VERMILLION, linewidths=0.8)
        for axes, head in zip(grid[:, 0], ["face", *maps], strict=True):
            axes.set_ylabel(head, fontsize=8, fontweight="bold")
    return png_of(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/img/attention_on_faces.png"))
    options = parser.parse_args()
    drawn = draw(len(EMOTIONS), SEED)
    maps = {
        name: maps_of(source, drawn.images)[1]["attention"]
        for name, source in (("before", options.before), ("now", options.after))
    }
    hulls = drawn.regions["face"].numpy()
    write_bytes(options.out, attention_figure(drawn.images.numpy(), hulls, maps))


if __name__ == "__main__":
    main()
