"""Models that come with the package: faces in, calibrated probabilities out.

`load_pretrained("clean")` works offline, straight after installation, and runs on onnxruntime
alone. An ONNX file that `ferturb export` wrote can be given in place of a name; a run folder is
opened by `ferturb.export.torch_models.load_calibrated`, which runs the same weights in torch.

Beside this file, in weights/: NAME.safetensors (weights as float16, and what is known
of the model), NAME.onnx (the graph, which reads the same weights), NAME.md (the model card). All
three are written by tools/ship_pretrained.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ferturb.base.checks import require_path
from ferturb.base.config.fields import build
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.reading import reading
from ferturb.predict.onnx_session import OnnxModel
from ferturb.predict.photos import faces_of
from ferturb.predict.prior import FER2013, Prior, frequencies, shifted

if TYPE_CHECKING:
    from jaxtyping import Float32

FOLDER = Path(__file__).with_name("weights")
FORMAT = "ferturb-pretrained-1"

NAMES: dict[str, str] = {
    "clean": "the most accurate on whole faces",
    "robust": "trained to work with hidden features as well",
    "tiny": "at most 1 MB, for phones, browsers and video",
}
"""The pretrained models and what each is for."""

_BATCH = 64


@dataclass(frozen=True)
class About:
    """What is known of a model: all that using it needs, and where its numbers come from."""

    name: str
    temperature: float = 1.0
    bias: tuple[float, ...] = ()
    """Added to each emotion's logit after the division by the temperature."""
    abstain_below: float = 0.0
    """A face whose largest probability is below this gets no answer."""
    prior: tuple[float, ...] = FER2013
    """How frequent each emotion is where its probabilities hold; they add up to 1."""
    augmentation: str = "none"
    """The test-time augmentation that belongs to it."""
    network: Mapping[str, Any] = field(default_factory=dict)
    """Its ModelConfig."""
    results: Mapping[str, Any] = field(default_factory=dict)
    """What it scored, on which faces, and how it was trained."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {"format": FORMAT, "emotions": list(EMOTIONS), **dataclasses.asdict(self)}

    @staticmethod
    def from_dict(data: Mapping[str, Any], origin: Path) -> About:
        """Back from JSON; what no ferturb wrote raises `FerturbError`."""
        known = {f.name for f in dataclasses.fields(About)}
        if data.get("format") != FORMAT or data.get("emotions") != list(EMOTIONS):
            raise FerturbError(
                f"{origin} holds no model of ferturb's (expected format {FORMAT}, got "
                f"{data.get('format')!r}); give one that `ferturb export` wrote"
            )
        kept = {key: value for key, value in data.items() if key in known}
        with reading(origin, "a model of ferturb's", "export it again"):
            about = build(About, kept)
            if len(about.bias) not in (0, len(EMOTIONS)) or not about.temperature > 0:
                raise ValueError(f"temperature {about.temperature}, bias {about.bias}")
        return about


class PretrainedModel:
    """Faces to probabilities, whatever computes them."""

    def __init__(self, about: About, backend: str, run: Callable[[np.ndarray], np.ndarray]) -> None:
        """`run` maps uint8 (b, 48, 48) to float32 (b, 7)."""
        self.about = about
        self.backend = backend
        self._run = run

    def with_prior(self, prior: Prior) -> PretrainedModel:
        """The same model with probabilities for other frequencies of emotions.

        `prior`: a name of `ferturb.predict.prior.PRIORS`, or seven numbers; anything else raises
        `FerturbError`. The threshold of abstention stays.
        """
        wanted, own, run = frequencies(prior), self.about.prior, self._run
        about = dataclasses.replace(self.about, prior=wanted)
        return PretrainedModel(about, self.backend, lambda faces: shifted(run(faces), own, wanted))

    @property
    def name(self) -> str:
        """The model's name."""
        return self.about.name

    def predict_proba(self, faces: Any) -> Float32[np.ndarray, "n 7"]:
        """Calibrated probabilities in the order of `EMOTIONS`; rows add up to 1.

        `faces`: uint8 (n, 48, 48), 0 … 255, grayscale, NumPy or torch on the CPU. Anything else
        raises `FerturbError`.
        """
        array = faces_of(faces)
        rows = [self._run(array[i : i + _BATCH]) for i in range(0, len(array), _BATCH)]
        if not rows:
            return np.zeros((0, len(EMOTIONS)), np.float32)
        return np.concatenate(rows).astype(np.float32, copy=False)

    def __repr__(self) -> str:
        return f"PretrainedModel({self.name!r}, backend={self.backend!r})"


def load_pretrained(name: str | Path = "clean", threads: int | None = None) -> PretrainedModel:
    """A model that is ready to predict, without a network connection and without torch.

    `name` is one of `NAMES` or an ONNX file that `ferturb export` wrote; anything else raises
    `FerturbError`. `threads` are onnxruntime's (None: all cores).
    """
    path = require_path("a model's name or file", name).expanduser()
    if str(name) in NAMES:
        path = shipped(str(name)).with_suffix(".onnx")
    elif path.is_dir():
        raise FerturbError(
            f"{path} is a folder; a run's model is opened with torch: give Predictor the model "
            f"that ferturb.export.torch_models.load_calibrated({str(name)!r}) returns"
        )
    elif path.suffix != ".onnx":
        raise FerturbError(
            f"no model {str(name)!r}; give one of {', '.join(NAMES)}, an ONNX file, or a run folder"
        )
    model = OnnxModel(path, threads)
    about = About.from_dict(model.meta, path)
    return PretrainedModel(about, "onnxruntime", partial(_run, model))


def _run(model: OnnxModel, faces: np.ndarray) -> np.ndarray:
    return model.run({"faces": faces})[0]


def shipped(name: str) -> Path:
    """The weights of a model in the package: NAME.safetensors; its graph and card lie beside it."""
    path = FOLDER / f"{name}.safetensors"
    if not path.exists():
        there = ", ".join(sorted(p.stem for p in FOLDER.glob("*.safetensors"))) or "none"
        raise FerturbError(
            f"this version of ferturb comes without the model {name!r}; it has: {there}"
        )
    return path
