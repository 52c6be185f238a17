"""Models that come with the package: faces in, calibrated probabilities out.

`load_pretrained("clean")` works offline, straight after installation, and runs on onnxruntime
alone. An ONNX file that `ferturb export` wrote can be given in place of a name; a run folder is
opened by `ferturb.export.torch_models.load_calibrated`, which runs the same weights in torch.

A model that learnt ten people's votes says how many of them would give each emotion; FER2013's own
label is what its other head predicts: ``load_pretrained("clean").with_head("label")``.

Beside this file, in weights/: NAME.safetensors (weights as float16, and what is known
of the model), NAME.onnx (the graph, which reads the same weights), NAME.md (the model card). All
three are written by tools/ship_pretrained.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ferturb.base.checks import require_number, require_path
from ferturb.base.config import choose
from ferturb.base.config.fields import build
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.reading import from_home, reading
from ferturb.predict.hub import PREFIX, fetched
from ferturb.predict.onnx_session import OnnxModel, threads_of
from ferturb.predict.photos import faces_of
from ferturb.predict.prior import FER2013, Prior, frequencies, shifted
from ferturb.predict.sharing import shared_out

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

_BATCH = 16
"""Faces that are computed together, unless said; the parts are shared out among threads."""


@dataclass(frozen=True, kw_only=True)
class Readout:
    """How the logits of a head become answers, and how good they are."""

    temperature: float = 1.0
    bias: tuple[float, ...] = ()
    """Added to each emotion's logit after the division by the temperature."""
    abstain_below: float = 0.0
    """A face whose largest probability is below this gets no answer."""
    prior: tuple[float, ...] = FER2013
    """How frequent each emotion is where its probabilities hold; they add up to 1."""
    results: Mapping[str, Any] = field(default_factory=dict)
    """What it scored, on which faces, and how it was trained."""

    @property
    def readout(self) -> Readout:
        """This alone, of what holds more."""
        return Readout(**{f.name: getattr(self, f.name) for f in dataclasses.fields(Readout)})

    def __post_init__(self) -> None:
        if len(self.bias) not in (0, len(EMOTIONS)) or not self.temperature > 0:
            raise FerturbError(
                f"a readout has a temperature above 0 and no bias or {len(EMOTIONS)}, got "
                f"temperature {self.temperature}, bias {self.bias}"
            )


@dataclass(frozen=True, kw_only=True)
class About(Readout):
    """What is known of a model: all that using it needs, and where its numbers come from.

    Its own readout is of the head that answers.
    """

    name: str
    head: str = "label"
    """Whose probabilities: `votes`, the share of ten people who would give an emotion, or `label`,
    FER2013's label."""
    others: Mapping[str, Readout] = field(default_factory=dict)
    """The readouts of its other heads."""
    augmentation: str = "none"
    """The test-time augmentation that belongs to it."""
    network: Mapping[str, Any] = field(default_factory=dict)
    """Its ModelConfig."""

    @property
    def heads(self) -> tuple[str, ...]:
        """All heads, the one that answers first."""
        return self.head, *self.others

    def of(self, head: str) -> About:
        """The same model with another head answering; `FerturbError` for one it lacks."""
        choose("head", head, dict.fromkeys(self.heads))
        if head == self.head:
            return self
        others = {self.head: self.readout, **self.others}
        chosen = vars(others.pop(head))
        return dataclasses.replace(self, head=head, others=others, **chosen)

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
            others = {name: build(Readout, of) for name, of in kept.pop("others", {}).items()}
            return dataclasses.replace(build(About, kept), others=others)


class PretrainedModel:
    """Faces to probabilities, whatever computes them."""

    def __init__(
        self,
        about: About,
        backend: str,
        run: Callable[[np.ndarray], Sequence[np.ndarray]],
        made: About | None = None,
        threads: int = 1,
        batch: int = _BATCH,
    ) -> None:
        """`run` maps uint8 (b, 48, 48) to float32 (b, 7) of each head of `made`, the model as it
        was made (None: `about`, which is how it is used), for b of at most `batch`. So many
        `threads` run at a time."""
        self.about = about
        self.backend = backend
        self._run = run
        self._made = made or about
        self._threads = threads
        self._batch = batch

    def with_head(self, head: str) -> PretrainedModel:
        """The same model with another head's probabilities: `votes` or `label`.

        `FerturbError` for a head that it lacks. They hold for the head's own prior.
        """
        return self._used_as(self._made.of(head))

    def with_prior(self, prior: Prior) -> PretrainedModel:
        """The same model with probabilities for other frequencies of emotions.

        `prior`: a name of `ferturb.predict.prior.PRIORS`, or seven numbers; anything else raises
        `FerturbError`. The threshold of abstention stays.
        """
        about = dataclasses.replace(self.about, prior=frequencies(prior))
        return self._used_as(about)

    def with_threshold(self, threshold: float) -> PretrainedModel:
        """The same model that answers from another probability on, 0 … 1; else `FerturbError`."""
        least = require_number("threshold", threshold, 0.0, 1.0)
        about = dataclasses.replace(self.about, abstain_below=least)
        return self._used_as(about)

    def _used_as(self, about: About) -> PretrainedModel:
        return PretrainedModel(
            about, self.backend, self._run, self._made, self._threads, self._batch
        )

    @property
    def name(self) -> str:
        """The model's name."""
        return self.about.name

    def predict_proba(self, faces: Any) -> Float32[np.ndarray, "n 7"]:
        """Calibrated probabilities in the order of `EMOTIONS`; rows add up to 1.

        `faces`: uint8 (n, 48, 48), 0 … 255, grayscale, NumPy or torch on the CPU. Anything else
        raises `FerturbError`.
        """
        rows, own = self.predict_heads(faces)[self.about.head], self._made.of(self.about.head)
        if self.about.prior != own.prior:
            rows = shifted(rows, own.prior, self.about.prior)
        return rows.astype(np.float32, copy=False)

    def predict_heads(self, faces: Any) -> dict[str, Float32[np.ndarray, "n 7"]]:
        """The same of every head, each for the prior that it was calibrated for."""
        array, heads = faces_of(faces), self._made.heads
        batches = [array[i : i + self._batch] for i in range(0, len(array), self._batch)]
        parts = shared_out(self._run, batches, self._threads)
        if not parts:
            return {head: np.zeros((0, len(EMOTIONS)), np.float32) for head in heads}
        return dict(zip(heads, map(np.concatenate, zip(*parts, strict=True)), strict=True))

    def __repr__(self) -> str:
        return f"PretrainedModel({self.name!r}, backend={self.backend!r})"


def load_pretrained(
    name: str | Path = "clean", threads: int | None = None, batch: int = _BATCH
) -> PretrainedModel:
    """A model that is ready to predict, without a network connection and without torch.

    `name` is one of `NAMES`, an ONNX file that `ferturb export` wrote, or ``hf:OWNER/NAME``, which
    is fetched from the Hugging Face hub (`ferturb.predict.hub`); anything else raises
    `FerturbError`. So many `threads` share out the faces of an array (None: one a core), `batch` of
    them computed together.
    """
    path = from_home(require_path("a model's name or file", name))
    if isinstance(name, str) and name.startswith(PREFIX):
        path = fetched(name)
    elif str(name) in NAMES:
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
    at_once = threads_of(threads)
    model = OnnxModel(path, 1)
    about = About.from_dict(model.meta, path)
    return PretrainedModel(about, "onnxruntime", partial(_run, model), threads=at_once, batch=batch)


def _run(model: OnnxModel, faces: np.ndarray) -> list[np.ndarray]:
    return model.run({"faces": faces})


def shipped(name: str) -> Path:
    """The weights of a model in the package: NAME.safetensors; its graph and card lie beside it."""
    path = FOLDER / f"{name}.safetensors"
    if not path.exists():
        there = ", ".join(sorted(p.stem for p in FOLDER.glob("*.safetensors"))) or "none"
        raise FerturbError(
            f"this version of ferturb comes without the model {name!r}; it has: {there}"
        )
    return path
