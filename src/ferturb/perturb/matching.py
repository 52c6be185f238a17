"""Clusters of the same name in every map: the renaming with the largest overlap.

K-means names clusters at random. Kuhn, "The Hungarian method for the assignment problem", 1955.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from ferturb.perturb.clusters import ONES, renamed, sums_over


def matched(
    labels: Int64[np.ndarray, "b h w"], reference: Int64[np.ndarray, "h w"], k: int
) -> Int64[np.ndarray, "b h w"]:
    """Rename each map's clusters so that they overlap most with the reference's of the same name.

    So cluster j is the same part of the face in every map, also where a cluster's middle lies
    near the face's and its angle (`by_position`) says little.
    """
    from scipy.optimize import linear_sum_assignment

    pairs = labels * k + reference
    overlaps = sums_over(pairs, ONES, k * k).reshape(-1, k, k)
    names = np.array([linear_sum_assignment(o, maximize=True)[1] for o in overlaps], np.int64)
    return renamed(labels, names.reshape(-1, k))
