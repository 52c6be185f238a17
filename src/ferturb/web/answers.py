"""What the web page answers: photos and faces in, plain JSON values out. No HTTP here.

Nothing of a photo is kept between two answers: the faces cut out of it go to the browser, which
sends them back with each question.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ferturb.base.config import choose
from ferturb.base.decode import FACE_SIZE, LIMITS, Limits
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.predict.abstention import answered
from ferturb.predict.annotation import HIDDEN
from ferturb.predict.detection import Detections, Detector, make_detector
from ferturb.predict.photos import photo_of
from ferturb.predict.predictor import Predictor
from ferturb.predict.prior import PRIORS, Prior
from ferturb.predict.results import FacePrediction
from ferturb.predict.shipped import NAMES, PretrainedModel
from ferturb.web.attention import GRAPH, MOST_CLUSTERS, AttentionFinder, attention_clusters
from ferturb.web.occlusion import occlusion_maps

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8

MOST_FACES = 100
"""Faces of one photo at most; the most certain ones are kept."""
UPLOAD = Limits(bytes=32 * 2**20, pixels=LIMITS.pixels, frames=1)
"""What a photo may be at most."""
_BYTES = FACE_SIZE * FACE_SIZE
_FACES = (-1, FACE_SIZE, FACE_SIZE)


class Answers:
    """The networks behind the page, open, and what they predict."""

    def __init__(
        self,
        models: Mapping[str, PretrainedModel],
        detector: str | Detector = "centerface",
        attention: Path = GRAPH,
        threads: int | None = None,
    ) -> None:
        """`models`: by name, the one to start with first. No file at `attention`: no clusters."""
        if not models:
            raise FerturbError("the page needs a model; give a name, an ONNX file or a run folder")
        self.models = dict(models)
        first = next(iter(self.models.values()))
        found = make_detector(detector, threads) if isinstance(detector, str) else detector
        detect = at_most(found, MOST_FACES)
        self._predictor = Predictor(first, detect, threads=threads, limits=UPLOAD)
        self._alterer = self._predictor.alterer
        self._attention = AttentionFinder(attention, threads) if attention.is_file() else None

    def warm(self) -> None:
        """Run everything once: onnxruntime prepares its memory at the first run."""
        blank = np.arange(_BYTES, dtype=np.uint32).reshape(FACE_SIZE, FACE_SIZE).astype(np.uint8)
        self._predictor.predict([photo_of(blank).pixels])
        self.what_if(blank, next(iter(self.models)))

    def about(self) -> dict[str, Any]:
        """What there is to choose from."""
        return {
            "emotions": list(EMOTIONS),
            "models": [
                {
                    "name": name,
                    "purpose": NAMES.get(name, "yours"),
                    "threshold": model.about.abstain_below,
                    "people": model.about.head == "votes",
                    "prior": list(model.about.prior),
                }
                for name, model in self.models.items()
            ],
            "missing": [
                {"name": n, "purpose": p} for n, p in NAMES.items() if n not in self.models
            ],
            "priors": {name: list(shares) for name, shares in PRIORS.items()},
            "features": list(self._alterer.features),
            "worn": list(self._alterer.kinds),
            "fills": list(self._alterer.fills),
            "hidden_from": HIDDEN,
            "most_faces": MOST_FACES,
            "most_clusters": MOST_CLUSTERS,
            "upload": {"bytes": UPLOAD.bytes, "pixels": UPLOAD.pixels},
            "attention": None if self._attention is None else self._attention.about,
        }

    def photo(
        self, data: bytes, cropped: bool = False, prior: Prior | None = None
    ) -> dict[str, Any]:
        """The faces in a file's bytes. What can't be read raises `FerturbError`.

        `prior`, here and below: for which frequencies of emotions to answer (None: each model for
        its own); what is none raises `FerturbError`.
        """
        models = self._chosen(self.models, prior)
        found = self._predictor.predict(data, cropped)[0]
        faces = np.array([face.face for face in found.faces], np.uint8).reshape(_FACES)
        answers = self._answers(faces, models)
        shown = [
            self._face(face) | {"answers": {name: rows[i] for name, rows in answers}}
            for i, face in enumerate(found.faces)
        ]
        return {"size": list(found.size or ()), "cropped": cropped, "faces": shown}

    def face(
        self,
        face: UInt8[np.ndarray, "48 48"],
        models: Collection[str],
        left_out: Collection[str] = (),
        worn: str | None = None,
        fill: str = "mean",
        prior: Prior | None = None,
    ) -> dict[str, Any]:
        """The face wearing what is worn and then without what is left out, and the models'
        answers for it."""
        shown = face
        if worn is not None or left_out:
            points = self._predictor.finder(face[None]).points[0]
            if worn is not None:
                shown = self._alterer.worn(face, points, worn)
            if left_out:
                shown = self._alterer.left_out(shown, points, [left_out], fill)[0]
        answers = self._answers(shown[None], self._chosen(models, prior))
        return {"face": packed(shown), "answers": {name: rows[0] for name, rows in answers}}

    def what_if(
        self,
        face: UInt8[np.ndarray, "48 48"],
        model: str,
        fill: str = "mean",
        prior: Prior | None = None,
    ) -> dict[str, Any]:
        """What the model predicts with each facial feature left out, and under each face mask."""
        points = self._predictor.finder(face[None]).points[0]
        features, kinds = self._alterer.features, self._alterer.kinds
        without = self._alterer.left_out(face, points, [(name,) for name in features], fill)
        worn = [self._alterer.worn(face, points, kind) for kind in kinds]
        shown = np.concatenate([face[None], without, np.array(worn).reshape(_FACES)])
        ((_, rows),) = self._answers(shown, self._chosen([model], prior))
        names = [*(("left_out", n) for n in features), *(("worn", n) for n in kinds)]
        table = [
            {"change": change, "name": name, "face": packed(picture)} | row
            for (change, name), picture, row in zip(names, shown[1:], rows[1:], strict=True)
        ]
        return {"model": model, "before": rows[0], "rows": table}

    def saliency(
        self, face: UInt8[np.ndarray, "48 48"], model: str, prior: Prior | None = None
    ) -> dict[str, Any]:
        """For each emotion, which pixels speak for it.

        Maps are bytes, 255 at the largest value, which `peaks` gives in units of probability.
        """
        maps = occlusion_maps(self._chosen([model], prior)[model].predict_proba, face)
        return {
            "model": model,
            "saliency": {e: packed(_scaled(m)) for e, m in zip(EMOTIONS, maps, strict=True)},
            "peaks": {e: float(m.max()) for e, m in zip(EMOTIONS, maps, strict=True)},
        }

    def attention(self, face: UInt8[np.ndarray, "48 48"], clusters: int = 3) -> dict[str, Any]:
        """Where the attention network looks, and its clusters; None and None without one."""
        if self._attention is None:
            return {"attention": None, "clusters": None}
        attention = self._attention(face[None])[0]
        labels = attention_clusters(attention, clusters).astype(np.uint8)
        shown = _scaled(attention - attention.min())
        return {"attention": packed(shown), "clusters": packed(labels)}

    def _chosen(self, names: Collection[str], prior: Prior | None) -> dict[str, PretrainedModel]:
        models = {name: choose("model", name, self.models) for name in names}
        return models if prior is None else {n: m.with_prior(prior) for n, m in models.items()}

    def _answers(
        self, faces: UInt8[np.ndarray, "n 48 48"], models: Mapping[str, PretrainedModel]
    ) -> list[tuple[str, list[dict[str, Any]]]]:
        """By model, its answer for each face."""
        found = []
        confidences = self._predictor.finder(faces).confidence.tolist()
        for name, model in models.items():
            pairs = zip(model.predict_proba(faces), confidences, strict=True)
            found.append((name, [_answer(row, c, model.about.abstain_below) for row, c in pairs]))
        return found

    @staticmethod
    def _face(face: FacePrediction) -> dict[str, Any]:
        kept, said = ("box", "score", "landmark_confidence", "hidden"), face.to_dict()
        return {"face": packed(face.face)} | {key: said[key] for key in kept}


def at_most(detector: Detector, faces: int) -> Detector:
    """The same detector, giving only its most certain faces."""

    def detect(pixels: UInt8[np.ndarray, "h w 3"]) -> Detections:
        found = detector(pixels)
        return Detections(found.boxes[:faces], found.scores[:faces])

    return detect


def packed(face: UInt8[np.ndarray, "h w"]) -> str:
    """A face's bytes, row by row, as base64."""
    return base64.b64encode(np.ascontiguousarray(face).tobytes()).decode("ascii")


def unpacked(text: object) -> UInt8[np.ndarray, "48 48"]:
    """A face from base64; anything but 48×48 bytes raises `FerturbError`."""
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != _BYTES:
        raise FerturbError(f'"face" must be {_BYTES} bytes (48×48, row by row) as base64')
    return np.frombuffer(data, np.uint8).reshape(FACE_SIZE, FACE_SIZE)


def _answer(
    row: Float[np.ndarray, " 7"], landmark_confidence: float, abstain_below: float
) -> dict[str, Any]:
    return {
        "probabilities": {e: round(float(p), 5) for e, p in zip(EMOTIONS, row, strict=True)},
        "most_probable": EMOTIONS[int(row.argmax())],
        "emotion": answered(row, landmark_confidence, abstain_below),
    }


def _scaled(values: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    top = float(values.max())
    return np.asarray((values * (255 / top if top > 0 else 0)).round().astype(np.uint8))
