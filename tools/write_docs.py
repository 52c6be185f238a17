"""Write the parts of docs/ that are made from the program and from results/.

    python tools/write_docs.py          # after a change of a verb, a preset, a model or a result

A page marks such a part with two comments, and what stands between them is replaced:

    <!-- made: commands -->
    …
    <!-- end -->

`tests/test_docs.py` fails when a part isn't what this program writes.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from write_docs_commands import commands

from ferturb import pretrained
from ferturb.emotions import EMOTIONS
from ferturb.storage import load_tensors, write_text
from ferturb.study.plan import PRESETS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
RESULTS = ROOT / "results"
PART = re.compile(r"(<!-- made: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)

_SHOWN_ROWS = 40
"""A longer table is linked to, not shown."""


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], words: int = 1) -> str:
    """A Markdown table whose first columns are words and whose others are numbers."""
    rule = ["---" if i < words else "---:" for i in range(len(headings))]
    lines = [headings, rule, *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def presets() -> str:
    """What each preset of a study runs."""
    rows = []
    for study in PRESETS.values():
        methods = list(dict.fromkeys(method.name for method in study.methods))
        rows.append(
            [
                f"`{study.preset}`",
                study.about,
                ", ".join(study.models),
                ", ".join(methods),
                study.recipe.epochs,
                len(study.seeds),
            ]
        )
    return table(["preset", "what", "networks", "methods", "epochs", "seeds"], rows, words=4)


def models() -> str:
    """The models in the package side by side, and their cards."""
    rows, cards = [], []
    for name, purpose in pretrained.NAMES.items():
        weights, card = (pretrained.FOLDER / f"{name}.{end}" for end in ("safetensors", "md"))
        if not weights.exists():
            continue
        about = pretrained.About.from_dict(load_tensors(weights)[1], weights)
        rows.append([f"*{name}*", purpose, *_model_numbers(about.results, weights)])
        if card.exists():
            path = card.relative_to(ROOT).as_posix()
            cards.append(f'=== "{name}"\n\n    --8<-- "{path}:2:"')
    headings = ["model", "for", "file, MB", "accuracy, %", "macro-F1", "ECE, %", "answers, %"]
    return "\n\n".join([table(headings, rows, words=2), *cards])


def _model_numbers(results: Any, weights: Path) -> list[str]:
    low, high = results.get("accuracy_interval", (float("nan"), float("nan")))
    return [
        f"{weights.stat().st_size / 1e6:.1f}",
        f"{100 * results['accuracy']:.1f} [{100 * low:.1f}, {100 * high:.1f}]",
        f"{results['macro_f1']:.3f}",
        f"{100 * results['ece']:.1f}",
        f"{100 * results['answered']:.1f}",
    ]


def counts() -> str:
    """FER2013's faces by emotion and split."""
    found = json.loads((RESULTS / "fer2013_audit.json").read_text(encoding="utf-8"))["counts"]
    rows = [[emotion, *(f"{found[s][emotion]:,}" for s in found)] for emotion in EMOTIONS]
    rows.append(["all", *(f"{sum(found[s].values()):,}" for s in found)])
    return table(["emotion", *found], rows)


_DEFECTS = {
    "duplicate_groups": "groups of faces with the same pixels",
    "redundant_copies": "faces that are a copy of another one",
    "conflicting_groups": "groups of copies that carry different emotions",
    "test_in_training": "PrivateTest faces with an exact copy in Training",
    "validation_in_training": "PublicTest faces with an exact copy in Training",
    "near_duplicate_groups": "groups of near duplicates: one photo, cropped or scaled differently",
    "near_test_in_training": "PrivateTest faces with a near duplicate in Training",
    "blank": "blank images",
    "unreadable": "unreadable images",
}


def defects() -> str:
    """What is wrong with FER2013."""
    found = json.loads((RESULTS / "fer2013_audit.json").read_text(encoding="utf-8"))["summary"]
    return table(["what", "how many"], [[v, f"{found[k]:,}"] for k, v in _DEFECTS.items()])


def fer2013_runs() -> str:
    """The runs on FER2013, the most accurate first."""
    rows = sorted(_csv("fer2013_runs.csv"), key=lambda r: -float(r["test_flip_accuracy"]))
    return table(
        [
            "network",
            "method",
            "epochs",
            "seed",
            "PublicTest, %",
            "PrivateTest, %",
            "without copies, %",
            "macro-F1",
            "minutes",
            "commit",
        ],
        [
            [
                f"{r['model']} ({int(r['parameters']) / 1e6:.1f} M)",
                _method(r),
                r["epochs"],
                r["seed"],
                _percent(r, "validation_flip"),
                _percent(r, "test_flip"),
                _percent(r, "test_without_copies"),
                f"{float(r['test_flip_macro_f1']):.3f}",
                f"{float(r['minutes']):.0f}",
                f"`{r['commit'][:7]}`",
            ]
            for r in rows
        ],
        words=2,
    )


def _method(row: dict[str, str]) -> str:
    """The method, its views, and what it started and learnt from."""
    words = [row["method"] + (f" ({row['views']})" if row["views"] else "")]
    if row["starts_from"]:
        words.append("from another run")
    if row["teachers"]:
        words.append("taught")
    return ", ".join(words)


def _percent(row: dict[str, str], name: str) -> str:
    value, low, high = (100 * float(row[f"{name}_{x}"]) for x in ("accuracy", "low", "high"))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def perturb_controls() -> str:
    """Every method beside the baseline at equal compute, the most accurate on PublicTest first."""
    rows = sorted(_csv("perturb_controls.csv"), key=lambda r: -float(r["validation_accuracy"]))
    return table(
        [
            "method",
            "seeds",
            "epochs",
            "PublicTest, %",
            "PrivateTest, %",
            "against the baseline",
            "against `random-regions`",
            "McNemar's p by seed",
            "minutes",
        ],
        [
            [
                f"`{r['method']}`" + (", all views" if r["views"] == "all" else ""),
                r["seeds"],
                r["epochs"],
                f"{float(r['validation_accuracy']):.1f}",
                f"{float(r['accuracy']):.1f}" + (f" ± {float(r['std']):.1f}" if r["std"] else ""),
                _change(r, "change"),
                _change(r, "change_from_random"),
                r["mcnemar_p"].replace(" ", ", "),
                f"{float(r['minutes']):.0f}",
            ]
            for r in rows
        ],
    )


def _change(row: dict[str, str], name: str) -> str:
    """Points, with the paired interval."""
    if not row[name]:
        return ""
    value, low, high = (f"{float(row[name + end]):+.1f}" for end in ("", "_low", "_high"))
    return f"{value} [{low}, {high}]"


def landmarks() -> str:
    """Errors of the landmark network."""
    rows = [
        [r["condition"], f"{int(r['faces']):,}", r["median_px"], r["p90_px"], r["mean_confidence"]]
        for r in _csv("landmarks.csv")
    ]
    headings = ["faces", "n", "median error, px", "90th percentile, px", "mean confidence"]
    return table(headings, rows)


def face_detectors() -> str:
    """Share of faces found, by detector and condition."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for r in _csv("face_detectors.csv"):
        found.setdefault(r["detector"], {})[r["condition"]] = r
    conditions = list(next(iter(found.values())))
    rows = []
    for name, by in found.items():
        shares = [f"{100 * float(by[c]['found']):.0f}" for c in conditions]
        times = [float(by[c]["cpu_milliseconds_per_photo"]) for c in conditions]
        rows.append([name, *shares, f"{sum(times) / len(times):.0f}"])
    return table(["detector", *conditions, "ms a photo"], rows)


def other_results() -> str:
    """Every table of results/ that no page shows by itself, as it is."""
    pages = "".join(PART.sub("", p.read_text(encoding="utf-8")) for p in DOCS.glob("*.md"))
    own = {"fer2013_runs.csv", "landmarks.csv", "face_detectors.csv", "perturb_controls.csv"}
    parts = []
    for path in sorted(RESULTS.glob("*.csv")):
        if path.name not in own and f"results/{path.name}" not in pages:
            parts += [f"### {path.stem.replace('_', ' ').capitalize()}", _whole(path.name)]
    return "\n\n".join(["## Other tables", *parts] if parts else [])


def _whole(name: str) -> str:
    """A CSV file as a table, with a link to it; a long one as a link alone."""
    rows, link = _csv(name), f"[`{name}`](../results/{name})"
    if len(rows) > _SHOWN_ROWS:
        return f"{link}, {len(rows)} rows."
    names = [n for n in rows[0] if not n.endswith(("_low", "_high"))]
    body = [[_cell(row, n) for n in names] for row in rows]
    words = next((i for i, n in enumerate(names) if _is_number(rows[0][n])), len(names))
    return f"{link}:\n\n{table([_rounded(n.replace('_', ' ')) for n in names], body, words)}"


def _cell(row: dict[str, str], name: str) -> str:
    """A value to four figures, with its interval where there is one."""
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    value = _rounded(row[name])
    return f"{value} [{_rounded(low)}, {_rounded(high)}]" if low and high else value


def _rounded(text: str) -> str:
    if not _is_number(text):
        return text.replace("|", "\\|")
    if text.isdigit():
        return f"{int(text):,}"
    return text if len(text) < 7 else f"{float(text):.4g}"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", text) is not None


def _csv(name: str) -> list[dict[str, str]]:
    with (RESULTS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "counts": counts,
    "defects": defects,
    "face_detectors": face_detectors,
    "fer2013_runs": fer2013_runs,
    "landmarks": landmarks,
    "models": models,
    "perturb_controls": perturb_controls,
    "other_results": other_results,
    "presets": presets,
}
"""What a page can have made."""


def filled(text: str) -> str:
    """A page with every marked part made anew."""
    return PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n\n{found[4]}", text)


def pages() -> dict[Path, str]:
    """Every page with marked parts, as it should be."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
    return {path: filled(text) for path, text in texts.items() if PART.search(text)}


def main() -> None:
    for path, text in pages().items():
        if path.read_text(encoding="utf-8") != text:
            write_text(path, text)
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
