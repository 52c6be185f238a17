"""One small study, trained once a session by `execute_run`, and copies of it to read or spoil."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ferturb.base.config import DatasetConfig, MethodConfig, ModelConfig, RecipeConfig, RunConfig
from ferturb.base.storage import write_json
from ferturb.data.faces import Faces
from ferturb.evaluation.other_data import measure_on
from ferturb.features.altered import load_dataset
from ferturb.models.backbones import BACKBONES
from ferturb.models.compact import compact
from ferturb.runs.execute import execute_run
from ferturb.runs.run import Run

MODELS = ("compact", "resnet18")
DATA = DatasetConfig(synthetic_faces=210)
RECIPE = RecipeConfig(epochs=2, batch_size=64, precision="float32", evaluate=("none", "flip"))


@pytest.fixture
def tiny_networks() -> Iterator[None]:
    """The models' names stand for networks of two narrow stages during the test."""
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        yield


def shrink(patch: pytest.MonkeyPatch) -> None:
    for name in MODELS:
        patch.setitem(BACKBONES, name, lambda: compact(widths=(4, 8), blocks=(1, 1)))


@pytest.fixture(scope="session")
def trained_faces() -> Faces:
    """The drawn faces of the trained study."""
    return load_dataset(DATA, cache=False)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, trained_faces: Faces) -> Path:
    """Runs of two networks on whole faces by three methods; one also with face masks on."""
    folder = tmp_path_factory.mktemp("trained") / "runs"
    masked = load_dataset(replace(DATA, face_masks="mixed"), cache=False)
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        for model in MODELS:
            for method in ("baseline", "attention", "perturb"):
                execute_run(create(folder, model, method), trained_faces)
        worn = create(folder, "compact", "baseline", "mixed")
        execute_run(worn, masked)
        measure_on(worn, trained_faces, "on-whole")
        measure_on(Run(folder / "compact-baseline-s0"), masked, "on-maskfer")
    return folder


def create(folder: Path, model: str, method: str, masks: str | None = None) -> Run:
    attends = method == "attention"
    config = RunConfig(
        replace(DATA, face_masks=masks),
        ModelConfig(model, attention=attends),
        MethodConfig(method, views="sample", attention_faces=16),
        RECIPE,
        0,
        f"{model}-attention-s0" if method == "perturb" else None,
    )
    return Run.create(folder / f"{model}-{masks or method}-s0", config)


@pytest.fixture
def study(trained: Path, tmp_path: Path) -> Callable[..., Path]:
    """A study folder with copies of some of the trained runs."""

    def write(
        models: Sequence[str] = MODELS,
        methods: Sequence[str] = ("baseline", "attention", "perturb"),
        kind: str = "synthetic",
        unfinished: Sequence[str] = (),
        missing: Sequence[str] = (),
    ) -> Path:
        folder = tmp_path / "study"
        names = [f"{m}-{method}-s0" for m in models for method in methods]
        for name in [name for name in names if name not in missing]:
            run = Run(Path(shutil.copytree(trained / name, folder / "runs" / name)))
            spoil(run, kind, name in unfinished)
        plan = {"preset": "quick", "runs": names, "source": kind}
        write_json(folder / "study.json", plan)
        return folder

    return write


def spoil(run: Run, kind: str, unfinished: bool) -> None:
    """Say that a run's faces are of another kind, or that it is in its second epoch."""
    record = run.record()
    run.write_record(record | {"data": record["data"] | {"kind": kind}})
    if unfinished:
        (run.folder / "logits.npz").unlink()
        rows = (run.folder / "history.csv").read_text(encoding="utf-8").splitlines()
        (run.folder / "history.csv").write_text("\n".join(rows[:2]) + "\n", encoding="utf-8")
