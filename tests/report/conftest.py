"""Made-up study folders, written through `ferturb.runs.run` and `ferturb.base.storage`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ferturb.base.config import DatasetConfig, MethodConfig, ModelConfig, RunConfig
from ferturb.base.emotions import EMOTIONS
from ferturb.base.storage import save_tensors, write_json
from ferturb.data.faces import Faces
from ferturb.runs.run import Run
from ferturb.training.checkpoint import Epoch

SHARES = (0.137, 0.015, 0.147, 0.245, 0.165, 0.116, 0.175)
EPOCHS = 6


def labels_of(split: str, faces: int) -> np.ndarray:
    generator = np.random.default_rng([faces, split == "test"])
    labels = generator.choice(7, size=faces, p=SHARES)
    labels[:7] = np.arange(7)
    return labels.astype(np.int64)


def made_up_logits(
    labels: np.ndarray, skill: float, seed: Sequence[int], sums: int = 1
) -> np.ndarray:
    """Logits of one run; faces are hard or easy for all runs alike, as they are in truth."""
    shared = np.random.default_rng(len(labels)).normal(size=(len(labels), 7))
    own = np.random.default_rng(list(seed)).normal(size=(len(labels), 7))
    logits = 1.1 * shared + 0.6 * own
    logits[np.arange(len(labels)), labels] += (
        skill * np.array([1, 0.8, 0.6, 1.6, 0.8, 1.3, 1])[labels]
    )
    return (sums * 1.2 * logits).astype(np.float32)


def write_run(
    folder: Path,
    model: str,
    method: str,
    seed: int,
    *,
    kind: str = "synthetic",
    faces: int = 700,
    done: bool = True,
    skill: float = 2.2,
    dataset: DatasetConfig | None = None,
    name: str = "",
) -> Run:
    """One run folder with made-up numbers."""
    name = name or f"{model}-{method}-s{seed}"
    source = "synthetic" if kind == "synthetic" else "fer2013.zip"
    config = RunConfig(
        dataset=dataset or DatasetConfig(source=source),
        model=ModelConfig(name=model, attention=method == "attention"),
        method=MethodConfig(name=method),
        seed=seed,
        attention_run=f"{model}-attention-s{seed}" if method == "perturb" else None,
    )
    config = replace(config, recipe=replace(config.recipe, epochs=EPOCHS))
    run = Run.create(folder / name, config)
    key = [sum(model.encode()), sum(method.encode()), seed]
    epochs = EPOCHS if done else 2
    generator = np.random.default_rng(key)
    accuracy = 0.3 + 0.4 * (1 - np.exp(-np.arange(1, epochs + 1) / 2)) + generator.normal(
        0, 0.01, epochs
    )  # fmt: skip
    history = [
        Epoch(
            epoch=i + 1,
            train_loss=float(2 - 2 * a),
            train_accuracy=float(a - 0.02),
            validation_loss=float(1.9 - 1.5 * a),
            validation_accuracy=float(a),
            learning_rate=0.1,
            seconds=60.0,
        )
        for i, a in enumerate(accuracy)
    ]
    run.write_history(history)
    if not done:
        return run
    arrays = {}
    sums = 4 if method == "perturb" else 1
    for split in ("validation", "test"):
        labels = labels_of(split, faces)
        arrays[f"labels_{split}"] = labels
        plain = made_up_logits(labels, skill, [*key, split == "test"], sums)
        arrays[f"{split}_none"] = plain
        arrays[f"{split}_flip"] = made_up_logits(labels, skill + 0.1, [*key, split == "test"], sums)
    if method == "perturb":
        rows, columns = np.mgrid[:48, :48]
        found = np.where(rows > 28, 2, np.where(columns < 24, 0, 1)).astype(np.uint8)
        maps = torch.from_numpy(np.stack([found] * EPOCHS))
        save_tensors(run.folder / "clusters.safetensors", {"maps": maps}, {})
    counts = np.bincount(arrays["labels_test"], minlength=7).tolist()
    by_emotion = dict(zip(EMOTIONS, counts, strict=True))
    run.write_record(
        {
            "parameters": 2_700_000 if model == "compact" else 11_170_000,
            "versions": {"python": "3.11.2", "ferturb": "0.1.0", "torch": "2.8.0"},
            "commit": "0123456789abcdef0123456789abcdef01234567",
            "dirty": seed == 1,
            "data": {
                "source": "synthetic" if kind == "synthetic" else f"{kind} (zip)",
                "kind": kind,
                "hash": "ab" * 32,
                "notes": ["Splits as published."],
                "counts": {
                    "train": {e: 8 * n for e, n in by_emotion.items()},
                    "validation": by_emotion,
                    "test": by_emotion,
                },
            },
            "hardware": {
                "processor": "Some Processor @ 2.5 GHz",
                "cores": 2,
                "threads": 2,
                "memory_gib": 7.8,
                "device": "cpu",
                "precision": "bfloat16",
            },
            "started": "2026-01-02T10:00:00+00:00",
            "finished": "2026-01-02T11:30:00+00:00",
            "seconds": 60.0 * EPOCHS * (4 if method == "perturb" else 1),
            "best_epoch": int(accuracy.argmax()) + 1,
            "epochs": EPOCHS,
            "validation_accuracy": float(accuracy.max()),
        }
    )
    run.finish(arrays)
    return run


def write_study(
    folder: Path,
    models: Sequence[str] = ("compact", "resnet18"),
    seeds: Sequence[int] = (0,),
    kind: str = "synthetic",
    faces: int = 700,
    unfinished: Sequence[str] = (),
    missing: Sequence[str] = (),
    skills: dict[tuple[str, str], float] | None = None,
) -> Path:
    """A study of models × (baseline, attention, perturb) × seeds."""
    names = []
    for model in models:
        for method in ("baseline", "attention", "perturb"):
            for seed in seeds:
                name = f"{model}-{method}-s{seed}"
                names.append(name)
                if name in missing:
                    continue
                write_run(
                    *(folder / "runs", model, method, seed),
                    kind=kind,
                    faces=faces,
                    done=name not in unfinished,
                    skill=(skills or {}).get((model, method), 2.2),
                )
    write_json(
        folder / "study.json",
        {"preset": "quick", "runs": names, "source": kind, "started": "2026-01-02T10:00:00"},
    )
    return folder


def write_mask_study(
    folder: Path,
    models: Sequence[str] = ("compact", "resnet18"),
    kind: str = "fer2013",
    faces: int = 700,
    seeds: Sequence[int] = (0,),
    transfer: bool = True,
) -> Path:
    """A study of models on whole faces and with face masks, each tested on both."""
    whole = DatasetConfig("synthetic" if kind == "synthetic" else "fer2013.zip")
    names = []
    for model in models:
        for seed in seeds:
            for masks, own, other in ((None, 2.4, 1.1), ("mixed", 1.8, 2.2)):
                name = f"{model}-{masks or 'whole'}-s{seed}"
                names.append(name)
                altered = "maskfer" if kind == "fer2013" else kind
                run = write_run(
                    *(folder / "runs", model, "baseline", seed),
                    kind=kind if masks is None else altered,
                    faces=faces,
                    skill=own,
                    dataset=replace(whole, face_masks=masks),
                    name=name,
                )
                if transfer:
                    write_transfer(run, other, "on-maskfer" if masks is None else "on-whole")
    write_json(folder / "study.json", {"preset": "masks", "runs": names, "source": kind})
    return folder


def write_transfer(run: Run, skill: float, name: str) -> None:
    """Made-up logits of a run on other faces."""
    arrays = {}
    for split in ("validation", "test"):
        labels = run.logits(split, "flip")[0]
        key = [sum(run.name.encode()), sum(name.encode()), split == "test"]
        arrays[f"labels_{split}"] = labels
        arrays[f"{split}_flip"] = made_up_logits(labels, skill, key)
    run.store_analysis(name, arrays, {"data": {"hash": "cd" * 32}})


def some_faces(kind: str = "synthetic", n: int = 40) -> Faces:
    generator = torch.Generator().manual_seed(0)
    rows, columns = torch.meshgrid(torch.arange(48), torch.arange(48), indexing="ij")
    face = 90 + 90 * (((rows - 24) / 22) ** 2 + ((columns - 24) / 17) ** 2 < 1).float()
    for y, x, a, b in ((18, 16, 3, 4), (18, 32, 3, 4), (35, 24, 3, 9)):
        face[(((rows - y) / a) ** 2 + ((columns - x) / b) ** 2) < 1] = 40
    noise = torch.randn(n, 48, 48, generator=generator) * 8
    return Faces(
        images=(face + noise).clamp(0, 255).to(torch.uint8),
        labels=torch.arange(n) % 7,
        splits=(torch.arange(n) % 3).to(torch.uint8),
        names=tuple(f"face {i}" for i in range(n)),
        source=kind,
        kind=kind,
    )


@pytest.fixture
def draw_faces() -> Callable[..., Faces]:
    """Draws a few faces of the given kind; see `some_faces`."""
    return some_faces


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Path]:
    """Writes a study folder and gives its path; see `write_study`."""

    def write(**options: object) -> Path:
        return write_study(tmp_path / "study", **options)  # type: ignore[arg-type]

    return write


@pytest.fixture
def mask_study(tmp_path: Path) -> Callable[..., Path]:
    """Writes a study folder of runs with and without face masks; see `write_mask_study`."""

    def write(**options: object) -> Path:
        return write_mask_study(tmp_path / "masks", **options)  # type: ignore[arg-type]

    return write
