"""Run folders: what one training leaves on disk, and the only way to read it.

    run/
      config.json             the RunConfig
      run.json                what ran it and how it went (versions, commit, data, hardware, time)
      history.csv             one row an epoch
      progress.json           where a running training is
      log.txt                 what a process of its own that trains it has printed
      checkpoint.safetensors  the state between two epochs (removed when the run is done)
      model.safetensors       the best epoch's weights, chosen on validation
      clusters.safetensors    the cluster map of each epoch (methods that have one), and how many
                              attention maps said nothing
      logits.npz              per-face logits: labels_SPLIT, votes_SPLIT, [HEAD_]SPLIT_AUGMENTATION
      analyses/NAME.npz       what was found out about the run later (ablation, saliency, tests on
                              other faces), and how

A run is done when logits.npz, the last file to be written, and run.json are there and sound;
everything is written atomically, and read through `ferturb.runs.contents`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ferturb.base.checks import require_kind, require_path
from ferturb.base.config import RunConfig
from ferturb.base.errors import FerturbError
from ferturb.base.reading import each_opened, is_there, reading
from ferturb.base.storage import read_object, write_arrays, write_json, write_rows
from ferturb.base.tabular import Rows
from ferturb.base.text import encodable
from ferturb.models.classifier import Classifier
from ferturb.perturb.methods import METHODS, source_at_test_time
from ferturb.perturb.view_classifier import model_at_test_time
from ferturb.runs import contents
from ferturb.training.checkpoint import Epoch
from ferturb.training.files import CHECKPOINT, CLUSTERS, MODEL, TrainingFiles

LOGITS = "logits.npz"
ANALYSES = "analyses"


@dataclass(frozen=True)
class Run:
    """One run folder, finished or not."""

    folder: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", require_path("a run's folder", self.folder))

    @staticmethod
    def create(folder: Path, config: RunConfig) -> Run:
        """Open the folder for this config, making it where needed.

        A folder that already holds a run of another config raises `FerturbError`: runs are never
        overwritten.
        """
        run, path = Run(folder), Run(folder).folder / "config.json"
        if not path.exists():
            write_json(path, require_kind("config", config, RunConfig).to_dict())
        elif run.config != config:
            raise FerturbError(
                f"{folder} already holds another run ({run.config.fingerprint()}, not "
                f"{config.fingerprint()}); give another folder or remove that one"
            )
        return run

    @staticmethod
    def open(folder: Path) -> Run:
        """An existing run folder; anything else raises `FerturbError`."""
        if not is_there(Run(folder).folder / "config.json"):
            raise FerturbError(
                f"{folder} is not a run folder (it has no config.json); "
                "give a folder that `ferturb train` or `ferturb study` wrote"
            )
        return Run(folder)

    @cached_property
    def config(self) -> RunConfig:
        """What was, or is to be, trained."""
        path = self.folder / "config.json"
        with reading(path, "the config of a run", "restore it, or remove its folder"):
            return RunConfig.from_dict(read_object(path))

    @property
    def name(self) -> str:
        """The folder's name, as text that every file takes."""
        return encodable(self.folder.name)

    @property
    def done(self) -> bool:
        """Whether the training went to its end and its record and logits can be read."""
        try:
            self.require_done()
        except FerturbError:
            return False
        return True

    def require_done(self) -> Run:
        """This run, if it is finished and sound; else `FerturbError` says how to go on with it."""
        go_on = f"go on with `ferturb train --resume {self.folder}`"
        if not all((self.folder / name).exists() for name in ("run.json", LOGITS)):
            raise FerturbError(f"{self.folder} is not finished; {go_on}")
        try:
            _ = self.config, self.record(finished=True)
            contents.read_logits(self.folder / LOGITS)
        except FerturbError as error:
            raise FerturbError(f"{self.folder} is damaged: {error}; or {go_on}") from error
        return self

    @property
    def has_model(self) -> bool:
        """Whether an epoch's weights are there; a run that was copied may be without."""
        return (self.folder / MODEL).exists()

    def record(self, finished: bool = False) -> dict[str, Any]:
        """run.json (`ferturb.runs.contents.Record`); with `finished` it names a best epoch."""
        return contents.read_record(self.folder / "run.json", finished)

    @property
    def log(self) -> Path:
        """The file that takes what a process prints that trains this run alone."""
        return self.folder / "log.txt"

    def history(self) -> Rows[dict[str, float]]:
        """One dict an epoch, with the fields of `ferturb.training.checkpoint.Epoch`."""
        return Rows(map(asdict, contents.read_history(self.folder / "history.csv")))

    def complete_history(self) -> list[Epoch]:
        """The history of a training that went to its end and whose model is sound; [] of others."""
        try:
            history = contents.read_history(self.folder / "history.csv")
            fits = self.load_classifier().config == self.config.model
        except FerturbError:
            return []
        return history if fits and len(history) == self.config.recipe.epochs else []

    def write_history(self, history: Sequence[Epoch]) -> None:
        """Replace history.csv."""
        columns = [f.name for f in fields(Epoch)]
        write_rows(self.folder / "history.csv", [asdict(epoch) for epoch in history], columns)

    def progress(self) -> dict[str, int | float]:
        """Where the training is: epoch, epochs, step, steps, faces_per_second; {} before."""
        return contents.read_progress(self.folder / "progress.json")

    def write_progress(self, progress: Mapping[str, Any]) -> None:
        """Replace progress.json."""
        write_json(self.folder / "progress.json", dict(progress))

    def logits(
        self, split: str, augmentation: str, head: str | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(labels (n,), logits (n, 7)) of a split ("validation", "test"), in the dataset's order.

        `head` None is the network's first one. KeyError when that combination was not stored.
        """
        arrays, which = contents.read_logits(self.folder / LOGITS), self.config.model.prefix(head)
        labels, logits = arrays[f"labels_{split}"], arrays[f"{which}{split}_{augmentation}"]
        return labels.astype(np.int64), logits.astype(np.float32)

    def votes(self, split: str) -> NDArray[np.int64] | None:
        """Ten people's votes (n, 10) on a split's faces; None where the data had none."""
        found = contents.read_logits(self.folder / LOGITS).get(f"votes_{split}")
        return None if found is None else found.astype(np.int64)

    def augmentations(self) -> tuple[str, ...]:
        """The test-time augmentations whose logits are stored."""
        names = [n for n in contents.read_logits(self.folder / LOGITS) if n.startswith("test_")]
        return tuple(name.removeprefix("test_") for name in names)

    def cluster_maps(self) -> NDArray[np.int64] | None:
        """The cluster map of each epoch, (epochs, h, w), 0 … K−1; None if the method has none."""
        return contents.read_maps(self.folder / CLUSTERS)

    def load_classifier(self) -> Classifier:
        """The best epoch's network, without test-time views."""
        return Classifier.load(self.folder / MODEL)

    def load_model(self, *heads: str | None) -> nn.Module:
        """The kept model with summed views if its method has them, answering with these heads."""
        classifier = self.load_classifier().answering(*(heads or self.config.model.heads[:1]))
        maps, method = self.cluster_maps(), self.config.method
        if maps is None and METHODS[method.name].map_source and method.test_views:
            raise FerturbError(f"{self.folder} has no {CLUSTERS}, whose views it sums; restore it")
        if maps is None:
            return classifier
        best = self.record(finished=True)["best_epoch"]
        chosen = torch.from_numpy(contents.of_epoch(list(maps), best, self.folder / CLUSTERS))
        source = source_at_test_time(method, chosen, self.load_attention)
        return model_at_test_time(method, classifier, chosen, source)

    def load_attention(self) -> Classifier | None:
        """The network of the attention run (phase 1) that this run takes its clusters from.

        None if it has none. The attention run lies beside this one; `FerturbError` when it is
        missing or not finished.
        """
        if self.config.attention_run is None:
            return None
        return self._needed(self.config.attention_run, "attention run").load_classifier()

    def evaluated(self) -> Run | None:
        """The finished run whose network this one measures; None if this one trains its own."""
        name = self.config.evaluates
        return None if name is None else self._needed(name, "run to evaluate")

    def initial(self) -> Run | None:
        """The finished run whose weights this one starts from; None if from random ones."""
        name = self.config.initial_weights
        return None if name is None else self._needed(name, "run to start from")

    def training_files(self, writes: bool = True) -> TrainingFiles:
        """What the training loop writes into this run, or only reads."""
        return TrainingFiles(self.folder, self.config.fingerprint(), writes)

    def best_epoch(self) -> Epoch:
        """The epoch of a finished run whose weights were kept."""
        path, best = self.folder / "history.csv", self.record(finished=True)["best_epoch"]
        return contents.of_epoch(contents.read_history(path), best, path)

    def load_teachers(self) -> tuple[nn.Module, ...]:
        """The models of the runs that teach this one, each with the heads that this one has."""
        teachers = [self._needed(name, "teacher") for name in self.config.teachers]
        return tuple(teacher.load_model(*self.config.model.heads) for teacher in teachers)

    def _needed(self, name: str, what: str) -> Run:
        """Another run that this one needs, by its folder from this one's parent."""
        other = Run.open(self.folder.parent / name)
        if not (other.folder / LOGITS).exists():
            raise FerturbError(
                f"{self.name} needs the {what} {other.name} finished; train that first"
            )
        return other.require_done()

    def store_analysis(
        self, name: str, arrays: Mapping[str, NDArray[np.generic]], record: Mapping[str, Any]
    ) -> None:
        """Keep what an analysis of this run found, and the record of what it is of, in one file.

        Names are lower-case words and hyphens; the same name again replaces the earlier one.
        """
        contents.write_analysis(self.analysis_path(name), arrays, record)

    def analysis(self, name: str) -> tuple[dict[str, NDArray[np.generic]], dict[str, Any]] | None:
        """The arrays and the record that `store_analysis` kept under a name; None without them."""
        path = self.analysis_path(name)
        return contents.read_analysis(path) if path.exists() else None

    def analysis_path(self, name: str) -> Path:
        """The file of an analysis, there or not."""
        return self.folder / ANALYSES / f"{name}.npz"

    def analyses(self) -> tuple[str, ...]:
        """The names of the analyses that are kept, in order."""
        return tuple(sorted(p.stem for p in (self.folder / ANALYSES).glob("*.npz")))

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Replace run.json."""
        write_json(self.folder / "run.json", dict(record))

    def finish(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Store the logits and drop what only a running training needs; the run is done then."""
        write_arrays(self.folder / LOGITS, arrays)
        (self.folder / CHECKPOINT).unlink(missing_ok=True)
        (self.folder / "progress.json").unlink(missing_ok=True)


def run_folder_name(config: RunConfig) -> str:
    """A readable name that is the run's alone: model-method-recipe-sSEED-fingerprint."""
    c = config
    return f"{c.model.name}-{c.method.name}-{c.recipe.name}-s{c.seed}-{c.fingerprint()[:6]}"


def find_runs(folder: Path) -> list[Run]:
    """Every run folder below a folder (or the folder itself), by name."""
    return [Run(path.parent) for path in sorted(folder.rglob("config.json"))]


def finished_runs(folders: Sequence[Path], refused: list[str] | None = None) -> list[Run]:
    """The runs of these folders; `FerturbError` for none, or one that is not finished and sound.

    With `refused` what is said of such a one goes there, as long as there are others.
    """
    if not folders:
        raise FerturbError(
            "give at least one run folder, e.g. runs/compact-baseline-fast-s0-1a2b3c"
        )
    return each_opened(folders, lambda folder: Run.open(folder).require_done(), refused)
