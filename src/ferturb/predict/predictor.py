"""Photos to faces to emotions.

    predictor = Predictor("clean")
    for photo in predictor.predict_files(["party.jpg", "holiday/"]):
        for face in photo.faces:
            print(photo.name, face.box, face.emotion, face.probabilities)

A photo's faces are found (`ferturb.predict.detection`), turned upright by their landmarks and cut
out as FER2013's faces are (`ferturb.predict.alignment`), and classified in batches. With
``cropped=True`` every image is one face already: nothing is searched for and none is dropped.
Everything runs on onnxruntime. A run folder's model, which needs torch, is opened by
`ferturb.export.torch_models.load_calibrated` and given as `Predictor(model)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, UInt8

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.predict.alignment import align, square
from ferturb.predict.altering import Alterer
from ferturb.predict.detection import SURE, Detector, make_detector
from ferturb.predict.geometry import applied
from ferturb.predict.hidden_features import FEATURES, hidden_features
from ferturb.predict.landmark_finder import FoundLandmarks, LandmarkFinder
from ferturb.predict.photos import (
    LIMITS,
    SUFFIXES,
    Limits,
    Photo,
    central_square,
    grey,
    photo_of,
    read_frames,
    whole_face,
)
from ferturb.predict.results import FacePrediction, PhotoPrediction
from ferturb.predict.shipped import SIDE, PretrainedModel, load_pretrained
from ferturb.predict.tracking import Tracker
from ferturb.predict.video import SUFFIXES as VIDEOS
from ferturb.predict.video import read_video

_TOGETHER = 16
"""Photos whose faces are classified together."""
_LIKELY_A_FACE = 0.3
"""Landmarks this sure confirm a box that the detector is unsure of."""
_NO_FACES = np.zeros((0, SIDE, SIDE), np.uint8)


@dataclass(frozen=True)
class _Cut:
    """A photo that was read, with the faces cut out of it; or why it was not read."""

    name: str
    error: str | None = None
    size: tuple[int, int] | None = None
    frame: int | None = None
    faces: UInt8[np.ndarray, "n 48 48"] = field(default_factory=lambda: _NO_FACES)
    boxes: Float32[np.ndarray, "n 4"] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    scores: Float32[np.ndarray, " n"] = field(default_factory=lambda: np.zeros(0, np.float32))
    places: tuple[Float[np.ndarray, "2 3"], ...] = ()
    """From each face's pixels to the photo's, as it is shown."""
    photo: Photo | None = None


class Predictor:
    """Finds faces and says which emotions they show; keeps its networks open."""

    def __init__(
        self,
        model: str | Path | PretrainedModel = "clean",
        detector: str | Detector = "centerface",
        *,
        threads: int | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        """`model`: a model, or what `load_pretrained` takes; `detector`: one of `DETECTORS`, or a
        function from RGB pixels to `Detections`."""
        given = isinstance(model, PretrainedModel)
        self.model = model if given else load_pretrained(model, threads)
        self.limits = limits
        self._detector = detector
        self._threads = threads

    def predict(self, photos: Iterable[Any], cropped: bool = False) -> list[PhotoPrediction]:
        """The faces of photos in memory: uint8 arrays (h, w), (h, w, 3) or (h, w, 4).

        Raises `FerturbError` for an array that is no photo.
        """
        cut = _whole if cropped else self._find
        return list(self._classified(cut(str(i), photo_of(a)) for i, a in enumerate(photos)))

    def predict_files(
        self,
        paths: Iterable[str | Path],
        cropped: bool = False,
        frames: bool = False,
        keep: bool = False,
        every: int = 1,
        smoothing: float = 0.5,
    ) -> Iterator[PhotoPrediction]:
        """The faces of photos in files, one result a photo, in order.

        Folders are searched for images; videos are read as `predict_video` reads them. What can't
        be read gives a result with an `error`, and the others go on. `cropped`: each image is one
        face, of which none is dropped. `frames` gives one result a frame of an animated file in
        place of one for its first. `keep` puts the photo into its result.
        """
        for is_video, group in groupby(files_of(paths), lambda p: p.suffix.lower() in VIDEOS):
            if not is_video:
                yield from self._photos(group, cropped, frames, keep)
                continue
            for path in group:
                try:
                    yield from self.predict_video(path, every, smoothing, keep)
                except FerturbError as error:
                    yield PhotoPrediction(str(path), error=str(error))

    def _photos(
        self, paths: Iterable[Path], cropped: bool, frames: bool, keep: bool
    ) -> Iterator[PhotoPrediction]:
        cut = _whole if cropped else self._find
        return self._classified(
            found for path in paths for found in _read(path, cut, frames, self.limits, keep)
        )

    def predict_video(
        self, source: str | Path | int, every: int = 1, smoothing: float = 0.5, keep: bool = False
    ) -> Iterator[PhotoPrediction]:
        """The faces of a video file's frames, or of the webcam with this number, followed over
        time: each face has a track, and its probabilities are averaged over `smoothing` seconds.

        `every`: look at each so-manieth frame. Needs OpenCV (`ferturb[video]`). What can't be
        opened raises `FerturbError`.
        """
        tracker = Tracker(smoothing, abstain_below=self.model.about.abstain_below)
        place = source if isinstance(source, int) else Path(source)
        for frame in read_video(place, every):
            cut = self._find(str(source), frame.photo, frame.number)
            for found in self._classified([replace(cut, photo=frame.photo if keep else None)]):
                faces = tracker.update(found.faces, frame.seconds)
                yield replace(found, faces=faces, seconds=frame.seconds)

    def predict_faces(self, faces: UInt8[np.ndarray, "n 48 48"]) -> list[FacePrediction]:
        """Faces that are cut out already, uint8 (n, 48, 48): one result each, in order."""
        cuts = (_whole(str(i), photo_of(face)) for i, face in enumerate(faces))
        return [photo.faces[0] for photo in self._classified(cuts)]

    def what_if(
        self,
        face: UInt8[np.ndarray, "48 48"],
        features: Sequence[str] | None = None,
        fill: str = "mean",
    ) -> dict[str, dict[str, float]]:
        """The probabilities of a face as it is ("") and with each facial feature left out.

        `features` None takes all that `Alterer.features` names; `fill` is "mean", "blur" or
        "black". An unknown feature or fill, or what is not a face, raises `FerturbError`.
        """
        names = self.alterer.features if features is None else tuple(features)
        points = self.finder(face[None]).points[0]
        without = self.alterer.left_out(face, points, [(name,) for name in names], fill)
        rows = self.model.predict_proba(np.concatenate([face[None], without]))
        return {name: _by_emotion(row) for name, row in zip(("", *names), rows, strict=True)}

    @cached_property
    def alterer(self) -> Alterer:
        """What leaves features out of faces and puts masks on; opened when it is first needed."""
        return Alterer(self._threads)

    @cached_property
    def finder(self) -> LandmarkFinder:
        """What finds landmarks; opened when it is first needed."""
        return LandmarkFinder(self._threads)

    @cached_property
    def detector(self) -> Detector:
        """What finds faces; opened when it is first needed."""
        if isinstance(self._detector, str):
            return make_detector(self._detector, self._threads)
        return self._detector

    def _find(self, name: str, photo: Photo, frame: int | None = None) -> _Cut:
        """The faces of a photo: boxes that are sure, or in which landmarks are found."""
        detections = self.detector(photo.pixels)
        aligned = align(grey(photo.pixels), detections.boxes, self.finder)
        kept = np.flatnonzero((detections.scores >= SURE) | (aligned.confidence >= _LIKELY_A_FACE))
        return _Cut(
            name,
            size=photo.size,
            frame=frame,
            faces=aligned.faces[kept],
            boxes=(detections.boxes[kept] * photo.scale).astype(np.float32),
            scores=detections.scores[kept],
            places=tuple(_shown(aligned.places[i], photo.scale) for i in kept),
        )

    def _classified(self, cuts: Iterable[_Cut]) -> Iterator[PhotoPrediction]:
        """Landmarks and emotions, for the faces of some photos at a time."""
        for chunk in _chunks(cuts, _TOGETHER):
            faces = np.concatenate([_NO_FACES, *(cut.faces for cut in chunk)])
            rows, found = self.model.predict_proba(faces), self.finder(faces)
            hidden = hidden_features(faces, found.points, found.errors)
            start = 0
            for cut in chunk:
                which = range(start, start + len(cut.faces))
                start = which.stop
                if cut.error is not None:
                    yield PhotoPrediction(cut.name, error=cut.error)
                    continue
                shown = tuple(
                    self._face(cut, i - which.start, found, i, rows[i], hidden[i]) for i in which
                )
                yield PhotoPrediction(cut.name, cut.size, shown, frame=cut.frame, photo=cut.photo)

    def _face(
        self,
        cut: _Cut,
        k: int,
        found: FoundLandmarks,
        i: int,
        row: Float32[np.ndarray, " 7"],
        hidden: Float[np.ndarray, " f"],
    ) -> FacePrediction:
        """Face k of a photo, which is face i of those looked at together."""
        sure = float(row.max()) >= self.model.about.abstain_below
        left, top, right, bottom = map(float, cut.boxes[k])
        return FacePrediction(
            box=(left, top, right, bottom),
            score=float(cut.scores[k]),
            landmarks=applied(cut.places[k], found.points[i]).astype(np.float32),
            landmark_confidence=float(found.confidence[i]),
            probabilities=_by_emotion(row),
            emotion=EMOTIONS[int(row.argmax())] if sure else None,
            hidden=dict(zip(FEATURES, map(float, hidden), strict=True))
            if found.confidence[i] > 0
            else None,
            face=cut.faces[k],
        )


_Cutter = Callable[[str, Photo, int | None], _Cut]


def files_of(paths: Iterable[str | Path]) -> Iterator[Path]:
    """Files as they are given, and the images in folders and their folders, by name."""
    for path in map(Path, paths):
        if path.is_dir():
            inside = (p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            yield from sorted(inside)
        else:
            yield path


def _read(path: Path, cut: _Cutter, frames: bool, limits: Limits, keep: bool) -> Iterator[_Cut]:
    """The cut photos of a file; an error ends the file, not the files."""
    try:
        for i, photo in enumerate(islice(read_frames(path, limits), None if frames else 1)):
            found = cut(str(path), photo, i if frames else None)
            yield replace(found, photo=photo) if keep else found
    except FerturbError as error:
        yield _Cut(str(path), error=str(error))


def _whole(name: str, photo: Photo, frame: int | None = None) -> _Cut:
    """A photo that is one face."""
    left, top, side = central_square(photo.size)
    box = np.array([[left, top, left + side, top + side]], np.float32)
    place = square(box[0], margin=1.0)
    return _Cut(
        name,
        size=photo.size,
        frame=frame,
        faces=whole_face(photo)[None],
        boxes=box,
        scores=np.ones(1, np.float32),
        places=(place,),
    )


def _shown(place: Float[np.ndarray, "2 3"], scale: float) -> Float[np.ndarray, "2 3"]:
    """A place in the photo as it was read, in the pixels of the photo as it is shown."""
    shown = place * scale
    shown[:, 2] += (scale - 1) / 2
    return shown


def _by_emotion(row: Float32[np.ndarray, " 7"]) -> dict[str, float]:
    return dict(zip(EMOTIONS, map(float, row), strict=True))


def _chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
