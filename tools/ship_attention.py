"""Write web/weights/attention.onnx: where a trained attention network looks, without torch.

    python tools/ship_attention.py RUN [--data fer2013.zip] [--format int8]

RUN is a finished run of `ferturb train --method attention`. The web page shows its attention and
the clusters of it. int8 sets its ranges on --data's training faces (default: synthetic ones). It
prints how far the maps differ from torch's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from ferturb.base.config import DatasetConfig
from ferturb.base.storage import write_bytes
from ferturb.data.sources import load_faces
from ferturb.export.onnx import FORMATS, example_faces, to_onnx
from ferturb.models.classifier import Classifier
from ferturb.predict.onnx_session import OnnxModel
from ferturb.runs.run import Run
from ferturb.web.attention import GRAPH


class Attention(nn.Module):
    """uint8 faces (n, 48, 48) -> attention maps (n, 48, 48), 0 … 1."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, faces: Shaped[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
        return self.classifier.attention_maps(faces.unsqueeze(1).float() / 255)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--format", choices=tuple(FORMATS), default="int8")
    arguments = parser.parse_args()
    run = Run.open(arguments.run)
    module = Attention(run.load_model()).eval()
    record = run.record()
    meta = {
        "format": "ferturb-attention-1",
        "network": f"{run.config.model.name}, {record['epochs']} epochs",
        "data": record["data"]["source"],
        "accuracy": round(record["validation_accuracy"], 4),
    }
    faces = example_faces(512)
    if arguments.data is not None:
        train = load_faces(DatasetConfig(str(arguments.data))).split("train").images
        faces = train[:: max(1, len(train) // 512)][:512].numpy()
    model = to_onnx(module, ("faces",), ("attention",), faces[:2], meta)
    write_bytes(GRAPH, FORMATS[arguments.format](model, faces).SerializeToString())
    shown = faces[:64]
    with torch.inference_mode():
        expected = module(torch.from_numpy(shown)).numpy()
    found = OnnxModel(GRAPH).run({"faces": shown})[0]
    same = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(found, expected, strict=True)]
    print(f"{GRAPH}: {GRAPH.stat().st_size:,} bytes; {meta}")
    print(f"largest difference {np.abs(found - expected).max():.3f}; least correlation", min(same))


if __name__ == "__main__":
    main()
