"""What made-up runs say, in memory: results of a study without a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ferturb.base.config import DatasetConfig, MethodConfig, ModelConfig, RecipeConfig, RunConfig
from ferturb.data.faces import Faces
from ferturb.report.groups import group_runs
from ferturb.report.results import Planned, StudyResults
from ferturb.report.run_results import RunResult
from ferturb.runs.run import Run

SHARES = (0.137, 0.015, 0.147, 0.245, 0.165, 0.116, 0.175)
EPOCHS = 6


def labels_of(split: str, n: int) -> np.ndarray:
    """Labels of a split of n faces, with FER2013's shares; every emotion is there."""
    generator = np.random.default_rng([n, split == "test"])
    labels = generator.choice(7, size=n, p=SHARES)
    labels[:7] = np.arange(7)
    return labels.astype(np.int64)


def made_up_logits(labels: np.ndarray, skill: float, seed: Sequence[int]) -> np.ndarray:
    """Logits of one run; faces are hard or easy for all runs alike, as they are in truth."""
    shared = np.random.default_rng(len(labels)).normal(size=(len(labels), 7))
    own = np.random.default_rng(list(seed)).normal(size=(len(labels), 7))
    logits = 1.1 * shared + 0.6 * own
    logits[np.arange(len(labels)), labels] += (
        skill * np.array([1, 0.8, 0.6, 1.6, 0.8, 1.3, 1])[labels]
    )
    return logits.astype(np.float32)


def stored(skill: float, faces: int, key: Sequence[int], augmentation: str) -> dict[Any, Any]:
    """Labels and logits of validation and test by one test-time augmentation."""
    found = {}
    for split in ("validation", "test"):
        labels = labels_of(split, faces)
        logits = made_up_logits(labels, skill, [*key, split == "test"])
        found[split, augmentation] = (labels, logits)
    return found


def run_result(
    model: str = "compact",
    method: str = "baseline",
    seed: int = 0,
    *,
    skill: float = 2.2,
    faces: int = 700,
    elsewhere: dict[str, float] | None = None,
    **options: Any,
) -> RunResult:
    """One finished run; `elsewhere` is its skill on other faces, options go into its config."""
    dataset = options.pop("dataset", DatasetConfig("fer2013.zip"))
    kind = options.pop("kind", "synthetic")
    clusters = options.pop("clusters", 3)
    name = options.pop("name", f"{model}-{method}-s{seed}")
    config = RunConfig(
        dataset,
        ModelConfig(model, attention=method == "attention"),
        MethodConfig(method, clusters=clusters),
        options.pop("recipe", RecipeConfig(epochs=EPOCHS)),
        seed,
        f"{model}-attention-s{seed}" if method == "perturb" else None,
    )
    key = [sum(model.encode()), sum(method.encode()), seed, clusters]
    logits = stored(skill, faces, key, "none") | stored(skill + 0.1, faces, key, "flip")
    seconds = 60.0 * EPOCHS * (4 if method == "perturb" else 1)
    rows = np.arange(48)[:, None].repeat(48, 1)
    return RunResult(
        Run(Path(name)),
        config,
        True,
        record={
            "best_epoch": 2,
            "validation_accuracy": 0.7,
            "parameters": 2_700_000,
            "seconds": seconds,
            "finished": "2026-01-02T11:30:00+00:00",
            "commit": "0123456789abcdef",
            "dirty": seed == 1,
            "data": {"source": kind, "kind": kind, "hash": "ab" * 32, "notes": []},
        },
        logits=logits,
        elsewhere={
            on: stored(own, faces, [*key, len(on)], "flip") for on, own in (elsewhere or {}).items()
        },
        cluster_maps=np.stack([rows // 16] * EPOCHS) if method == "perturb" else None,
    )


def study_of(runs: Sequence[RunResult], faces: Faces | None = None) -> StudyResults:
    """The results of a study of these runs."""
    planned = tuple(Planned(run.name, "done", run) for run in runs)
    return StudyResults("quick", planned, group_runs(runs), faces=faces)


def small_study(
    models: Sequence[str] = ("compact", "resnet18"), seeds: Sequence[int] = (0,), **options: Any
) -> StudyResults:
    """Models × (baseline, attention, perturb) × seeds."""
    skills = options.pop("skills", {})
    return study_of(
        [
            run_result(m, method, seed, skill=skills.get((m, method), 2.2), **options)
            for m in models
            for method in ("baseline", "attention", "perturb")
            for seed in seeds
        ]
    )


def mask_study(
    models: Sequence[str] = ("compact", "resnet18"),
    seeds: Sequence[int] = (0,),
    kind: str = "fer2013",
    measured: bool = True,
) -> StudyResults:
    """Models trained on whole faces and with face masks, each tested on both if `measured`."""
    runs = []
    for model in models:
        for seed in seeds:
            for masks, own, on, there in (
                (None, 2.4, "on-maskfer", 1.1),
                ("mixed", 1.8, "on-whole", 2.2),
            ):
                dataset = DatasetConfig("fer2013.zip", face_masks=masks)
                name = f"{model}-{masks or 'whole'}-s{seed}"
                other = {on: there} if measured else None
                runs.append(
                    run_result(
                        *(model, "baseline", seed),
                        skill=own,
                        dataset=dataset,
                        kind=kind,
                        name=name,
                        elsewhere=other,
                    )
                )
    return study_of(runs)


def some_faces(kind: str = "synthetic", n: int = 42) -> Faces:
    """Grey ovals with dark eyes and mouth, in all splits and of all emotions."""
    rows, columns = torch.meshgrid(torch.arange(48), torch.arange(48), indexing="ij")
    face = 90 + 90 * (((rows - 24) / 22) ** 2 + ((columns - 24) / 17) ** 2 < 1).float()
    for y, x, a, b in ((18, 16, 3, 4), (18, 32, 3, 4), (35, 24, 3, 9)):
        face[(((rows - y) / a) ** 2 + ((columns - x) / b) ** 2) < 1] = 40
    noise = torch.randn(n, 48, 48, generator=torch.Generator().manual_seed(0)) * 8
    return Faces(
        images=(face + noise).clamp(0, 255).to(torch.uint8),
        labels=torch.arange(n) % 7,
        splits=(torch.arange(n) % 3).to(torch.uint8),
        names=tuple(f"face {i}" for i in range(n)),
        source=kind,
        kind=kind,
    )
