"""The verbs that use a trained model: `ferturb predict` and `ferturb export`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from ferturb.base.config.fields import in_range
from ferturb.base.errors import FerturbError
from ferturb.cli.models import UNSAID, for_predictor, is_foreign, opened_alone
from ferturb.cli.models import ModelOptions as Form
from ferturb.cli.options import (
    Head,
    Json,
    LabelOrder,
    given,
    other_faces,
    read_faces,
    require_data,
)
from ferturb.cli.predictions import Shown, show, told
from ferturb.predict.reading import Reading

if TYPE_CHECKING:
    from ferturb.predict.predictor import Predictor


@dataclass(frozen=True)
class ModelOptions:
    """What answers, and from when on."""

    model: str = "clean"
    """`clean`, `robust` or `tiny`, an ONNX file, a run folder, `hf:OWNER/NAME` on the Hugging Face
    hub, or FILE.py:NAME (the file is run). One that ferturb didn't make needs torch, and --classes
    unless it says them itself."""
    head: Head | None = None
    """`votes`: how many of ten people would say so; `label`: FER2013's label (default: the votes,
    where the model learnt them)."""
    threshold: float | None = None
    """How probable an emotion has to be to be an answer, 0 to 1 (default: the model's own)."""
    prior: tuple[str, ...] = ()
    """How frequent the emotions are taken to be: `wild` (as on photos from the web), `balanced`
    (all alike, for posed or unknown photos), or seven numbers for angry, disgust, fear, happy, sad,
    surprise, neutral (default: as where the model was calibrated)."""
    detector: str = "centerface"
    """What finds faces: `centerface`, `haar` or `whole`."""
    threads: int | None = None
    """Threads of onnxruntime (default: all cores)."""
    form: OmitArgPrefixes[Form] = UNSAID

    def predictor(self, quiet: bool = False) -> Predictor:
        """What predicts so; `FerturbError` for what there is not. Notes are said unless `quiet`."""
        from ferturb.predict.predictor import Predictor
        from ferturb.predict.prior import prior_of

        model = for_predictor(self.model, self.form, self.threads, quiet)
        predictor = Predictor(model, self.detector, threads=self.threads)
        if self.head is not None:
            predictor.model = predictor.model.with_head(self.head)
        if self.prior:
            predictor.model = predictor.model.with_prior(prior_of(self.prior))
        if self.threshold is not None:
            predictor.model = predictor.model.with_threshold(self.threshold)
        return predictor


@dataclass(frozen=True)
class ManyOptions:
    """Prediction over more files than one sitting looks at."""

    out: Path | None = None
    """A folder for parquet files, one row a face, in place of what is printed; PATHS may then be
    parquet files of photos too. Stopped, it goes on when the same command is given again."""
    executor: Literal["local", "ray"] = "local"
    """What computes: processes of this machine, or actors of a Ray cluster (RAY_ADDRESS, or one
    that is started here; the extra `ray`)."""
    workers: int | None = None
    """Processes or actors, each of one thread (default: one a core)."""
    column: str | None = None
    """The column of parquet files that holds the photos (default: `image`, `pixels`, …)."""
    piece: int = 1000
    """Photos that are done, and kept, together."""

    def __post_init__(self) -> None:
        in_range("piece", self.piece, 1, 1_000_000)
        if self.workers is not None:
            in_range("workers", self.workers, 1, 4096)


def predict(
    paths: Positional[Annotated[tuple[Path, ...], arg(metavar="[PATH ...]")]] = (),
    /,
    *,
    webcam: int | None = None,
    model: OmitArgPrefixes[ModelOptions],
    reading: OmitArgPrefixes[Reading],
    shown: OmitArgPrefixes[Shown],
    many: OmitArgPrefixes[ManyOptions],
) -> None:
    """Find the faces in photos, folders and videos, and say which emotions they show.

    Faces are numbered as one reads: from left to right, row by row; in a video by person. One whose
    most probable emotion is not sure enough is marked "?": the model doesn't know. Photos stay on
    this machine.

    Exit codes: 0 where all went well; 1 where a file can't be read or a copy not written (it is
    reported, the others go on); 2 where none can be read, or the command is wrong; 130 after
    Ctrl-C.

    Example: ferturb predict party.jpg holiday/ --annotate marked

    Args:
        paths: Photos, folders of photos, animations, videos.
        webcam: The number of a camera to watch, from 0, until Ctrl-C; needs the extra `video`.
        model: What answers, and from when on.
        reading: How photos and videos are looked at.
        shown: What is shown and written of the predictions.
        many: Prediction over more files than one sitting looks at.
    """
    from ferturb.cli import terminal
    from ferturb.predict.files import find_files

    if not paths and webcam is None:
        raise FerturbError("give photos, folders or videos to look at, or --webcam 0")
    shown.check()
    if many.out is not None:
        if webcam is not None:
            raise FerturbError("--out takes photos, folders and parquet files, no --webcam")
        _into(many.out, many, paths, model, reading, shown)
        return
    if options := given(many, ManyOptions()):
        raise FerturbError(f"give --out FOLDER too, or leave {', '.join(options)} out")
    predictor = model.predictor(shown.quiet)
    files = find_files(paths)
    if not shown.quiet:
        terminal.notes(files.notes, terminal.errors)
    keep = shown.annotate is not None
    with terminal.working("reading faces", shown.quiet or webcam is not None) as progress:
        found = predictor.predict_files(files.paths, reading, keep)
        if webcam is not None:
            found = chain(found, predictor.predict_video(webcam, reading, keep))
        with told(found, shown.annotate, len(files.paths), progress) as photos:
            show(photos, shown)
    if not files.paths and webcam is None:
        raise FerturbError(f"no photos in {', '.join(map(str, paths))}; give photos or videos")
    if photos.exit_code:
        sys.exit(photos.exit_code)


def _into(
    out: Path,
    many: ManyOptions,
    paths: tuple[Path, ...],
    model: ModelOptions,
    reading: Reading,
    shown: Shown,
) -> None:
    """Predict into parquet files, and say how much."""
    from ferturb.base.threads import usable_cores
    from ferturb.cli import terminal
    from ferturb.predict.many.job import Work, predict_many
    from ferturb.predict.many.on_ray import on_ray
    from ferturb.predict.many.processes import in_processes

    if shown != Shown(json=shown.json, quiet=shown.quiet) or not paths:
        raise FerturbError(
            "--out takes photos, folders and parquet files, and writes all there is to say of "
            "them; of what is shown it goes with --json (a summary) and --quiet alone"
        )
    one = replace(model, threads=1)
    one.predictor(shown.quiet)  # what there is not is said before anything is begun
    work = Work(out, partial(one.predictor, quiet=True), reading, many.column)
    asked = {"paths": [str(path.absolute()) for path in paths], "piece": many.piece}
    asked |= {"model": asdict(one), "reading": asdict(reading), "column": many.column}
    executor = {"local": in_processes, "ray": on_ray}[many.executor]
    with terminal.working("reading faces", shown.quiet or shown.json) as progress:
        total = predict_many(
            [path.absolute() for path in paths],
            work,
            executor,
            many.workers or usable_cores(),
            json.loads(json.dumps(asked, default=str)),
            many.piece,
            progress,
            lambda notes: None if shown.quiet else terminal.notes(notes, terminal.errors),
        )
    if shown.json:
        terminal.print_json(vars(total))
    elif not shown.quiet and total.failed < total.photos:
        terminal.facts({"rows": f"{out}/part-*.parquet", "photos": total.photos})
    if total.failed:
        terminal.error(
            f"{total.failed} of {total.photos} photos can't be read; the column error in {out} "
            "says why"
        )
        sys.exit(2 if total.failed == total.photos else 1)


def export(
    model: Positional[Annotated[str, arg(metavar="[MODEL]")]] = "clean",
    /,
    *,
    out: Path,
    form: OmitArgPrefixes[Form],
    format: Literal["float32", "float16", "int8"] = "float32",
    data: str | None = None,
    label_order: LabelOrder = None,
    json: Json = False,
) -> None:
    """Write a model as one ONNX file: uint8 faces in, calibrated probabilities out.

    The file is compared with torch on synthetic faces, or on the test split of --data, where the
    accuracy of both is shown as well. int8 sets its ranges on --data's training faces. A foreign
    ONNX file or torch module becomes one that `ferturb predict` takes as its own, without torch.

    Example: ferturb export clean --format int8 --data fer2013.zip --out clean.onnx

    Args:
        model: `clean`, `robust` or `tiny`, a run folder, or a foreign model (see `benchmark`).
        out: The file to write.
        form: What a foreign model takes and gives.
        format: `float32`; `float16`, half the size; or `int8`, a quarter, and fast.
        data: A dataset to calibrate and compare on.
    """
    from ferturb.cli import terminal
    from ferturb.export.onnx import export_with_data

    require_data(data, label_order)
    faces = None if data is None else read_faces(other_faces(data, label_order), json)
    source = opened_alone(model, form) if is_foreign(model, form) else model
    found = export_with_data(source, out, format, faces)
    if json:
        terminal.print_json(found.to_dict())
    else:
        terminal.facts(found.facts())
