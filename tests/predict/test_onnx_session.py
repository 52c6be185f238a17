"""An ONNX file that carries its checksum is the same to onnxruntime, and not to a flipped bit."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from ferturb.base.errors import FerturbError
from ferturb.predict.landmark_finder import GRAPH
from ferturb.predict.onnx_session import OnnxModel, sealed


@pytest.fixture(scope="module")
def model() -> bytes:
    return GRAPH.read_bytes()


def test_a_checksum_changes_nothing_that_is_computed(tmp_path: Path, model: bytes) -> None:
    path = tmp_path / "sealed.onnx"
    path.write_bytes(sealed(model))
    weights = GRAPH.with_suffix(".safetensors")
    (tmp_path / weights.name).write_bytes(weights.read_bytes())
    plain, kept = OnnxModel(GRAPH, 1), OnnxModel(path, 1)
    found = kept.session.get_modelmeta().custom_metadata_map
    assert found == {**plain.session.get_modelmeta().custom_metadata_map, "crc32": found["crc32"]}
    (given,) = plain.session.get_inputs()
    faces = np.random.default_rng(3).integers(0, 256, (2, 48, 48)).astype(np.uint8)
    for one, other in zip(
        plain.run({given.name: faces}), kept.run({given.name: faces}), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("where", [0.01, 0.3, 0.5, 0.9, 0.999])
def test_a_flipped_bit_is_noticed(tmp_path: Path, model: bytes, where: float) -> None:
    path, data = tmp_path / "sealed.onnx", bytearray(sealed(model))
    data[int(where * len(model))] ^= 1
    path.write_bytes(data)
    with pytest.raises(FerturbError, match=r"is damaged.*export the model again"):
        OnnxModel(path, 1)


@pytest.mark.parametrize("name", ["caf\udce9.onnx", "caf\udce9/a.onnx"])
def test_a_name_that_is_not_utf8_is_as_good(tmp_path: Path, model: bytes, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(sealed(model))
    weights = GRAPH.with_suffix(".safetensors")
    (path.parent / weights.name).write_bytes(weights.read_bytes())
    if path.parent != tmp_path:  # onnxruntime looks for the weights in no such folder
        with pytest.raises(FerturbError, match="rename the folder") as caught:
            OnnxModel(path, 1)
        assert "\n" not in str(caught.value)
        return
    faces = np.zeros((1, 48, 48), np.uint8)
    (given,) = OnnxModel(GRAPH, 1).session.get_inputs()
    opened = pickle.loads(pickle.dumps(OnnxModel(path, 1)))
    for one, other in zip(
        OnnxModel(GRAPH, 1).run({given.name: faces}),
        opened.run({given.name: faces}),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
