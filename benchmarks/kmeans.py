"""Speed and quality of the batched K-means, against scikit-learn and against torch-kmeans.

The sets are cluster coordinates (Equation 1) of attention-like maps: smooth random fields of
several scales, thresholded at half their range, as ferturb clusters them. Everyone gets the same
points and K and stops at the same tolerance (centres' squared moves ≤ 1e-4 of the mean variance).

- **ours**: all sets in one call, as pictures, with its default number of k-means++ starts.
- **ours, points**: the same without being told that the points are the pixels of a picture.
- **scikit-learn**: a Python loop of `KMeans(n_init=1)`, one fit a set.
- **torch-kmeans**: the batched package of that name (`pip install torch-kmeans`), `num_init=1`;
  left out with a note where it is not installed.

Each round measures all of them in turn, each with all of torch's and scikit-learn's threads (or
`--threads`); a ratio is taken within a round, and the median over rounds is reported. Quality is
the inertia of ours over scikit-learn's best of ten starts.

    python benchmarks/kmeans.py
    python benchmarks/kmeans.py --threads 1 --processor-time
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable

import torch
from sklearn.cluster import KMeans
from torch import Tensor
from torch.nn import functional as F

from ferturb.perturb.clusters import coordinates, intensity
from ferturb.perturb.kmeans.kmeans import kmeans

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
    add("--threads", type=int, default=0, help="torch's threads; 0 leaves its own choice")
    add("--processor-time", action="store_true", help="in place of wall-clock: for a busy machine")
    add("--without-quality", action="store_true")
    add("--json", action="store_true")
    return parser.parse_args()


def attention_like(n: int, side: int, seed: int = 0) -> Tensor:
    """Maps (n, side, side) like a network's gates: random fields of three scales, added."""
    generator = torch.Generator().manual_seed(seed)
    fields = [torch.rand(n, 1, s, s, generator=generator) for s in (3, 6, 12)]
    whole = [F.interpolate(f, (side, side), mode="bilinear") for f in fields]
    return torch.stack(whole).sum(0)[:, 0]


def per_map(run: Callable[[], object], maps: int, clock: Callable[[], float]) -> float:
    """Milliseconds a map."""
    start = clock()
    run()
    return 1000 * (clock() - start) / maps


def contenders(
    points: Tensor, picture: tuple[int, int], k: int, loop: int
) -> dict[str, tuple[Callable[[], object], int]]:
    """Name -> (what to run, how many maps that is)."""
    few = points[:loop]
    arrays = [p.numpy() for p in few]

    def ours(picture: tuple[int, int] | None) -> object:
        generator = torch.Generator().manual_seed(0)
        return kmeans(points, k, generator, tolerance=TOLERANCE, picture=picture)

    found: dict[str, tuple[Callable[[], object], int]] = {
        "ours": (lambda: ours(picture), len(points)),
        "ours, points": (lambda: ours(None), len(points)),
        "scikit-learn": (
            lambda: [KMeans(k, n_init=1, tol=TOLERANCE, random_state=0).fit(a) for a in arrays],
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
        found["torch-kmeans"] = (lambda: peer(few, k=k), len(few))
    return found


def quality(points: Tensor, picture: tuple[int, int], k: int) -> dict[str, dict[str, float]]:
    """Inertia of ours over scikit-learn's best of ten starts, over all maps."""
    best = [KMeans(k, n_init=10, random_state=0).fit(p).inertia_ for p in points.numpy()]
    found = {}
    for name, shape in (("ours", picture), ("ours, points", None)):
        generator = torch.Generator().manual_seed(0)
        ratio = kmeans(points, k, generator, picture=shape).inertia.double() / torch.tensor(best)
        found[name] = {
            "largest ratio": round(float(ratio.max()), 4),
            "maps more than 1 % above": int((ratio > 1.01).sum()),
            "maps more than 1 % below": int((ratio < 0.99).sum()),
        }
    return found


def main() -> None:
    options = parsed()
    warnings.filterwarnings("ignore")
    if options.threads:
        torch.set_num_threads(options.threads)
    clock = time.process_time if options.processor_time else time.perf_counter
    values = intensity(attention_like(options.maps, options.side, options.seed), 0.5)
    points, picture = coordinates(values, 1.5, 1.2), (options.side, options.side)
    runs = contenders(points, picture, options.clusters, options.loop)
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
        "threads": torch.get_num_threads(),
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
    for name, value in result.get("inertia_over_best_of_ten", {}).items():
        print(f"  inertia over scikit-learn's best of 10, {name}: {value}")


if __name__ == "__main__":
    main()
