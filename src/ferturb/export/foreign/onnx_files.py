"""ONNX files of any maker, run by onnxruntime: channels first or last, of one face or of many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ferturb.base.errors import FerturbError
from ferturb.export.foreign.opened import Opened
from ferturb.predict.onnx_session import OnnxModel

_KINDS = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}


class OnnxFunction:
    """float32 (b, channels, side, side) -> the first output of an ONNX file."""

    def __init__(self, path: Path) -> None:
        """`FerturbError` for a file that doesn't take one batch of pictures."""
        self.model = OnnxModel(path, torch.get_num_threads())
        inputs = self.model.session.get_inputs()
        shape = inputs[0].shape if inputs else []
        if len(inputs) != 1 or len(shape) != 4 or inputs[0].type not in _KINDS:
            taken = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs) or "nothing"
            raise FerturbError(
                f"{path} should take one batch of pictures (b, channels, side, side), and takes "
                f"{taken}; wrap it in a function that takes faces alone"
            )
        self.name, self.kind = inputs[0].name, _KINDS[inputs[0].type]
        self.batch = shape[0] if isinstance(shape[0], int) else None
        self.last = shape[3] in (1, 3) and shape[1] not in (1, 3)
        channels, side = (shape[3], shape[1]) if self.last else (shape[1], shape[2])
        self.channels = channels if isinstance(channels, int) else None
        self.side = side if isinstance(side, int) else None

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Outputs (b, classes) of faces as `InputForm.prepared` makes them."""
        x = self.as_taken(faces)
        size = self.batch or len(x)
        return np.concatenate([self._run(x[i : i + size], size) for i in range(0, len(x), size)])

    def as_taken(self, faces: np.ndarray) -> np.ndarray:
        """The same in the order of axes, and of the type of numbers, that the file takes."""
        x = faces.transpose(0, 2, 3, 1) if self.last else faces
        x = np.rint(x.clip(0, 255)) if self.kind is np.uint8 else x
        return np.ascontiguousarray(x, self.kind)

    def _run(self, x: np.ndarray, size: int) -> np.ndarray:
        """The outputs of at most `size` faces; a smaller batch is filled up with its last face."""
        filled = np.concatenate([x, np.repeat(x[-1:], size - len(x), 0)])
        found: Any = self.model.run({self.name: filled})[0]
        return np.asarray(found, np.float32)[: len(x)]


def of_onnx(path: Path) -> Opened:
    """A foreign ONNX file; it says its side and channels, where these are fixed."""
    function = OnnxFunction(path)
    scale = {"mean": (0.0,), "std": (1 / 255,)} if function.kind is np.uint8 else {}
    return Opened(function, path.stem, None, function.side, function.channels, **scale)
