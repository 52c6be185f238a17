"""Figure 4 of the paper: a face, its clusters, and the views without each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from ferturb.perturb.views import views_of
from ferturb.report.form.style import CLUSTERS, WIDTH, draw_face, new_figure, print_mark


def clusters_left_out(
    face: UInt8[Tensor, "h w"], maps: Mapping[str, Int64[np.ndarray, "h w"]], mark: str = ""
) -> Figure:
    """Figure 4: a face, the cluster map of each run over it, and its K+1 views.

    `maps` goes from the run's name in print to its cluster map; `mark` is printed below.
    """
    ks = {name: int(found.max()) + 1 for name, found in maps.items()}
    columns = 2 + max(ks.values())
    width = min(WIDTH, 1.75 * columns)
    with new_figure(width, len(maps) * (width / columns + 0.3) + 0.1) as figure:
        grid = figure.subplots(len(maps), columns, squeeze=False)
        for row, (name, found) in zip(grid, maps.items(), strict=True):
            batch = face.float().div(255)[None, None]
            views = views_of(batch, torch.from_numpy(found)[None], ks[name])[0, :, 0].numpy()
            draw_face(row[0], views[-1], "the face")
            draw_face(row[1], views[-1], "clusters")
            colours = ListedColormap(CLUSTERS[: ks[name]])
            row[1].imshow(found % len(CLUSTERS), cmap=colours, alpha=0.55, interpolation="nearest")
            for j in range(columns - 2):
                if j < ks[name]:
                    draw_face(row[2 + j], views[j], f"without {j + 1}", CLUSTERS[j % len(CLUSTERS)])
                else:
                    row[2 + j].axis("off")
            row[0].set_ylabel(name, fontsize=8.5, fontweight="bold")
        print_mark(figure, mark)
    return figure
