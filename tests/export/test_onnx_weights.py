from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto
from shared_weights import shared
from torch import nn

from ferturb.base.errors import FerturbError
from ferturb.base.tensors import save_tensors
from ferturb.export.onnx import to_onnx
from ferturb.export.onnx_weights import halved
from ferturb.predict.onnx_session import OnnxModel


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(27, 2)
    )
    for value in net.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.2, 1.0)
    return net.eval()


FACES = np.random.default_rng(0).random((4, 1, 5, 5), dtype=np.float32)


def run(path: Path) -> np.ndarray:
    return OnnxModel(path).run({"x": FACES})[0]


def test_halved_weights_compute_in_float32_with_rounded_weights(tmp_path: Path) -> None:
    net = network()
    model = halved(to_onnx(net, ("x",), ("y",), FACES, {"a": [1]}, fold=False))
    kinds = {w.name: w.data_type for w in model.graph.initializer}
    assert kinds["0.weight_half"] == TensorProto.FLOAT16
    assert kinds["0.bias"] == TensorProto.FLOAT
    path = tmp_path / "half.onnx"
    path.write_bytes(model.SerializeToString())
    for value in net.state_dict().values():
        if value.ndim > 1:
            value.copy_(value.half().float())
    with torch.no_grad():
        expected = net(torch.from_numpy(FACES)).numpy()
    np.testing.assert_allclose(run(path), expected, rtol=1e-5)
    assert OnnxModel(path).meta == {"a": [1]}
    (given,) = OnnxModel(path).session.get_inputs()
    assert (given.name, given.shape) == ("x", ["n", 1, 5, 5])


def test_shared_weights_are_read_from_the_safetensors_file(tmp_path: Path) -> None:
    net = network()
    weights = tmp_path / "w.safetensors"
    state = {k: v for k, v in net.state_dict().items() if not k.endswith("tracked")}
    save_tensors(weights, {"4.weight": state.pop("4.weight").half()} | state, {})
    model = shared(to_onnx(net, ("x",), ("y",), FACES, {}, fold=False), weights)
    assert len(model.SerializeToString()) < 3000
    path = tmp_path / "g.onnx"
    path.write_bytes(model.SerializeToString())
    net[4].weight.data = net[4].weight.data.half().float()
    with torch.no_grad():
        expected = net(torch.from_numpy(FACES)).numpy()
    np.testing.assert_allclose(run(path), expected, rtol=1e-5)
    # Other weights in the same places: the graph follows.
    other = network(1)
    state = {k: v for k, v in other.state_dict().items() if not k.endswith("tracked")}
    save_tensors(weights, {"4.weight": state.pop("4.weight").half()} | state, {})
    other[4].weight.data = other[4].weight.data.half().float()
    with torch.no_grad():
        changed = other(torch.from_numpy(FACES)).numpy()
    assert np.abs(changed - expected).max() > 0.1
    np.testing.assert_allclose(run(path), changed, rtol=1e-5)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    weights = tmp_path / "w.safetensors"
    save_tensors(weights, {"0.weight": torch.zeros(3, 1, 2, 2)}, {})
    with pytest.raises(FerturbError, match=r"0.weight is \[3, 1, 2, 2\], the ONNX graph expects"):
        shared(to_onnx(network(), ("x",), ("y",), FACES, {}, fold=False), weights)


def test_what_is_no_onnx_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FerturbError, match="does not exist"):
        OnnxModel(tmp_path / "a.onnx")
    (tmp_path / "a.onnx").write_bytes(b"nonsense" * 40)
    with pytest.raises(FerturbError, match="is not an ONNX file that can be run") as caught:
        OnnxModel(tmp_path / "a.onnx")
    assert "\n" not in str(caught.value)
