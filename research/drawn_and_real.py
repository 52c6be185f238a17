"""Do drawn masks and left-out features predict what real occlusion does to a network?

    python -m research.drawn_and_real fer2013.zip fer2013new.csv occlusion.txt RUN RUN … --keep DIR

Over networks (finished runs that learnt votes, one pass, the votes head against FER+'s majority):
the correlation of what each loses on faces that are really occluded (the published list, against
the unlisted faces of PrivateTest) with what it loses on the unlisted faces with something drawn
over them or left out. Losses, not accuracies: two accuracies go together because some networks are
better. Writes results/drawn_and_real.csv (losses by network) and
results/drawn_and_real_correlation.csv (Pearson's r over networks; the 95 % interval resamples faces
and networks). Nothing is chosen here.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ferturb.base.config import DatasetConfig
from ferturb.base.storage import read_arrays, write_arrays, write_rows
from ferturb.data.face_lists import read_face_list
from ferturb.data.sources import load_faces
from ferturb.data.votes import fer_plus_labels
from ferturb.models.test_time import predict_logits
from ferturb.runs.run import Run
from research.hidden import MEANS, Judge, Right, right_when_hidden

RESULTS = Path(__file__).parents[1] / "results"
DRAWN = {
    "MaskFer": ("MaskFer",),
    "dark glasses": ("glasses",),
    "a hand": ("hand",),
    "another occluder": ("random",),
    "worn things, mean": ("MaskFer", "glasses", "hand", "random"),
    "features left out, mean": MEANS["mean of features left out"],
    "lower half grey": ("rows 25 to 47 grey",),
}
"""Name -> ways of hiding (`research.hidden.WAYS`) whose mean it is."""
DRAWS, SEED = 2000, 0


def judge(run: Run, true: NDArray[np.int64], keep: Path | None = None) -> Judge:
    """Which test faces a run's votes head says the same of as most people.

    What it says of faces is kept in the folder `keep`, by the faces' pixels, and read from there.
    """
    model = run.load_model("votes")

    def said(images: Tensor) -> NDArray[np.int64]:
        found: NDArray[np.int64] = predict_logits(model, images, "none").numpy().argmax(1)
        return found

    def right(images: Tensor) -> Right:
        if keep is None:
            return {"people": said(images) == true}
        pixels = hashlib.sha256(images.contiguous().numpy().data).hexdigest()
        path = keep / f"{run.name}-{pixels[:16]}.npz"
        if not path.exists():
            write_arrays(path, {"said": said(images)})
        return {"people": read_arrays(path, "delete it")["said"] == true}

    return right


def losses(
    right: Mapping[str, NDArray[np.bool_]],
    occluded: NDArray[np.bool_],
    unlisted: NDArray[np.int64],
    pick: Sequence[NDArray[np.int64]],
) -> dict[str, float]:
    """Points that a network loses, really and drawn, on the faces `pick` chooses of both kinds."""
    real, others = pick
    whole = right["whole"][unlisted][others].mean()
    found = {"really occluded": whole - occluded[real].mean()}
    for name, ways in DRAWN.items():
        found[name] = whole - np.mean([right[way][unlisted][others].mean() for way in ways])
    return {name: 100 * float(loss) for name, loss in found.items()}


def correlations(rows: list[dict[str, float]]) -> dict[str, float]:
    """Of the real loss with each drawn one, over networks."""
    real = [row["really occluded"] for row in rows]
    if len(set(real)) < 2:
        return dict.fromkeys(DRAWN, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {n: float(np.corrcoef(real, [r[n] for r in rows])[0, 1]) for n in DRAWN}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("votes", type=Path)
    parser.add_argument("list", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--keep", type=Path, help="folder for what networks said: goes on there")
    options = parser.parse_args()
    data, votes = (str(path.absolute()) for path in (options.data, options.votes))
    faces = load_faces(DatasetConfig(data, votes=votes))
    test = faces.split("test")
    assert test.votes is not None
    true = fer_plus_labels(test.votes.numpy())
    listed = read_face_list(options.list)
    places, here = listed.places(test)
    true[here] = listed.labels[places]
    judges = {run.name: judge(run, true, options.keep) for run in map(Run.open, options.runs)}
    ways = {"whole"}.union(*DRAWN.values())
    right = {name: r["people"] for name, r in right_when_hidden(judges, faces, ways=ways).items()}
    kept = true >= 0
    kept[here] = False
    unlisted = np.flatnonzero(kept)
    own = {name: r["whole"][here] for name, r in right.items()}
    everyone = np.arange(len(here)), np.arange(len(unlisted))
    table = [losses(right[name], own[name], unlisted, everyone) for name in right]
    write_rows(
        RESULTS / "drawn_and_real.csv",
        [
            {"run": name} | {k: f"{v:.2f}" for k, v in row.items()}
            for name, row in zip(right, table, strict=True)
        ],
    )
    rng, drawn = np.random.default_rng(SEED), list[dict[str, float]]()
    names = list(right)
    for _ in range(DRAWS):
        pick = tuple(rng.integers(n, size=n) for n in map(len, (here, unlisted)))
        some = rng.choice(len(names), len(names))
        sampled = {i: losses(right[names[i]], own[names[i]], unlisted, pick) for i in set(some)}
        drawn.append(correlations([sampled[i] for i in some]))
    rows = []
    for name, r in correlations(table).items():
        low, high = np.nanpercentile([d[name] for d in drawn], [2.5, 97.5])
        numbers = {"r": r, "low": low, "high": high}
        rows.append(
            {"drawn": name, "networks": len(names), "occluded": len(here), "others": len(unlisted)}
            | {key: f"{value:.2f}" for key, value in numbers.items()}
        )
    write_rows(RESULTS / "drawn_and_real_correlation.csv", rows)


if __name__ == "__main__":
    main()
