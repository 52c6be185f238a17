"""The points ferturb finds in a face: the 68 of the iBUG scheme and 40 more.

The first 68 are those everyone uses (Sagonas et al., "300 Faces in-the-Wild", 2013), in their
order. The others are what face masks and regions need besides: the ridge of the nose, its wings,
the cheeks, the outline of the forehead, more of the jaw, the lower edge of the brows and the
middles of the lids.

Every point is a vertex of MediaPipe's 468-point face mesh, the vertex nearest to where the iBUG
scheme has the point on a frontal face. Jaw points 1 and 15 stand a little lower than iBUG's; the
mesh follows the visible edge of the face as a 3-D head does, so that jaw points of turned heads
lie on the true jaw and not on the silhouette.

Left and right are the image's, not the person's. Coordinates are (x, y) in pixels; (0, 0) is the
centre of the top left pixel; points may lie outside the image.
"""

from __future__ import annotations

from itertools import accumulate
from types import MappingProxyType

# One line per group: name, mesh vertices in the order of their indices here.
_TABLE: tuple[tuple[str, tuple[int, ...]], ...] = (
    # the 68 of iBUG
    ("jaw", (127, 93, 132, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 361, 323, 356)),
    ("left_brow", (70, 63, 105, 66, 107)),
    ("right_brow", (336, 296, 334, 293, 300)),
    ("nose_ridge", (168, 197, 5, 1)),
    ("nose_base", (98, 97, 2, 326, 327)),
    ("left_eye", (33, 160, 158, 133, 153, 144)),
    ("right_eye", (362, 385, 387, 263, 373, 380)),
    ("outer_lips", (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181)),
    ("inner_lips", (78, 81, 13, 311, 308, 402, 14, 178)),
    # beyond the 68
    ("bridge", (6, 195, 4)),
    ("nose_wings", (129, 358)),
    ("left_lids", (159, 145)),
    ("right_lids", (386, 374)),
    ("left_brow_edge", (46, 52, 55)),
    ("right_brow_edge", (285, 282, 276)),
    ("left_cheek", (50, 205, 117, 119)),
    ("right_cheek", (280, 425, 346, 348)),
    ("forehead", (162, 21, 54, 103, 67, 10, 297, 332, 284, 251, 389)),
    ("more_jaw", (234, 150, 176, 400, 379, 454)),
)


_SIZES = [len(vertices) for _, vertices in _TABLE]

GROUPS: MappingProxyType[str, tuple[int, ...]] = MappingProxyType(
    {
        name: tuple(range(stop - size, stop))
        for (name, _), size, stop in zip(_TABLE, _SIZES, accumulate(_SIZES), strict=True)
    }
)
"""Name of a group of points -> their indices. The first nine groups are the iBUG points 0 … 67."""

MESH: tuple[int, ...] = tuple(vertex for _, vertices in _TABLE for vertex in vertices)
"""Index of a point -> its vertex in MediaPipe's 468-point face mesh."""

COUNT: int = len(MESH)
"""Number of points."""

IBUG: int = 68
"""The points before this index are the iBUG points, in their order."""

# iBUG counts eyes and lips around, so that mirroring is no reversal there.
_AROUND = {
    "left_eye": (3, 2, 1, 0, 5, 4),
    "outer_lips": (6, 5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7),
    "inner_lips": (4, 3, 2, 1, 0, 7, 6, 5),
}
_SAME_ORDER = ("nose_ridge", "bridge", "left_lids", "left_cheek")


def _flip() -> tuple[int, ...]:
    mirror = list(range(COUNT))
    for name, points in GROUPS.items():
        partners = GROUPS[name.replace("left", "right")]
        if name in _AROUND:
            partners = tuple(partners[place] for place in _AROUND[name])
        elif name not in _SAME_ORDER:
            partners = partners[::-1]
        if not name.startswith("right"):
            for a, b in zip(points, partners, strict=True):
                mirror[a], mirror[b] = b, a
    return tuple(mirror)


FLIP: tuple[int, ...] = _flip()
"""Index of a point -> index of its partner in the mirrored face. Its own inverse."""

OUTLINE: tuple[int, ...] = (*GROUPS["jaw"], *GROUPS["forehead"], *GROUPS["more_jaw"])
"""The points on the edge of the face."""

INNER: tuple[int, ...] = tuple(range(17, IBUG))
"""The 51 iBUG points without the jaw: those that landmark errors are reported on."""
