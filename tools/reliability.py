"""Faults by the hundred, and whether ferturb bears them.

    python tools/reliability.py --out results/reliability.csv

Each fault is injected into something that works. It is *survived* when ferturb goes on, or says in
one line what is wrong; any other end has *failed*. It is *lost* when results that were there are
gone, or others have come in their place without a word: weights and logits are compared bit for
bit with those of trainings that nothing happened to. One row a kind of fault, the last one their
sum; what failed is printed. The networks are small and the faces few: minutes on one core. Linux.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "tools"), str(ROOT / "tests" / "helpers")]

import fault_files  # noqa: E402
import fault_inputs  # noqa: E402
import fault_processes  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from faults import Fault, LostError, Setting  # noqa: E402

from ferturb.base.storage import write_rows  # noqa: E402

KINDS: dict[str, tuple[Callable[[Setting], Iterator[Fault]], str]] = {
    "files": (fault_files.own_files, "files of runs and studies damaged or swapped"),
    "cache": (fault_files.kept_files, "files of the cache damaged: made again, never an error"),
    "models": (fault_files.models, "ensembles and ONNX files damaged"),
    "kills": (fault_processes.kills, "three trainings each killed at a random moment"),
    "studies": (fault_processes.studies, "studies ended by signals while their runs train"),
    "images": (fault_inputs.images, "malformed image files"),
    "tables": (fault_inputs.tables, "datasets as CSV, parquet and zip, damaged"),
    "outputs": (fault_inputs.outputs, "outputs onto devices, pipes, files, names that can't be"),
    "options": (fault_inputs.options, "options of a training out of their bounds"),
    "names": (fault_inputs.names, "folders with odd names, trained from and to"),
}
"""Kind of fault -> what injects it, and what it is."""
COLUMNS = ("kind", "what", "injected", "survived", "failed", "lost")


def injected(kind: str, seed: int, many: int) -> dict[str, object]:
    """One row: how many faults of a kind were injected, and what came of them."""
    inject, what = KINDS[kind]
    counts = dict.fromkeys(COLUMNS[2:], 0)
    with tempfile.TemporaryDirectory() as place:
        os.environ["FERTURB_CACHE"] = str(Path(place) / "the-cache")
        (Path(place) / kind).mkdir()
        random = np.random.default_rng([seed, list(KINDS).index(kind)])
        for words, act in inject(Setting(Path(place) / kind, random, many)):
            counts["injected"] += 1
            try:
                act()
                counts["survived"] += 1
            except Exception as error:
                counts["lost" if isinstance(error, LostError) else "failed"] += 1
                where = traceback.extract_tb(error.__traceback__)[-1]
                said = f"{type(error).__name__}: {str(error)[:300]}"
                sys.stderr.write(f"{kind}: {words}: {said} ({where.filename}:{where.lineno})\n")
    return {"kind": kind, "what": what, **counts}


def rows_before(out: Path | None) -> dict[str, dict[str, object]]:
    """The rows of the table that is there, by their kind."""
    if out is None or not out.exists():
        return {}
    with out.open(encoding="utf-8", newline="") as file:
        return {row["kind"]: dict(row) for row in csv.DictReader(file)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="the table; kinds not injected now stay in it")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--many", type=int, default=3, help="faults of each kind drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = rows_before(given.out)
    for kind in given.kinds:
        found[kind] = injected(kind, given.seed, given.many)
        print({k: v for k, v in found[kind].items() if k != "what"}, flush=True)
    rows = [found[kind] for kind in KINDS if kind in found]
    sums = {name: sum(int(str(row[name])) for row in rows) for name in COLUMNS[2:]}
    rows.append({"kind": "all", "what": "every fault above", **sums})
    print(rows[-1])
    if given.out is not None:
        write_rows(given.out, rows, COLUMNS)
    sys.exit(bool(sums["failed"] or sums["lost"]))


if __name__ == "__main__":
    main()
