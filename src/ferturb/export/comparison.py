"""How an ONNX file compares with the torch module it was made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ferturb.base.emotions import EMOTIONS
from ferturb.base.tabular import Tabular
from ferturb.predict.onnx_session import OnnxModel

LABELS = "label_probabilities"
"""The output of the label head where another answers."""


@dataclass(frozen=True)
class Exported(Tabular):
    """What was written, and how it compares with torch on the same faces."""

    path: Path
    format: str
    bytes: int
    faces: int
    """Faces compared."""
    max_difference: float
    """The largest difference of a probability."""
    agreement: float
    """Share of the faces whose most probable emotion is the same."""
    accuracy: float | None = None
    """On labelled faces, if they were given."""
    accuracy_in_torch: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return asdict(self) | {"path": str(self.path)}

    def facts(self) -> dict[str, object]:
        """Lines for a terminal."""
        lines: dict[str, object] = {
            "file": f"{self.path} ({self.format}, {self.bytes / 1e6:.1f} MB)",
            "compared with torch on": f"{self.faces:,} faces",
            "largest difference of a probability": f"{self.max_difference:.1e}",
            "same most probable emotion": f"{self.agreement:.2%}",
        }
        if self.accuracy is not None and self.accuracy_in_torch is not None:
            lost = 100 * (self.accuracy_in_torch - self.accuracy)
            lines["accuracy"] = f"{self.accuracy:.2%} ({lost:+.2f} points lost)"
        return lines


def compare(
    module: nn.Module,
    path: Path,
    format: str,
    faces: UInt8[np.ndarray, "n h w"],
    labels: Sequence[int] | np.ndarray | None = None,
    expected: Float[np.ndarray, "n c"] | None = None,
) -> Exported:
    """How an ONNX file differs from the torch module it was made of.

    `expected` are the module's probabilities (`in_torch`), if they are known already. What is most
    probable is by the head that answers; what is right, by the one that predicts labels.
    """
    model = OnnxModel(path)
    if expected is None:
        expected = in_torch(module, faces)
    found = in_batches(lambda x: _joined(model.run({"faces": x})), faces)
    answers, by_label = (slice(len(EMOTIONS) * i, len(EMOTIONS) * (i + 1)) for i in _places(model))
    return Exported(
        path=path,
        format=format,
        bytes=path.stat().st_size,
        faces=len(faces),
        max_difference=float(np.abs(expected - found).max(initial=0.0)),
        agreement=float((expected[:, answers].argmax(1) == found[:, answers].argmax(1)).mean()),
        accuracy=_accuracy(found[:, by_label], labels),
        accuracy_in_torch=_accuracy(expected[:, by_label], labels),
    )


def _places(model: OnnxModel) -> tuple[int, int]:
    """Which output is of the head that answers, and which of the one that predicts labels."""
    names = [output.name for output in model.session.get_outputs()]
    return 0, names.index(LABELS) if LABELS in names else 0


def in_batches(
    run: Callable[[np.ndarray], np.ndarray], faces: UInt8[np.ndarray, "n h w"], size: int = 64
) -> Float[np.ndarray, "n c"]:
    """`run` over faces, some at a time."""
    return np.concatenate([run(faces[i : i + size]) for i in range(0, len(faces), size)])


def in_torch(module: nn.Module, faces: UInt8[np.ndarray, "n h w"]) -> Float[np.ndarray, "n c"]:
    """A module's probabilities of faces, those of all heads side by side."""
    return in_batches(lambda x: _joined(run_in_torch(module, x)), faces)


def run_in_torch(
    module: nn.Module, faces: UInt8[np.ndarray, "n h w"]
) -> list[Float[np.ndarray, "n 7"]]:
    """A module's probabilities of faces by each head, all at once."""
    with torch.inference_mode():
        found: Sequence[Tensor] = module(torch.from_numpy(np.ascontiguousarray(faces)))
    return [one.numpy() for one in found]


def _joined(outputs: Sequence[np.ndarray]) -> Float[np.ndarray, "n c"]:
    return np.concatenate(outputs, axis=1)


def _accuracy(probabilities: np.ndarray, labels: Sequence[int] | np.ndarray | None) -> float | None:
    if labels is None:
        return None
    return float((probabilities.argmax(1) == np.asarray(labels)).mean())
