"""The verbs that use a trained model: `ferturb predict` and `ferturb export`."""

from __future__ import annotations

import csv as csv_format
import json as json_format
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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


def predict(
    paths: Positional[tuple[Path, ...]] = (),
    /,
    *,
    model: str = "clean",
    detector: str = "centerface",
    webcam: int | None = None,
    prior: tuple[str, ...] = (),
    reading: Annotated[Reading, arg(name="")] = READING,
    shown: Annotated[Shown, arg(name="")] = SHOWN,
    threads: int | None = None,
) -> None:
    """Find the faces in photos, folders and videos, and say which emotions they show.

    A face whose most probable emotion is not sure enough is marked "?": the model doesn't know.
    A file that can't be read is reported, and the others go on. Photos stay on this machine.

    Example: ferturb predict party.jpg holiday/ --annotate marked

    Args:
        paths: Photos, folders of photos, animations, videos.
        model: `clean`, `robust` or `tiny`, an ONNX file of `ferturb export`, or a run folder.
        detector: `centerface`, `haar` or `whole`.
        webcam: The number of a camera to watch, from 0, until Ctrl-C; needs `ferturb[video]`.
        prior: How frequent the emotions are taken to be: `wild` (as on photos from the web),
            `balanced` (all alike, for posed or unknown photos), or seven numbers for angry,
            disgust, fear, happy, sad, surprise, neutral (default: as where the model was
            calibrated).
        threads: Threads of onnxruntime (default: all cores).
    """
    from ferturb.cli import terminal
    from ferturb.predict.predictor import Predictor, files_of
    from ferturb.predict.prior import prior_of

    if not paths and webcam is None:
        raise FerturbError("give photos, folders or videos to look at, or --webcam 0")
    predictor = Predictor(opened(model), detector, threads=threads)
    if prior:
        predictor.model = predictor.model.with_prior(prior_of(prior))
    files = list(files_of(paths))
    keep = shown.annotate is not None
    with terminal.working("reading faces", shown.quiet or webcam is not None) as progress:
        found = predictor.predict_files(files, reading, keep)
        if webcam is not None:
            found = chain(found, predictor.predict_video(webcam, reading, keep))
        _show(_counted(found, len(files), shown.annotate, progress), len(files), shown)


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


def _counted(
    photos: Iterable[PhotoPrediction],
    files: int,
    annotate: Path | None,
    progress: Callable[[int, int], None],
) -> Iterator[PhotoPrediction]:
    """The same predictions; each moves the progress bar and has its annotated copy written."""
    from ferturb.predict.annotation import write_annotated

    seen: set[str] = set()
    for photo in photos:
        seen.add(photo.name)
        progress(len(seen), files)
        if annotate is not None and photo.photo is not None:
            write_annotated(photo, annotate)
        yield photo


def _show(photos: Iterable[PhotoPrediction], files: int, shown: Shown) -> None:
    """Print every prediction as it comes; a single file that can't be read is an error."""
    from ferturb.cli import terminal
    from ferturb.predict.annotation import sentence

    failed: list[str] = []
    good = 0

    def readable() -> Iterator[PhotoPrediction]:
        nonlocal good
        for photo in photos:
            if photo.error is None:
                good += 1
            else:
                failed.append(f"{photo.name}: {photo.error}")
                if files == 1:
                    return
            yield photo

    if shown.json:
        _print_json(readable(), shown.landmarks)
    elif shown.csv:
        _print_csv(readable())
    else:
        for photo in readable():
            if photo.error is None:
                terminal.out.print(sentence(photo), markup=False, soft_wrap=True)
    if failed and not good:
        more = f" (and {len(failed) - 1} more files)" if len(failed) > 1 else ""
        raise FerturbError(failed[0] + more)
    if not shown.json and not shown.csv:
        terminal.notes(failed)


def _print_json(photos: Iterable[PhotoPrediction], landmarks: bool) -> None:
    """A JSON list that is written as it grows, so that a long one can be read along."""
    start = "["
    for photo in photos:
        sys.stdout.write(start + "\n " + json_format.dumps(photo.to_dict(landmarks)))
        sys.stdout.flush()
        start = ","
    if start == ",":
        sys.stdout.write("\n]\n")


def _print_csv(photos: Iterable[PhotoPrediction]) -> None:
    from ferturb.predict.tabular import COLUMNS, rows_of

    writer = csv_format.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    for i, photo in enumerate(photos):
        if i == 0:
            writer.writeheader()
        writer.writerows(rows_of(photo))
        sys.stdout.flush()
