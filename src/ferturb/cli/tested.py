"""Models on the faces that `ferturb evaluate` names: their stored logits, or new ones."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.cli.models import raster_of
from ferturb.cli.options import read_faces

if TYPE_CHECKING:
    import torch

    from ferturb.cli.evaluate import EvaluateOptions
    from ferturb.data.faces import Faces
    from ferturb.evaluation.other_data import Pair
    from ferturb.evaluation.votes import VoteMetrics
    from ferturb.models.wrapped import Wrapped
    from ferturb.runs.run import Run


class Tests:
    """Models tested as the options say; what they share is read and measured once."""

    def __init__(
        self, options: EvaluateOptions, first: DatasetConfig, device: torch.device, quiet: bool
    ) -> None:
        """`first`: the faces that the options name, else those of the first run."""
        self.options, self.first, self.device, self.quiet = options, first, device, quiet
        self._faces = lru_cache(maxsize=2)(partial(read_faces, quiet=quiet))
        self._own: dict[Path, dict[str, Pair]] = {}
        self._said: set[str] = set()

    def pair(self, model: Run | Wrapped) -> Pair:
        """Labels and logits of the faces that the options name."""
        from ferturb.runs.run import Run

        split, dataset = self.options.split, self._dataset(model)
        if not isinstance(model, Run):
            pair = self.asked(model, split)
        elif self.options.data is None and self.options.face_masks is None:
            pair = self.own(model)[split]
        else:
            pair = self._on(model, dataset)
        if not self.options.clean:
            return pair
        kept = self._uncopied(model, len(pair[0]), dataset).numpy()
        return pair[0][kept], pair[1][kept]

    def validation(self, model: Run | Wrapped) -> Pair:
        """Labels and logits of validation faces, by which members are chosen."""
        from ferturb.runs.run import Run

        if isinstance(model, Run):
            return self.own(model)["validation"]
        return self.asked(model, "validation")

    def asked(self, model: Wrapped, split: str) -> Pair:
        """Labels and logits of a model that keeps nothing."""
        from ferturb.cli import terminal
        from ferturb.models.test_time import predict_logits

        faces = self._faces(self._dataset(model)).split(split)
        if not len(faces):
            raise FerturbError(f"{faces.source} has no {split} faces; give another source or split")
        model = model.to(self.device)
        with terminal.working(f"{model.name}: {split}", self.quiet) as progress:
            parts: list[np.ndarray] = []
            for some in faces.images.split(1024):  # type: ignore[no-untyped-call]
                progress(sum(len(part) for part in parts), len(faces))
                found = predict_logits(model, some, self.options.augmentation, device=self.device)
                parts.append(found.numpy())
        return faces.labels.numpy(), np.concatenate(parts)

    def _dataset(self, model: Run | Wrapped) -> DatasetConfig:
        from ferturb.runs.run import Run

        options = self.options
        if options.data is None and options.face_masks is None:
            return model.config.dataset if isinstance(model, Run) else self.first
        masks = None if options.face_masks == "none" else options.face_masks
        raster = raster_of(model, self.first.source)
        return replace(self.first, face_masks=masks, **raster._asdict())

    def tested_faces(self, model: Run | Wrapped) -> Faces:
        """The faces that `pair` is of, with votes where --votes or the run has them."""
        options, dataset = self.options, self._dataset(model)
        votes = dataset.votes if options.votes is None else str(options.votes)
        faces = self._faces(replace(dataset, votes=votes)).split(options.split)
        if not options.clean:
            return faces
        return faces.select(self._uncopied(model, len(faces), dataset).nonzero().flatten())

    def people(self, model: Run | Wrapped, pair: Pair) -> VoteMetrics | None:
        """What a model scores by votes; None without them."""
        from ferturb.evaluation.votes import against_votes

        if self.options.votes is None and self._dataset(model).votes is None:
            return None
        votes = self.tested_faces(model).votes
        return None if votes is None else against_votes(votes.numpy(), pair[1])

    def called_masked(self, model: Run | Wrapped) -> float | None:
        """The share of the tested faces that a mask detector calls masked; None without one."""
        from ferturb.evaluation.mask_detector import called_masked
        from ferturb.runs.run import Run

        if not isinstance(model, Run) or model.config.method.name != "two-stage":
            return None
        called = called_masked(model.load_model(), self.tested_faces(model).images)
        return None if called is None else float(called.double().mean())

    def own(self, run: Run) -> dict[str, Pair]:
        """By split, labels and logits of the run's own faces, stored or measured now."""
        from ferturb.cli import terminal
        from ferturb.evaluation.other_data import TESTED, logits_on, measure_own, pair_of

        options, name, augmentation = self.options, run.folder, self.options.augmentation
        if name in self._own:
            return self._own[name]
        try:
            found = {s: logits_on(run, None, s, augmentation, options.head) for s in TESTED}
        except KeyError:
            faces = self._faces(run.config.dataset)
            with terminal.working(run.name, self.quiet) as progress:
                arrays = measure_own(
                    run, faces, augmentation, self.device, progress, options.store, options.head
                )
            prefix = run.config.model.prefix(options.head)
            found = {split: pair_of(arrays, split, augmentation, prefix) for split in TESTED}
        else:
            self._say(run)
        return self._own.setdefault(name, found)

    def _say(self, run: Run) -> None:
        """What the source of a run's faces had to say when it was trained, each note once."""
        from ferturb.cli import terminal

        notes = [n for n in run.record().get("data", {}).get("notes", ()) if n not in self._said]
        self._said.update(notes)
        terminal.notes(notes, terminal.errors)

    def _on(self, run: Run, dataset: DatasetConfig) -> Pair:
        from ferturb.cli import terminal
        from ferturb.evaluation.other_data import altered_name, data_name, measure_on, pair_of

        options, faces = self.options, self._faces(dataset)
        name = altered_name(dataset) if options.data is None else data_name(faces)
        wanted = (options.augmentation,)
        with terminal.working(run.name, self.quiet) as progress:
            arrays = measure_on(
                run, faces, name, wanted, self.device, progress, options.store, options.head
            )
        prefix = run.config.model.prefix(options.head)
        return pair_of(arrays, options.split, options.augmentation, prefix)

    def _uncopied(self, model: Run | Wrapped, tested: int, dataset: DatasetConfig) -> torch.Tensor:
        """Which faces have no exact copy in training, before anything is done to them."""
        from ferturb.data.audit import copied
        from ferturb.data.faces import SPLITS

        whole = replace(dataset, face_masks=None, left_out=None, left_out_control=False)
        faces = self._faces(whole)
        kept = ~copied(faces)[faces.splits == SPLITS.index(self.options.split)]
        if len(kept) != tested:
            raise FerturbError(
                f"{model.name} was tested on {tested} faces of {self.options.split}, and "
                f"{faces.source} has {len(kept)} now; give --data to test it on those"
            )
        return kept
