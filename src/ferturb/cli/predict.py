"""The verbs that use a trained model: `ferturb predict` and `ferturb export`."""

from __future__ import annotations

import csv as csv_format
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from ferturb.base.errors import FerturbError
from ferturb.cli.options import Json
from ferturb.predict.reading import READING, Reading

if TYPE_CHECKING:
    from ferturb.predict.results import PhotoPrediction
    from ferturb.predict.shipped import PretrainedModel


@dataclass(frozen=True)
class Shown:
    """What is shown and written of the predictions."""

    json: bool = False
    """Print a JSON list, one entry a photo or frame."""
    csv: bool = False
    """Print CSV, one row a face."""
    annotate: Path | None = None
    """A folder for copies with boxes, landmarks and emotions drawn on them."""
    landmarks: bool = False
    """Also put the 108 landmarks of each face into the JSON."""
    quiet: bool = False
    """Say nothing but results and errors."""


SHOWN = Shown()


@dataclass(frozen=True)
class Asked:
    """What a model's probabilities are of."""

    head: Literal["votes", "label"] | None = None
    """`votes`: how many of ten people would say so; `label`: FER2013's label (default: the votes,
    where the model learnt them)."""
    prior: tuple[str, ...] = ()
    """How frequent the emotions are taken to be: `wild` (as on photos from the web), `balanced`
    (all alike, for posed or unknown photos), or seven numbers for angry, disgust, fear, happy,
    sad, surprise, neutral (default: as where the model was calibrated)."""

    def of(self, model: PretrainedModel) -> PretrainedModel:
        """The model, asked for these."""
        from ferturb.predict.prior import prior_of

        model = model.with_head(self.head) if self.head else model
        return model.with_prior(prior_of(self.prior)) if self.prior else model


ASKED = Asked()


def predict(
    paths: Positional[tuple[Path, ...]] = (),
    /,
    *,
    model: str = "clean",
    detector: str = "centerface",
    webcam: int | None = None,
    asked: Annotated[Asked, arg(name="")] = ASKED,
    reading: Annotated[Reading, arg(name="")] = READING,
    shown: Annotated[Shown, arg(name="")] = SHOWN,
    threads: int | None = None,
) -> None:
    """Find the faces in photos, folders and videos, and say which emotions they show.

    A face whose most probable emotion is not sure enough is marked "?": the model doesn't know.
    A file that can't be read is reported, the others go on, and the exit code is 1 (2 where none
    can be read). Photos stay on this machine.

    Example: ferturb predict party.jpg holiday/ --annotate marked

    Args:
        paths: Photos, folders of photos, animations, videos.
        model: `clean`, `robust` or `tiny`, an ONNX file of `ferturb export`, a run folder, or
            `hf:OWNER/NAME` on the Hugging Face hub.
        detector: `centerface`, `haar` or `whole`.
        webcam: The number of a camera to watch, from 0, until Ctrl-C; needs `ferturb[video]`.
        threads: Threads of onnxruntime (default: all cores).
    """
    from ferturb.cli import terminal
    from ferturb.predict.files import find_files
    from ferturb.predict.predictor import Predictor

    if not paths and webcam is None:
        raise FerturbError("give photos, folders or videos to look at, or --webcam 0")
    predictor = Predictor(opened(model), detector, threads=threads)
    predictor.model = asked.of(predictor.model)
    files = find_files(paths)
    if not shown.quiet:
        terminal.notes(files.notes, terminal.errors)
    keep = shown.annotate is not None
    with terminal.working("reading faces", shown.quiet or webcam is not None) as progress:
        found = predictor.predict_files(files.paths, reading, keep)
        if webcam is not None:
            found = chain(found, predictor.predict_video(webcam, reading, keep))
        told = _Told(_with_progress(found, len(files.paths), progress), shown.annotate)
        _show(told, shown)
    if not files.paths and webcam is None:
        raise FerturbError(f"no photos in {', '.join(map(str, paths))}; give photos or videos")
    if told.exit_code:
        sys.exit(told.exit_code)


def export(
    model: Positional[str] = "clean",
    /,
    *,
    out: Path,
    format: Literal["float32", "float16", "int8"] = "float32",
    data: str | None = None,
    json: Json = False,
) -> None:
    """Write a model as one ONNX file: uint8 faces in, calibrated probabilities out.

    The file is compared with torch on synthetic faces, or on the test split of --data, where the
    accuracy of both is shown as well. int8 sets its ranges on --data's training faces.

    Example: ferturb export clean --format int8 --data fer2013.zip --out clean.onnx

    Args:
        model: `clean`, `robust` or `tiny`, or a run folder.
        out: The file to write.
        format: `float32`; `float16`, half the size; or `int8`, a quarter, and fast.
        data: A dataset to calibrate and compare on.
    """
    from ferturb.cli import terminal
    from ferturb.export.onnx import export_with_data

    found = export_with_data(model, out, format, data)
    if json:
        terminal.print_json(found.to_dict())
    else:
        terminal.facts(found.facts())


def opened(model: str) -> str | PretrainedModel:
    """What `Predictor` and `serve` take for a --model: a run folder is opened, with torch."""
    from ferturb.predict.shipped import NAMES

    if model in NAMES or not Path(model).expanduser().is_dir():
        return model
    from ferturb.export.torch_models import load_calibrated

    return load_calibrated(model)


class _Told:
    """The same predictions as they come; errors are said at once, and counted."""

    def __init__(self, photos: Iterable[PhotoPrediction], annotate: Path | None) -> None:
        self.photos, self.annotate = photos, annotate
        self.failed: set[str] = set()
        self.good: set[str] = set()

    def __iter__(self) -> Iterator[PhotoPrediction]:
        from ferturb.cli import terminal

        for photo in self.photos:
            if self.annotate is not None and photo.photo is not None:
                photo = _written(photo, self.annotate)
            if photo.error is not None:
                terminal.error(f"{photo.name}: {photo.error}")
            (self.good if photo.error is None else self.failed).add(photo.name)
            yield photo

    @property
    def exit_code(self) -> int:
        """0 where all went well, 1 where something failed, 2 where nothing went well."""
        return 2 if not self.good else int(bool(self.failed))


def _written(photo: PhotoPrediction, folder: Path) -> PhotoPrediction:
    """Write a photo's annotated copy; what goes wrong is this photo's error."""
    from ferturb.predict.annotation import write_annotated

    try:
        write_annotated(photo, folder)
    except FerturbError as error:
        return replace(photo, error=str(error))
    return photo


def _with_progress(
    photos: Iterable[PhotoPrediction], files: int, progress: Callable[[int, int], None]
) -> Iterator[PhotoPrediction]:
    seen: set[str] = set()
    for photo in photos:
        seen.add(photo.name)
        progress(len(seen), files)
        yield photo


def _show(photos: Iterable[PhotoPrediction], shown: Shown) -> None:
    """Print every prediction as it comes."""
    from ferturb.cli import terminal
    from ferturb.predict.annotation import sentence

    if shown.json:
        _print_json(photos, shown.landmarks)
    elif shown.csv:
        _print_csv(photos)
    else:
        for photo in photos:
            if photo.size is not None:
                terminal.line(sentence(replace(photo, error=None)))


def _print_json(photos: Iterable[PhotoPrediction], landmarks: bool) -> None:
    """A JSON list that is written as it grows, so that a long one can be read along.

    It is whole however the predictions end.
    """
    from ferturb.cli import terminal

    start = "["
    try:
        for photo in photos:
            sys.stdout.write(f"{start}\n {terminal.json_text(photo.to_dict(landmarks))}")
            sys.stdout.flush()
            start = ","
    finally:
        sys.stdout.write("\n]\n" if start == "," else "[]\n")


def _print_csv(photos: Iterable[PhotoPrediction]) -> None:
    from ferturb.predict.tabular import COLUMNS, rows_of

    writer = csv_format.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for photo in photos:
        writer.writerows(rows_of(photo))
        sys.stdout.flush()
