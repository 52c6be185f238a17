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
from dataclasses import replace
from functools import cached_property, partial
from itertools import chain, groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ferturb.base.cells import picture_of
from ferturb.base.config import choose
from ferturb.base.decode import FACE_SIZE, LIMITS, Limits
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.tabular import Rows
from ferturb.predict.abstention import answered
from ferturb.predict.altering import Alterer
from ferturb.predict.crops import Crop, found_crops, whole_crop
from ferturb.predict.detection import DETECTORS, Detector, make_detector
from ferturb.predict.files import find_files
from ferturb.predict.geometry import applied
from ferturb.predict.hidden_features import FEATURES, hidden_features
from ferturb.predict.hub import PREFIX, require_repository
from ferturb.predict.landmark_finder import LandmarkFinder
from ferturb.predict.onnx_session import threads_of
from ferturb.predict.photos import Photo, faces_of, name_of, photo_from, photos_of, read_frames
from ferturb.predict.reading import READING, Reading
from ferturb.predict.results import FacePrediction, PhotoPrediction, Predictions
from ferturb.predict.sharing import shared_out
from ferturb.predict.shipped import PretrainedModel, load_pretrained
from ferturb.predict.tracking import Tracker
from ferturb.predict.video import SUFFIXES as VIDEOS
from ferturb.predict.video import checked, read_video

if TYPE_CHECKING:
    from jaxtyping import Float, Float32, UInt8

_TOGETHER = 16
"""Photos whose faces are classified together."""

_Seen = tuple[PhotoPrediction, tuple[Crop, ...]]
"""What is known of a photo before its faces are classified: the answer without them."""

_Looking = Callable[[Detector | None], Iterator[_Seen]]
"""Looks at a photo, with a detector if the predictor's own is not to be used."""


class Predictor:
    """Finds faces and predicts their emotions; keeps its networks open."""

    def __init__(
        self,
        model: str | Path | PretrainedModel = "clean",
        detector: str | Detector = "centerface",
        *,
        threads: int | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        """`model`: a model, or what `load_pretrained` takes; `detector`: one of `DETECTORS`, or a
        function from RGB pixels to `Detections`; `limits`: what a file may be at most."""
        if not isinstance(model, PretrainedModel):
            model = load_pretrained(model, threads)
        if not callable(detector):
            choose("detector", detector, DETECTORS)
        self.model = model
        self.limits = limits
        self._detector, self._threads = detector, threads

    @classmethod
    def from_pretrained(
        cls, repository: str, *, revision: str | None = None, **options: Any
    ) -> Predictor:
        """A predictor with the model that `ferturb push` put on the Hugging Face hub.

        `repository`: OWNER/NAME; `revision`: a branch, tag or commit; `options`: those of
        `Predictor`. What can't be had raises `FerturbError`.
        """
        name = f"{PREFIX}{require_repository(repository)}" + (f"@{revision}" if revision else "")
        return cls(name, **options)

    def predict(self, photos: Any, cropped: bool = False) -> Predictions:
        """The faces of one photo or of many, one result a photo, in order.

        A photo is a path, a file's bytes, a picture of Pillow, or a uint8 array (h, w), (h, w, 3)
        or (h, w, 4). The first that can't be read raises `FerturbError`; `predict_files` goes on,
        and reads folders and videos. `cropped`: each photo is one face already.
        """
        listed = enumerate(photos_of(photos))
        looks = (partial(self._opened, name_of(p, i), p, cropped) for i, p in listed)
        return Predictions(self._classified(self._looked(looks, cropped)))

    def predict_stored(
        self, photos: Iterable[tuple[str, Any]], cropped: bool = False
    ) -> Iterator[PhotoPrediction]:
        """The faces of photos that lie in a table: each a name and a cell (`ferturb.base.cells`).
        What can't be read gives a result with an `error`, and the others go on."""
        looks = (partial(self._stored, *photo, cropped) for photo in photos)
        return self._classified(self._looked(looks, cropped))

    def predict_files(
        self,
        paths: str | Path | Iterable[str | Path],
        reading: Reading = READING,
        keep: bool = False,
    ) -> Iterator[PhotoPrediction]:
        """The faces of photos in files, one result a photo, in order.

        Folders are searched for images; videos are read as `predict_video` reads them. What can't
        be read gives a result with an `error`, and the others go on. With `reading.frames` an
        animated file gives one result a frame. `keep` puts the photo into its result. What is no
        path raises `FerturbError` at once.
        """
        return self._predicted(find_files(paths).paths, reading, keep)

    def _predicted(
        self, files: Iterable[Path], reading: Reading, keep: bool
    ) -> Iterator[PhotoPrediction]:
        for is_video, group in groupby(files, lambda p: p.suffix.lower() in VIDEOS):
            if not is_video:
                looks = (partial(self._read, path, reading, keep) for path in group)
                alone = reading.cropped or reading.frames  # frames come one by one
                yield from self._classified(self._looked(looks, alone))
                continue
            for path in group:
                try:
                    yield from self._watched(path, reading, keep)
                except FerturbError as error:
                    yield self._begun(str(path), error=str(error).removeprefix(f"{path} "))

    def predict_video(
        self, source: str | Path | int, reading: Reading = READING, keep: bool = False
    ) -> Iterator[PhotoPrediction]:
        """The faces of a video file's frames, or of the webcam with this number, followed over
        time: each face has a track, and its probabilities are averaged over `reading.smoothing`
        seconds.

        Needs OpenCV (the extra `video`). What is no path and no number raises `FerturbError` at
        once, what can't be opened when the first frame is asked for.
        """
        return self._watched(checked(source), reading, keep)

    def _watched(
        self, source: Path | int, reading: Reading, keep: bool
    ) -> Iterator[PhotoPrediction]:
        tracker = Tracker(reading.smoothing, abstain_below=self.model.about.abstain_below)
        for frame in read_video(source, reading.every):
            seen = self._look(str(source), frame.photo, frame=frame.number, keep=keep)
            for found in self._classified([seen]):
                faces = tracker.update(found.faces, frame.seconds)
                yield replace(found, faces=faces, seconds=frame.seconds)

    def predict_faces(self, faces: UInt8[np.ndarray, "n 48 48"]) -> Rows[FacePrediction]:
        """Faces that are cut out already, uint8 (n, 48, 48): one result each, in order."""
        return Rows(photo.faces[0] for photo in self.predict(faces_of(faces), cropped=True))

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
        named = (features,) if isinstance(features, str) else features
        names = self.alterer.features if named is None else tuple(named)
        (face,) = faces_of([face])
        points = self.finder(face[None]).points[0]
        without = self.alterer.left_out(face, points, [(name,) for name in names], fill)
        rows = self.model.predict_proba(np.concatenate([face[None], without]))
        of = (dict(zip(EMOTIONS, row.tolist(), strict=True)) for row in rows)
        return dict(zip(("", *names), of, strict=True))

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

    def _looked(self, looks: Iterable[_Looking], alone: bool = False) -> Iterator[_Seen]:
        """What these see, in order; several at a time, but for photos that are faces and for
        detectors from elsewhere, which may not bear it."""
        threads = threads_of(self._threads)
        if alone or threads < 2 or not isinstance(self._detector, str):
            yield from chain.from_iterable(look(None) for look in looks)
            return
        detector, waiting = make_detector(self._detector, 1), iter(looks)
        while some := list(islice(waiting, _TOGETHER)):
            if len(some) == 1:
                yield from some[0](None)
            else:
                seen = shared_out(lambda look: list(look(detector)), some, threads)
                yield from chain.from_iterable(seen)

    def _read(
        self, path: Path, reading: Reading, keep: bool, detector: Detector | None
    ) -> Iterator[_Seen]:
        """The photos of a file; an error ends the file, not the files."""
        frames = read_frames(path, self.limits)
        try:
            for i, photo in enumerate(islice(frames, None if reading.frames else 1)):
                number, cropped = i if reading.frames else None, reading.cropped
                yield self._look(str(path), photo, cropped, number, keep, detector)
        except FerturbError as error:
            yield self._begun(str(path), error=str(error)), ()

    def _opened(
        self, name: str, source: Any, cropped: bool, detector: Detector | None
    ) -> Iterator[_Seen]:
        """A photo in memory, or the file that a path names."""
        yield self._look(name, photo_from(source, self.limits), cropped, detector=detector)

    def _stored(
        self, name: str, cell: Any, cropped: bool, detector: Detector | None
    ) -> Iterator[_Seen]:
        """The photo of a cell; an error is what there is to say of it."""
        try:
            yield from self._opened(name, picture_of(cell), cropped, detector)
        except FerturbError as error:
            yield self._begun(name, error=str(error)), ()

    def _look(
        self,
        name: str,
        photo: Photo,
        cropped: bool = False,
        frame: int | None = None,
        keep: bool = False,
        detector: Detector | None = None,
    ) -> _Seen:
        """A photo and the faces cut out of it; by another detector than the own one, if given."""
        kept = photo if keep else None
        answer = self._begun(name, size=photo.size, frame=frame, photo=kept)
        if cropped:
            return answer, (whole_crop(photo),)
        return answer, found_crops(photo, detector or self.detector, self.finder)

    def _begun(self, name: str, **known: Any) -> PhotoPrediction:
        about = self.model.about
        known |= {"model": about.name, "head": about.head, "threshold": about.abstain_below}
        return PhotoPrediction(name, **known)

    def _classified(self, looked_at: Iterable[_Seen]) -> Iterator[PhotoPrediction]:
        """Landmarks and emotions, for the faces of some photos at a time."""
        photos = iter(looked_at)
        while chunk := list(islice(photos, _TOGETHER)):
            crops = [crop for _, found in chunk for crop in found]
            faces = np.array([crop.face for crop in crops], np.uint8)
            faces = faces.reshape(-1, FACE_SIZE, FACE_SIZE)
            rows, marks = self.model.predict_proba(faces), self.finder(faces)
            hidden = hidden_features(faces, marks.points, marks.errors)
            shown = map(self._face, crops, rows, marks.points, marks.confidence.tolist(), hidden)
            for answer, own in chunk:
                yield replace(answer, faces=tuple(islice(shown, len(own))))

    def _face(
        self,
        crop: Crop,
        row: Float32[np.ndarray, " 7"],
        points: Float32[np.ndarray, "p 2"],
        confidence: float,
        hidden: Float[np.ndarray, " f"],
    ) -> FacePrediction:
        """A face and what was found of it."""
        return FacePrediction(
            box=crop.box,
            score=crop.score,
            landmarks=applied(crop.place, points).astype(np.float32),
            landmark_confidence=confidence,
            probabilities=dict(zip(EMOTIONS, row.tolist(), strict=True)),
            emotion=answered(row, confidence, self.model.about.abstain_below),
            hidden=dict(zip(FEATURES, hidden.tolist(), strict=True)) if confidence > 0 else None,
            face=crop.face,
        )
