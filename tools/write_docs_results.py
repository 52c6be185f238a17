"""The tables of results/ as Markdown; `tools/write_docs.py` puts them into docs/."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path

from ferturb.base.emotions import EMOTIONS

RESULTS = Path(__file__).resolve().parents[1] / "results"

SHOWN_ROWS = 40
"""A longer table is linked to, not shown."""


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], words: int = 1) -> str:
    """A Markdown table whose first columns are words and whose others are numbers."""
    rule = ["---" if i < words else "---:" for i in range(len(headings))]
    lines = [headings, rule, *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


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
    rows = sorted(csv_rows("fer2013_runs.csv"), key=lambda r: -float(r["test_flip_accuracy"]))
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
    rows = sorted(csv_rows("perturb_controls.csv"), key=lambda r: -float(r["validation_accuracy"]))
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
                change(r, "change"),
                change(r, "change_from_random"),
                r["mcnemar_p"].replace(" ", ", "),
                f"{float(r['minutes']):.0f}",
            ]
            for r in rows
        ],
    )


def change(row: dict[str, str], name: str, value: str = "") -> str:
    """Points, with the paired interval."""
    if not row[value or name]:
        return ""
    cells = (f"{float(row[key]):+.1f}" for key in (value or name, f"{name}_low", f"{name}_high"))
    middle, low, high = (cell.replace("-", "−") for cell in cells)
    return f"{middle} [{low}, {high}]"


_NETWORKS = {
    "compact": "compact",
    "vgg16-half": "VGG16, half",
    "resnet18": "ResNet-18",
    "densenet121-pool": "DenseNet121, pool",
    "dpn26-pool": "DPN-26, pool",
    "resmasking18-half": "ResMasking18, half",
    "Ensemble of 5": "the paper’s five, summed",
    "Ensemble of 6": "all six, summed",
}


def masks_table1() -> str:
    """The paper's Table 1 and ours."""
    rows = csv_rows("masks_table1.csv")
    columns = {re.sub(r"\W", "_", name): shown for name, shown in _NETWORKS.items()}

    def percent(text: str) -> str:
        return f"{round(100 * float(text)):+d}".replace("+0", "0").replace("-", "−")

    def cell(row: dict[str, str], name: str) -> str:
        shown = "·"  # not one of these faces is recognised without masks either
        if row[name]:
            value, low, high = (percent(row[name + end]) for end in ("", "_low", "_high"))
            shown = f"{value} [{low}, {high}]" if name.startswith("Ensemble") else value
        theirs = row.get(f"{name}_paper")
        return f"{shown} ({percent(str(float(theirs) / 100))})" if theirs else shown

    body = [[r["emotion"], *(cell(r, name) for name in columns)] for r in rows]
    return table(["emotion", *columns.values()], body)


def masks_readings() -> str:
    """Table 1 read both ways: trained on masks or not, tested on masks; percent of unmasked."""
    cells = {(r["model"], r["trained"], r["tested"]): r for r in csv_rows("masks_cells.csv")}
    body = []
    for name, shown in _NETWORKS.items():
        whole = cells[name, "FER2013", "FER2013"]
        for trained in _FACES:
            masked = cells[name, trained, "MaskFer"]
            shares = [
                f"{100 * (float(masked[e]) / float(whole[e]) - 1):+.0f}".replace("-", "−")
                if float(whole[e])
                else "·"
                for e in EMOTIONS
            ]
            body.append([shown, trained, *shares])
    return table(["network", "trained on", *EMOTIONS], body, words=2)


_TEST_COUNTS = (491, 55, 528, 879, 594, 416, 626)
"""PrivateTest's faces by emotion, in the order of `EMOTIONS`."""


def macro_recall(recalls: Sequence[float]) -> str:
    """The mean of the seven recalls in percent, with its 95 % interval over faces.

    Recalls are shares of different faces, so their variances p(1 - p)/n add up.
    """
    mean = sum(recalls) / len(recalls)
    pairs = zip(recalls, _TEST_COUNTS, strict=True)
    error = sum(p * (1 - p) / n for p, n in pairs) ** 0.5 / len(recalls)
    low, high = 100 * (mean - 1.96 * error), 100 * (mean + 1.96 * error)
    return f"{100 * mean:.1f} [{low:.1f}, {high:.1f}]"


def baselines() -> str:
    """Table 2.1 by the paper's metric: every network whose recalls by emotion are stored."""
    body = []
    for row in csv_rows("masks_cells.csv"):
        if row["trained"] == row["tested"] == "FER2013":
            recalls = [float(row[emotion]) for emotion in EMOTIONS]
            name = _NETWORKS[row["model"]]
            epochs = "12" if row["model"] in ("compact", "resnet18") else "6"
            epochs = "6, 12" if "summed" in name else epochs
            body.append(
                [name, epochs, f"{100 * float(row['accuracy']):.1f}", macro_recall(recalls)]
            )
    found = json.loads((RESULTS / "fer2013_ensemble_test.json").read_text(encoding="utf-8"))
    shown = ("compact, *mixed* (*clean*)", "compact, *mixed*, seed 1", "VGG16, half, *mixed*")
    names = dict(zip((*shown, "these three, summed"), ("135", "70", "106", "all"), strict=True))
    for row, (name, epochs) in zip(found, names.items(), strict=True):
        recalls = [row["per_emotion"][emotion] for emotion in EMOTIONS]
        accuracy = f"{100 * row['accuracy']['estimate']:.1f}"
        body.append([f"{name}, zoom", epochs, accuracy, macro_recall(recalls)])
    return table(["network", "epochs", "accuracy, %", "macro recall, %"], body, words=2)


def priors() -> str:
    """What the shipped models do by votes and by labels under each prior."""
    shown = {
        "FER+, %": "fer_plus_8",
        "its macro recall": "fer_plus_macro_recall",
        "cross-entropy": "cross_entropy",
        "ECE of people, %": "people_ece",
        "FER2013's label, %": "label_accuracy",
        "its macro recall ": "label_macro_recall",
        "its ECE, %": "label_ece",
    }
    body = [
        [f"*{row['model']}*", row["prior"], *(row[column] for column in shown.values())]
        for row in csv_rows("priors.csv")
    ]
    return table(["model", "prior", *map(str.strip, shown)], body, words=2)


def masks_cells() -> str:
    """The four cells of training and testing on masks, one line a network."""
    cells: dict[str, list[str]] = {}
    for row in csv_rows("masks_cells.csv"):
        shares = (100 * float(row[f"accuracy{end}"]) for end in ("", "_low", "_high"))
        cells.setdefault(row["model"], []).append("{:.1f} [{:.1f}, {:.1f}]".format(*shares))
    headings = [f"{trained} → {tested}" for trained in _FACES for tested in _FACES]
    body = [[shown, *cells[name]] for name, shown in _NETWORKS.items()]
    return table(["trained → tested", *headings], body)


_FACES = ("FER2013", "MaskFer")


_HIDDEN = {
    "whole": "whole",
    "MaskFer": "MaskFer",
    "glasses": "dark glasses",
    "hand": "a hand",
    "random": "another occluder",
    "mean of features left out": "six features left out, mean",
    "mean of features left out, inpainted": "the same, inpainted (*robust* never saw that fill)",
    "rows 25 to 47 grey": "rows 25 to 47 grey",
}


def pretrained_hidden() -> str:
    """The pretrained models on faces with something hidden."""
    by: dict[str, dict[str, dict[str, str]]] = {}
    for row in (row for row in csv_rows("pretrained_hidden.csv") if row["by"] == "people"):
        by.setdefault(row["faces"], {})[row["model"]] = row
    body = []
    for way, words in _HIDDEN.items():
        shown = [f"{float(by[way][name]['accuracy']):.1f}" for name in ("clean", "robust", "tiny")]
        body.append([words, *shown, change(by[way]["robust"], "change", "change_against_clean")])
    headings = ["faces", "*clean*", "*robust*", "*tiny*", "*robust* − *clean*"]
    return table(headings, body)


def hidden_shares(model: str) -> list[str]:
    """What a shipped model gets right behind drawn face masks, really occluded, and turned."""
    drawn = next(
        row["accuracy"]
        for row in csv_rows("pretrained_hidden.csv")
        if (row["model"], row["by"], row["faces"]) == (model, "people", "MaskFer")
    )
    real = [
        next(
            row["accuracy"]
            for row in csv_rows("hidden_really.csv")
            if (row["model"], row["list"], row["of"], row["faces"])
            == (model, name, "all", "listed")
        )
        for name in ("occlusion", "pose_45")
    ]
    return [f"{float(share):.1f}" for share in (drawn, *real)]


def faces_per_second(model: str) -> str:
    """How many faces a shipped model answers on one thread, many at a time, as it is used."""
    (row,) = (
        r
        for r in csv_rows("predict_speed.csv")
        if (r["who"], r["network"], r["engine"]) == ("ours", model, "onnxruntime float32")
        and (r["threads"], r["batch"]) == ("1", "64")
    )
    return f"{int(row['faces_per_second']):,}"


def landmarks() -> str:
    """Errors of the landmark network."""
    rows = [
        [r["condition"], f"{int(r['faces']):,}", r["median_px"], r["p90_px"], r["mean_confidence"]]
        for r in csv_rows("landmarks.csv")
    ]
    headings = ["faces", "n", "median error, px", "90th percentile, px", "mean confidence"]
    return table(headings, rows)


def face_detectors() -> str:
    """Share of faces found, by detector and condition."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for r in csv_rows("face_detectors.csv"):
        found.setdefault(r["detector"], {})[r["condition"]] = r
    conditions = list(next(iter(found.values())))
    rows = []
    for name, by in found.items():
        shares = [f"{100 * float(by[c]['found']):.0f}" for c in conditions]
        times = [float(by[c]["cpu_milliseconds_per_photo"]) for c in conditions]
        rows.append([name, *shares, f"{sum(times) / len(times):.0f}"])
    return table(["detector", *conditions, "ms a photo"], rows)


def deployment() -> str:
    """What a deployment weighs and how soon it answers."""
    rows = [r for r in csv_rows("deployment.csv") if not r["what"].startswith("faces")]
    large = [r for r in rows if not r["what"].startswith("of it") or float(r["value"]) >= 1]
    return table(["what", "value"], [[r["what"], f"{r['value']} {r['unit']}"] for r in large])


OWN = (
    "fer2013_runs.csv",
    "landmarks.csv",
    "face_detectors.csv",
    "perturb_controls.csv",
    "deployment.csv",
)
"""Tables that have a part of their own."""


def other_tables(pages: str) -> str:
    """Every table that no part shows and no page names."""
    parts = []
    for path in sorted(RESULTS.glob("*.csv")):
        if path.name not in OWN and f"results/{path.name}" not in pages:
            parts += [f"### {path.stem.replace('_', ' ').capitalize()}", whole(path.name)]
    return "\n\n".join(["## Other tables", *parts] if parts else [])


def whole(name: str) -> str:
    """A CSV file as a table, with a link to it; a long one as a link alone."""
    rows, link = csv_rows(name), f"[`{name}`](../results/{name})"
    if len(rows) > SHOWN_ROWS:
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


def csv_rows(name: str) -> list[dict[str, str]]:
    """A table of results/, row by row."""
    with (RESULTS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cited_systems() -> str:
    """What the cited systems claim, and what was measured; "not trained" where nothing was."""
    rows = []
    for row in csv_rows("cited_systems.csv"):
        said = [f"`{row['training']}`", row["system"], row["claim"] or "–", row["protocol"]]
        if not row["accuracy"]:
            rows.append([*said, "not trained", *[""] * 8])
            continue
        accuracy, recall, in_masks = (
            f"{row[name]} [{row[f'{name}_low']}, {row[f'{name}_high']}]"
            for name in ("accuracy", "macro_recall", "maskfer")
        )
        others = [row["fer_plus"], in_masks, f"{int(row['parameters']):,}"]
        cost = [f"{int(row['faces_per_second']):,}", row["minutes"], row["epochs"]]
        rows.append([*said, accuracy, recall, *others, *cost, row["each_seed"]])
    heads = ["training", "system", "claim, %", "its protocol", "accuracy, %", "macro recall, %"]
    heads += ["FER+, %", "MaskFer, %", "parameters", "faces/s", "minutes", "epochs", "by seed, %"]
    return table(heads, rows, words=4)


def cited_masks() -> str:
    """What training on face masks gains on MaskFer, relative, as Masked FER-2013 counts it."""
    measured = {row["training"]: row for row in csv_rows("cited_systems.csv") if row["accuracy"]}
    rows = []
    for name in ("compact-tiny", "vgg16-half", "resnet18"):
        found = [measured.get(f"masked-{name}{end}") for end in ("", *MASK_TRAININGS)]
        plain = found[0] and float(found[0]["maskfer"])
        ratios = [plain and f and float(f["maskfer"]) / plain for f in found]
        gains = [f"{100 * (ratio - 1):+.0f} %" if ratio else "" for ratio in ratios]
        detector = found[-1]["detector"] if found[-1] else ""
        rows.append([name, f"{plain:.1f}" if plain else "not trained", *gains[1:], detector])
    heads = ["network", "MaskFer, trained on whole faces, %", "relative gain: on masks"]
    return table([*heads, "on both", "in two stages", "its detector, %"], rows, words=1)


MASK_TRAININGS = ("/mixed", "/half-masked", "/two-stage")
