"""Write the parts of docs/ that are made from the program and from results/.

    python tools/write_docs.py          # after a change of a verb, a preset, a model or a result

A page marks such a part with two comments, and what stands between them is replaced:

    <!-- made: commands -->
    …
    <!-- end -->

`tests/test_docs.py` fails when a part isn't what this program writes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from write_docs_badges import badges
from write_docs_benchmark import leaderboard, leaderboard_conditions
from write_docs_commands import commands
from write_docs_experiments import (
    clusters_k,
    forms,
    landmark_regions,
    leaving_out,
    leaving_out_planned,
    rivals,
    rivals_full,
)
from write_docs_looks import privatetest_looks
from write_docs_results import (
    baselines,
    cited_masks,
    cited_systems,
    counts,
    defects,
    deployment,
    face_detectors,
    faces_per_second,
    fer2013_runs,
    hidden_shares,
    landmarks,
    masks_cells,
    masks_readings,
    masks_table1,
    other_tables,
    perturb_controls,
    pretrained_hidden,
    priors,
    table,
)

from ferturb.base.storage import write_text
from ferturb.base.tensors import load_tensors
from ferturb.predict import shipped
from ferturb.study.plan import PRESETS

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests" / "helpers"))
DOCS = ROOT / "docs"
PART = re.compile(r"(<!-- made: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


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
    for name, purpose in shipped.NAMES.items():
        weights, card = (shipped.FOLDER / f"{name}.{end}" for end in ("safetensors", "md"))
        if not weights.exists():
            continue
        about = shipped.About.from_dict(load_tensors(weights)[1], weights)
        rows.append([f"*{name}*", purpose, *_model_numbers(about, weights)])
        if card.exists():
            path = card.relative_to(ROOT).as_posix()
            cards.append(f'=== "{name}"\n\n    --8<-- "{path}:2:"')
    measures = ["FER+, %", "its macro recall", "ECE of people, %", "answers, %"]
    headings = ["model", "for", "file, MB", *measures, "FER2013's label, %", "its macro recall"]
    return "\n\n".join([table(headings, rows, words=2), *cards])


def _model_numbers(about: shipped.About, weights: Path) -> list[str]:
    people, label = about.results, about.of("label").results
    low, high = people["accuracy_interval"]
    least, most = label["accuracy_interval"]
    return [
        f"{weights.stat().st_size / 1e6:.1f}",
        f"{100 * people['accuracy']:.1f} [{100 * low:.1f}, {100 * high:.1f}]",
        f"{100 * people['macro_recall']:.1f}",
        f"{100 * people['ece']:.1f}",
        f"{100 * people['answered']:.1f}",
        f"{100 * label['accuracy']:.1f} [{100 * least:.1f}, {100 * most:.1f}]",
        f"{100 * label['macro_recall']:.1f}",
    ]


def readme_models() -> str:
    """The models in the package on one line each."""
    rows = []
    for name in shipped.NAMES:
        weights = shipped.FOLDER / f"{name}.safetensors"
        about = shipped.About.from_dict(load_tensors(weights)[1], weights)
        people, label = about.results["accuracy"], about.of("label").results["accuracy"]
        right = (f"{100 * share:.1f}" for share in (people, label))
        size = f"{weights.stat().st_size / 1e6:.1f}"
        rows.append([f"*{name}*", size, faces_per_second(name), *right, *hidden_shares(name)])
    heads = ["right", "by FER2013's label", "face masks drawn", "really occluded", "turned by 45°"]
    return table(["model", "MB", "faces/s", *heads], rows)


def other_results() -> str:
    """Every table of results/ that no page shows by itself, as it is."""
    return other_tables(
        "".join(PART.sub("", p.read_text(encoding="utf-8")) for p in DOCS.glob("*.md"))
    )


def reader_rules() -> str:
    """What every reader accepts: the table that the tests of the readers run."""
    from reader_rules import markdown

    return markdown()


PARTS: dict[str, Callable[[], str]] = {
    "baselines": baselines,
    "cited_masks": cited_masks,
    "cited_systems": cited_systems,
    "clusters_k": clusters_k,
    "leaving_out_planned": leaving_out_planned,
    "privatetest_looks": privatetest_looks,
    "commands": commands,
    "counts": counts,
    "defects": defects,
    "deployment": deployment,
    "face_detectors": face_detectors,
    "fer2013_runs": fer2013_runs,
    "forms": forms,
    "landmark_regions": landmark_regions,
    "landmarks": landmarks,
    "leaving_out": leaving_out,
    "leaderboard": leaderboard,
    "leaderboard_conditions": leaderboard_conditions,
    "masks_cells": masks_cells,
    "masks_readings": masks_readings,
    "masks_table1": masks_table1,
    "models": models,
    "perturb_controls": perturb_controls,
    "pretrained_hidden": pretrained_hidden,
    "other_results": other_results,
    "presets": presets,
    "priors": priors,
    "reader_rules": reader_rules,
    "rivals": rivals,
    "rivals_full": rivals_full,
    "readme_models": readme_models,
}
"""What a page can have made."""


def filled(text: str) -> str:
    """A page with every marked part made anew."""
    return PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n\n{found[4]}", text)


def pages() -> dict[Path, str]:
    """Every page with marked parts, and every badge, as it should be."""
    paths = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    return {path: filled(text) for path, text in texts.items() if PART.search(text)} | badges()


def main() -> None:
    for path, text in pages().items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
