"""Winograd's convolution against correlation by definition and against the graph it was made of."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ferturb.export.onnx import calibrated_onnx, example_faces
from ferturb.export.torch_models import calibrated_module
from ferturb.export.winograd import TILES, best_tile, minimal_filter, transforms, with_winograd
from ferturb.predict.onnx_session import OnnxModel


@pytest.mark.parametrize("tile", TILES)
def test_the_minimal_filter_correlates(tile: int) -> None:
    a, g, b = minimal_filter(tile)
    random = np.random.default_rng(tile)
    signal, kernel = random.normal(size=tile + 2), random.normal(size=3)

    found = a @ ((g @ kernel) * (b @ signal))

    np.testing.assert_allclose(found, np.correlate(signal, kernel, "valid"), atol=1e-12)


def test_the_smallest_one_is_that_of_the_paper() -> None:
    """F(2, 3) of Lavin and Gray, equation 5 to the scale of each product."""
    a, g, b = minimal_filter(2)

    for d in np.eye(4):
        for k in np.eye(3):
            products = (
                (d[0] - d[2]) * k[0],
                (d[1] + d[2]) * (k[0] + k[1] + k[2]) / 2,
                (d[2] - d[1]) * (k[0] - k[1] + k[2]) / 2,
                (d[1] - d[3]) * k[2],
            )
            first = products[0] + products[1] + products[2]
            second = products[1] - products[2] - products[3]
            np.testing.assert_allclose(a @ ((g @ k) * (b @ d)), [first, second], atol=1e-15)


@pytest.mark.parametrize(("side", "tile"), [(6, 6), (12, 4), (9, 3), (10, 2), (3, 3)])
def test_a_row_goes_into_tiles_and_back_with_zeros_beyond_it(side: int, tile: int) -> None:
    into, back = transforms(side, tile)
    random = np.random.default_rng(side)
    row, kernel = random.normal(size=side), random.normal(size=3)
    products = np.repeat(minimal_filter(tile)[1] @ kernel, side // tile)

    found = back @ (products * (into @ row))

    np.testing.assert_allclose(found, np.correlate(row, kernel, "same"), atol=1e-12)


def test_the_tile_with_the_fewest_products_is_taken() -> None:
    assert best_tile(6, 256, 256) == 6
    assert best_tile(3, 384, 384) == 3
    assert best_tile(10, 128, 128) == 2
    assert best_tile(7, 128, 128) is None, "no tile divides it"
    assert best_tile(48, 1, 64) is None, "the transforms would cost more than the products"


@pytest.mark.parametrize(("side", "left"), [(24, 1), (12, 1), (10, 2), (9, 1), (7, 5)])
def test_a_graph_computes_the_same(tmp_path: Path, side: int, left: int) -> None:
    """Residual blocks, with and without bias, a stride, a graph output inside, shared weights."""
    model = _network(side)

    written = with_winograd(model)

    onnx.checker.check_model(written, full_check=True)
    faces = np.random.default_rng(1).normal(size=(5, 32, side, side)).astype(np.float32)
    expected, found = (_outputs(one, tmp_path, x=faces) for one in (model, written))
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=2e-4 * float(np.abs(one).max()))
    assert [node.op_type for node in written.graph.node].count("Conv") == left
    assert len(written.SerializeToString()) < 1.3 * len(model.SerializeToString())


def test_a_shipped_network_answers_as_before(tmp_path: Path) -> None:
    module, about = calibrated_module("tiny")
    model = calibrated_onnx(module, about)
    faces = example_faces(32)

    written = with_winograd(model)

    expected, found = (_outputs(one, tmp_path, faces=faces) for one in (model, written))
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
    assert {p.key: p.value for p in model.metadata_props} == {
        p.key: p.value for p in written.metadata_props
    }


def _outputs(model: onnx.ModelProto, folder: Path, **inputs: np.ndarray) -> list[np.ndarray]:
    path = folder / "network.onnx"
    onnx.save(model, path)
    return OnnxModel(path, 1).run(inputs)


def _network(side: int) -> onnx.ModelProto:
    random = np.random.default_rng(side)
    weights = {
        name: (random.normal(size=(64, channels, 3, 3)) / np.sqrt(9 * channels)).astype(np.float32)
        for name, channels in {"w0": 32, "w1": 64, "w2": 64}.items()
    }
    weights |= {"b0": random.normal(size=64).astype(np.float32)}
    once: dict[str, Any] = {"pads": [1, 1, 1, 1], "strides": [1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["a"], **once),
        helper.make_node("Relu", ["a"], ["a+"]),
        helper.make_node("Conv", ["a+", "w1"], ["b"], **once),
        helper.make_node("Add", ["b", "a+"], ["c"]),
        helper.make_node("Relu", ["c"], ["inside"]),
        helper.make_node("Conv", ["inside", "w2"], ["half"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Conv", ["inside", "w1"], ["d"], **once),
        helper.make_node("MaxPool", ["d"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["a+", "w1"], ["e"], **once),
        helper.make_node("Add", ["e", "c"], ["outside"]),
    ]
    sides = {"inside": side, "half": (side + 1) // 2, "pooled": side // 2, "outside": side}
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 64, pixels, pixels])
        for name, pixels in sides.items()
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 32, side, side])]
    kept = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "network", inputs, outputs, kept)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
