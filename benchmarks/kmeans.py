"""Speed and quality of the batched K-means, against scikit-learn and against torch-kmeans.

The sets are cluster coordinates (Equation 1) of attention-like maps: smooth random fields of
several scales, thresholded at half their range, as ferturb clusters them. Everyone gets the same
points and K and stops at the same tolerance (centres' squared moves ≤ 1e-4 of the mean variance).

- **ours**: all sets in one call, with its default number of k-means++ starts.
- **scikit-learn**: a Python loop of `KMeans(n_init=1)`, one fit a set.
- **torch-kmeans**: the batched package of that name (`pip install torch-kmeans`), `num_init=1`;
  left out with a note where it is not installed.

Each round measures all of them in turn, on one thread (or `--threads`; set OMP_NUM_THREADS to the
same for scikit-learn); a ratio is taken within a round, and the median over rounds is reported.
Quality is the inertia of ours over scikit-learn's best of ten starts.

    OMP_NUM_THREADS=1 python benchmarks/kmeans.py
    OMP_NUM_THREADS=1 python benchmarks/kmeans.py --processor-time
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch.nn import functional as F

from ferturb.perturb.clusters import coordinates, intensity
from ferturb.perturb.kmeans import kmeans

TOLERANCE = 1e-4


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--maps", type=int, default=512)
    add("--side", type=int, default=48)
    add("--seed", type=int, default=0, help="of the maps")
    add("--clusters", type=int, default=3)
    add("--rounds", type=int, default=5)
    add("--loop", type=int, default=64, help="maps of a round that the slower peers are given")
    add("--threads", type=int, default=1, help="of ours and of torch")
    add("--processor-time", action="store_true", help="in place of wall-clock: for a busy machine")
    add("--without-quality", action="store_true")
    add("--json", action="store_true")
    return parser.parse_args()


def attention_like(n: int, side: int, seed: int = 0) -> np.ndarray:
    """Maps (n, side, side) like a network's gates: random fields of three scales, added."""
    generator = torch.Generator().manual_seed(seed)
    fields = [torch.rand(n, 1, s, s, generator=generator) for s in (3, 6, 12)]
    whole = [F.interpolate(f, (side, side), mode="bilinear") for f in fields]
    return torch.stack(whole).sum(0)[:, 0].numpy()


def per_map(run: Callable[[], object], maps: int, clock: Callable[[], float]) -> float:
    """Milliseconds a map."""
    start = clock()
    run()
    return 1000 * (clock() - start) / maps


def contenders(
    points: np.ndarray, picture: tuple[int, int], k: int, loop: int, threads: int
) -> dict[str, tuple[Callable[[], object], int]]:
    """Name -> (what to run, how many maps that is)."""
    few = points[:loop]
    found: dict[str, tuple[Callable[[], object], int]] = {
        "ours": (
            lambda: kmeans(points, k, tolerance=TOLERANCE, picture=picture, threads=threads),
            len(points),
        ),
        "scikit-learn": (
            lambda: [KMeans(k, n_init=1, tol=TOLERANCE, random_state=0).fit(p) for p in few],
            len(few),
        ),
    }
    try:
        from torch_kmeans import KMeans as TorchKMeans
    except ImportError:
        print("torch-kmeans is not installed: left out", file=sys.stderr)
    else:
        peer = TorchKMeans(
            init_method="k-means++", num_init=1, max_iter=300, tol=TOLERANCE, verbose=False
        )
        found["torch-kmeans"] = (lambda: peer(torch.from_numpy(few), k=k), len(few))
    return found


def quality(points: np.ndarray, picture: tuple[int, int], k: int) -> dict[str, float]:
    """Inertia of ours over scikit-learn's best of ten starts, over all maps."""
    best = [KMeans(k, n_init=10, random_state=0).fit(p).inertia_ for p in points]
    ratio = kmeans(points, k, picture=picture).inertia / np.array(best)
    return {
        "largest ratio": round(float(ratio.max()), 4),
        "maps more than 1 % above": int((ratio > 1.01).sum()),
        "maps more than 1 % below": int((ratio < 0.99).sum()),
    }


def main() -> None:
    options = parsed()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.processor_time else time.perf_counter
    values = intensity(attention_like(options.maps, options.side, options.seed), 0.5)
    points, picture = coordinates(values, 1.5, 1.2), (options.side, options.side)
    runs = contenders(points, picture, options.clusters, options.loop, options.threads)
    for run, _ in runs.values():
        run()  # warm
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(options.rounds):
        names = list(runs) if number % 2 == 0 else list(runs)[::-1]
        for name in names:
            times[name].append(per_map(*runs[name], clock))
    ratios = {
        name: statistics.median(a / b for a, b in zip(times[name], times["ours"], strict=True))
        for name in runs
    }
    result = {
        "maps": options.maps,
        "points": options.side**2,
        "clusters": options.clusters,
        "threads": options.threads,
        "clock": "processor" if options.processor_time else "wall",
        "milliseconds_a_map": {n: round(statistics.median(t), 4) for n, t in times.items()},
        "times_of_ours": {n: round(r, 2) for n, r in ratios.items()},
    }
    if not options.without_quality:
        result["inertia_over_best_of_ten"] = quality(points, picture, options.clusters)
    if options.json:
        print(json.dumps(result, indent=1))
        return
    print(f"{options.maps} maps of {options.side}², K = {options.clusters}, {result['clock']} time")
    for name, t in times.items():
        print(f"  {name:18s} {statistics.median(t):8.3f} ms a map   {ratios[name]:6.1f} × ours")
    if not options.without_quality:
        print(f"  inertia over scikit-learn's best of 10: {result['inertia_over_best_of_ten']}")


if __name__ == "__main__":
    main()
