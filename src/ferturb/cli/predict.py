"""The verbs that use a trained model: `ferturb predict` and `ferturb export`."""

from __future__ import annotations

import csv as csv_format
import json as json_format
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional
from tyro.extras import SubcommandApp

from ferturb.base.errors import FerturbError
from ferturb.cli.options import Json

if TYPE_CHECKING:
    from ferturb.predict.predictor import Predictor
    from ferturb.predict.results import PhotoPrediction
    from ferturb.predict.shipped import PretrainedModel


def register(app: SubcommandApp) -> None:
    """Add these verbs to the command line."""
    app.command(predict)
    app.command(export)


def predict(
    paths: Positional[tuple[Path, ...]] = (),
    /,
    *,
    model: str = "clean",
    cropped: bool = False,
    json: Json = False,
    csv: bool = False,
    annotate: Path | None = None,
    frames: bool = False,
    webcam: int | None = None,
    every: int = 1,
    smoothing: float = 0.5,
    detector: str = "centerface",
    landmarks: bool = False,
    threads: int | None = None,
    quiet: bool = False,
) -> None:
    """Find the faces in photos, folders and videos, and say which emotions they show.

    A face whose most probable emotion is not sure enough is marked "?": the model doesn't know.
    A file that can't be read is reported, and the others go on. Photos stay on this machine.

    Example: ferturb predict party.jpg holiday/ --annotate marked

    Args:
        paths: Photos, folders of photos, animations, videos.
        model: `clean`, `robust` or `tiny`, an ONNX file of `ferturb export`, or a run folder.
        cropped: Each image is one face already; none is dropped.
        json: Print a JSON list, one entry a photo or frame.
        csv: Print CSV, one row a face.
        annotate: A folder for copies with boxes, landmarks and emotions drawn on them.
        frames: Every frame of animated files, in place of the first.
        webcam: The number of a camera to watch, from 0, until Ctrl-C; needs `ferturb[video]`.
        every: Of a video, look at each so-manieth frame.
        smoothing: Of a video, the seconds over which a face's emotions are averaged.
        detector: `centerface`, `haar` or `whole`.
        landmarks: Also put the 108 landmarks of each face into the JSON.
        threads: Threads of onnxruntime (default: all cores).
        quiet: Say nothing but results and errors.
    """
    from ferturb.cli import terminal
    from ferturb.predict.annotation import write_annotated
    from ferturb.predict.predictor import Predictor, files_of

    if not paths and webcam is None:
        raise FerturbError("give photos, folders or videos to look at, or --webcam 0")
    predictor = Predictor(opened(model), detector, threads=threads)
    files = list(files_of(paths))
    with terminal.reading(quiet or webcam is not None) as progress:

        def counted() -> Iterator[PhotoPrediction]:
            found = _predictions(predictor, files, webcam, cropped, frames, every, smoothing, keep)
            seen: set[str] = set()
            for photo in found:
                seen.add(photo.name)
                progress(len(seen), len(files))
                if annotate is not None and photo.photo is not None:
                    write_annotated(photo, annotate)
                yield photo

        keep = annotate is not None
        _show(counted(), len(files), json, csv, landmarks)


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
        json: Print the comparison as JSON.
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


def _predictions(
    predictor: Predictor,
    files: list[Path],
    webcam: int | None,
    cropped: bool,
    frames: bool,
    every: int,
    smoothing: float,
    keep: bool,
) -> Iterator[PhotoPrediction]:
    yield from predictor.predict_files(files, cropped, frames, keep, every, smoothing)
    if webcam is not None:
        yield from predictor.predict_video(webcam, every, smoothing, keep)


def _show(
    photos: Iterable[PhotoPrediction], files: int, json: bool, csv: bool, landmarks: bool
) -> None:
    """Print every prediction as it comes; a single file that can't be read is an error."""
    from ferturb.cli import terminal

    printers = {"json": _print_json, "csv": _print_csv, "lines": _print_lines}
    kind = "json" if json else "csv" if csv else "lines"
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

    printers[kind](readable(), landmarks)
    if failed and not good:
        more = f" (and {len(failed) - 1} more files)" if len(failed) > 1 else ""
        raise FerturbError(failed[0] + more)
    if kind == "lines":
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


def _print_csv(photos: Iterable[PhotoPrediction], landmarks: bool) -> None:
    from ferturb.predict.tabular import COLUMNS, rows_of

    writer = csv_format.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    for i, photo in enumerate(photos):
        if i == 0:
            writer.writeheader()
        writer.writerows(rows_of(photo))
        sys.stdout.flush()


def _print_lines(photos: Iterable[PhotoPrediction], landmarks: bool) -> None:
    from ferturb.cli import terminal
    from ferturb.predict.annotation import sentence

    for photo in photos:
        if photo.error is None:
            terminal.out.print(sentence(photo), markup=False, soft_wrap=True)
