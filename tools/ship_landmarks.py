"""Write `src/ferturb/features/landmarks.onnx`: the landmark network for machines without torch.

    python tools/ship_landmarks.py

The graph reads its weights from landmarks.safetensors beside it, so run this again after
tools/train_landmarks.py. It prints how far the points differ from torch's.
"""

from __future__ import annotations

import numpy as np
import torch
from landmark_module import OUTPUTS, shipped_module
from shared_weights import shared

from ferturb.base.storage import write_bytes
from ferturb.export.onnx import example_faces, to_onnx
from ferturb.features.landmarks import WEIGHTS, find_landmarks
from ferturb.predict.onnx_session import OnnxModel


def main() -> None:
    module = shipped_module()
    faces = example_faces(64)
    meta = {
        "format": "ferturb-landmarks-onnx-1",
        "mean_shape": [[round(float(v), 4) for v in point] for point in module.mean_shape],
    }
    model = to_onnx(module, ("faces",), OUTPUTS, faces[:2], meta, fold=False)
    path = WEIGHTS.with_suffix(".onnx")
    write_bytes(path, shared(model, WEIGHTS).SerializeToString())
    points, confidence, _ = OnnxModel(path).run({"faces": faces})
    expected = find_landmarks(torch.from_numpy(faces))
    print(f"{path}: {path.stat().st_size:,} bytes")
    print("points differ by at most", np.abs(points - expected.points.numpy()).max(), "px")
    print("confidence by at most", np.abs(confidence - expected.confidence.numpy()).max())


if __name__ == "__main__":
    main()
