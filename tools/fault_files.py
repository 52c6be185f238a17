"""Damages to every file that ferturb writes: runs, studies, what it keeps of sources, models."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from faults import Fault, LostError, Setting, damaged, damages, goes, put, require_same

from ferturb.base.config import (
    DatasetConfig,
    MethodConfig,
    ModelConfig,
    RecipeConfig,
    RunConfig,
    SaliencyOptions,
)
from ferturb.base.storage import write_json
from ferturb.data.cache import cache_folder
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.data.faces import Faces
from ferturb.data.readers.csv_tables import write_csv
from ferturb.data.sources import load_faces
from ferturb.evaluation.other_data import measure_on
from ferturb.evaluation.saliency.mass import explain_run
from ferturb.export.onnx import export
from ferturb.features.altered import landmarks_of
from ferturb.models.backbones import BACKBONES
from ferturb.models.compact import compact
from ferturb.models.ensemble import Ensemble
from ferturb.predict.shipped import load_pretrained
from ferturb.report.results import read_study
from ferturb.runs.execute import execute_run, prepare
from ferturb.runs.run import Run, find_runs
from ferturb.study.plan import chain

NETWORK = "two-stages"
BACKBONES[NETWORK] = lambda: compact(widths=(4, 8), blocks=(1, 1))
RECIPE = RecipeConfig(epochs=2, batch_size=32, precision="float32", evaluate=("none",))
PLAIN = RunConfig(model=ModelConfig(NETWORK), recipe=RECIPE)
VIEWS = MethodConfig("perturb", views="sample", attention_faces=16)


def weights(folder: Path) -> np.ndarray:
    state = Run(folder).load_classifier().state_dict()
    return np.concatenate([state[key].flatten().float().numpy() for key in sorted(state)])


def made_study(place: Path, faces: Faces) -> Path:
    """A study of small networks: finished runs, one half done, analyses."""
    finished = [PLAIN, *chain(dataclasses.replace(PLAIN, method=VIEWS), 1)]
    for config in finished:
        execute_run(prepare(place / "runs", config), faces)
    execute_run(prepare(place / "runs", dataclasses.replace(PLAIN, seed=1)), faces, pause_after=1)
    first = prepare(place / "runs", PLAIN)
    explain_run(first, faces, SaliencyOptions("gradient", faces=1))
    measure_on(first, faces.select(torch.arange(len(faces) - 1)), "on-maskfer")
    write_json(place / "study.json", {"preset": "quick", "runs": [first.name], "started": "2026"})
    return place


@dataclasses.dataclass(frozen=True)
class Study:
    """A study that is whole, and what each of its runs holds when it is finished."""

    folder: Path
    faces: Faces
    runs: dict[str, Run]
    half: str
    """The run that is not finished."""
    models: dict[str, np.ndarray]
    logits: dict[str, np.ndarray]

    @staticmethod
    def made(place: Path) -> Study:
        faces = synthetic_faces(140)
        whole = made_study(place / "whole", faces)
        ended = Path(shutil.copytree(whole, place / "ended")) / "runs"
        runs = {run.name: run for run in find_runs(whole / "runs")}
        (half,) = (name for name, run in runs.items() if not run.done)
        execute_run(Run(ended / half), faces)
        models = {name: weights(ended / name) for name in runs}
        logits = {name: Run(ended / name).logits("test", "none")[1] for name in runs}
        return Study(whole, faces, runs, half, models, logits)

    def bear(self, path: Path, data: bytes) -> None:
        """Damage one file of a copy, read everything, and go on with what it belongs to."""
        copy = Path(shutil.copytree(self.folder, self.folder.with_name("copy")))
        try:
            put(copy / path, data)
            touched = {n for n in self.runs if {n, *self.runs[n].config.needs} & set(path.parts)}
            missing = set(self.runs) - {self.half} - touched
            missing -= {run.name for run in read_study(copy).done}
            if missing:
                raise LostError(f"the report lacks {', '.join(missing)}")
            for name in sorted(touched):
                self._go_on(prepare(copy / "runs", self.runs[name].config), path)
            read_study(copy)
        finally:
            shutil.rmtree(copy)

    def _go_on(self, run: Run, path: Path) -> None:
        """Use a run, and train it on; where that goes, it is to what it is without the damage.

        JSON and CSV have no checksum: what they say is only known to be of the right form.
        """
        goes(run.load_model)
        if goes(lambda: execute_run(run, self.faces)) and path.suffix not in (".json", ".csv"):
            require_same(run.logits("test", "none")[1], self.logits[run.name], "logits")
            if goes(lambda: weights(run.folder)):
                require_same(weights(run.folder), self.models[run.name], "weights")


def own_files(setting: Setting) -> Iterator[Fault]:
    """Every file of a study."""
    study = Study.made(setting.place)
    files = sorted(p.relative_to(study.folder) for p in study.folder.rglob("*") if p.is_file())
    for path in files:
        good = (study.folder / path).read_bytes()
        alike = [p for p in files if p.suffix == path.suffix and p.name != path.name][:1]
        others = [(study.folder / p).read_bytes() for p in alike]
        for words, data in damages(good, others, setting.random, setting.many):
            yield f"{path}: {words}", lambda path=path, data=data: study.bear(path, data)


def kept_files(setting: Setting) -> Iterator[Fault]:
    """What is kept of a source in the cache, which is made again whatever happens to it."""
    os.environ["FERTURB_CACHE"] = str(setting.place / "cache")
    write_csv(synthetic_faces(560), setting.place / "fer2013.csv")
    config = DatasetConfig(str(setting.place / "fer2013.csv"))
    reads: dict[str, Callable[[], torch.Tensor]] = {
        "fer2013": lambda: load_faces(config).images,
        "landmarks": lambda: landmarks_of(load_faces(config)).points,
    }
    for name, read in reads.items():
        right = read()
        (path,) = cache_folder().glob(f"{name}*.safetensors")
        for words, data in damages(path.read_bytes(), [], setting.random, setting.many):

            def bear(
                path: Path = path, data: bytes = data, read: object = read, right: object = right
            ) -> None:
                with damaged(path, data):
                    require_same(read(), right, "what is read")  # type: ignore[operator]

            yield f"{path.name}: {words}", bear


def models(setting: Setting) -> Iterator[Fault]:
    """An ensemble and an exported model; the latter in a process of its own: it is native code."""
    torch.manual_seed(0)
    execute_run(prepare(setting.place, PLAIN), synthetic_faces(70))
    run = prepare(setting.place, PLAIN)
    folder, onnx = setting.place / "ensemble", setting.place / "model.onnx"
    Ensemble([run.load_classifier()] * 2).save(folder)
    export(run.folder, onnx)
    faces = np.zeros((2, 48, 48), np.uint8)

    def opened(path: Path, data: bytes) -> None:
        with damaged(path, data):
            goes(lambda: Ensemble.load(folder))

    def predicted(path: Path, data: bytes) -> None:
        with damaged(path, data):
            process = os.fork()
            if not process:
                code = 1
                try:
                    goes(lambda: load_pretrained(onnx).predict_proba(faces))
                    code = 0
                finally:
                    os._exit(code)
            assert os.waitpid(process, 0)[1] == 0, "a process ended badly"

    for path, bear in [*((p, opened) for p in sorted(folder.iterdir())), (onnx, predicted)]:
        for words, data in damages(path.read_bytes(), [], setting.random, setting.many):
            yield f"{path.name}: {words}", lambda p=path, d=data, bear=bear: bear(p, d)
