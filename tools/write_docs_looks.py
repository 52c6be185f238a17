"""How often PrivateTest has been looked at, counted in the tables of results/."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from write_docs_results import RESULTS, csv_rows, table

Rows = list[dict[str, str]]


def _distinct(*columns: str) -> Callable[[Rows], int]:
    return lambda rows: len({tuple(row[c] for c in columns) for row in rows})


def _seeds(rows: Rows) -> int:
    return sum(int(row["seeds"] or 0) for row in rows)


def _trainings(rows: Rows) -> int:
    """Of an experiment, those whose PrivateTest figures are in its table."""
    looked_at = [row for row in rows if row.get("privatetest_accuracy")]
    return _distinct("cell", "arm", "replicate")(looked_at)


def _networks(rows: Rows) -> int:
    """Each trained on whole faces or on masks; sums of networks are no further ones."""
    single = [row for row in rows if not row["model"].startswith("Ensemble")]
    return _distinct("model", "trained")(single)


def _left_out(rows: Rows) -> int:
    """On whole faces, and without each feature or a random region of its area."""
    return 1 + 2 * _distinct("feature")(rows)


COUNTED: dict[tuple[str, ...], tuple[Callable[[Rows], int], str]] = {
    ("fer2013_runs",): (len, "runs of this package's networks, at their end"),
    ("perturb_controls",): (_seeds, "the Perturb Scheme, its controls and variants"),
    ("perturb_architectures",): (_seeds, "the Perturb Scheme by network"),
    ("masks_cells", "masks_changes", "masks_table1"): (
        _networks,
        "table 1 of the paper (and two sums)",
    ),
    ("cited_systems",): (_seeds, "the systems that the paper cites"),
    ("leaving_out",): (_trainings, "the experiment on leaving features out"),
    ("leaving_out_landmarks",): (_trainings, "that on each face's own features"),
    ("clusters_k",): (_trainings, "that on the number of clusters"),
    ("rivals",): (_trainings, "that on methods that erase or drop"),
    ("retrained_cells",): (_left_out, "one training without each feature, and its control"),
    ("drawn_and_real",): (len, "networks that learnt votes, on really occluded faces"),
    (
        "pretrained_hidden",
        "priors",
        "hidden_really",
        "onnx_parity",
        "ablation_cells",
        "predict_speed",
    ): (_distinct("model"), "the models that ship, after everything about them was chosen"),
}
"""Tables -> how networks are counted in the first of them, and what they are."""


def privatetest_looks() -> str:
    """A line for each table, or several that are of the same networks."""
    body: list[Sequence[object]] = []
    for names, (count, words) in COUNTED.items():
        links = ", ".join(f"[`{name}`](../results/{name}.csv)" for name in names)
        networks = count(csv_rows(f"{names[0]}.csv"))
        if networks:
            body.append([links, words, networks])
    ensembles = sorted(path.name for path in RESULTS.glob("*_ensemble_test.json"))
    links = ", ".join(f"[`{name.removesuffix('.json')}`](../results/{name})" for name in ensembles)
    body.append([links, "sums of several networks", len(ensembles)])
    entries = sorted((RESULTS / "benchmark").glob("*.json"))
    words = "entries of the [benchmark](benchmark.md), other people's models among them"
    body.append(["`benchmark/`", words, len(entries)])
    return table(["table", "what was read", "networks"], body, words=2)
