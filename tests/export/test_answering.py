"""Wrapped models behind the predictor and as files of ferturb's: they answer as they do wrapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from ferturb.base.errors import FerturbError
from ferturb.data.drawn.synthetic import draw
from ferturb.export.answering import cut_note, in_predictor
from ferturb.export.onnx import export, to_onnx
from ferturb.export.wrap import wrap
from ferturb.models.test_time import predict_logits
from ferturb.models.wrapped import Wrapped
from ferturb.predict.onnx_session import OnnxModel
from ferturb.predict.predictor import Predictor
from ferturb.predict.shipped import load_pretrained

FACES = draw(5, seed=11, size=48).images
FORM: dict[str, Any] = {"channels": 3, "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.25, 0.3)}


class Network(nn.Module):
    """Some convolutions of what it takes: RGB, channels first or last, floats or bytes."""

    def __init__(self, classes: int = 8, last: bool = False, sure: bool = False) -> None:
        super().__init__()
        torch.manual_seed(classes)
        self.last, self.sure = last, sure
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()
        )
        self.head = nn.LazyLinear(classes)

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 3, 1, 2).float() / 255 if self.last else x
        found = 4 * self.head(self.layers(x))
        return found.softmax(1) if self.sure else found


def foreign(path: Path, network: Network, side: int, opset: int, kind: type = np.float32) -> Path:
    """The network as an ONNX file that says nothing of itself; "faces" is its input's name too."""
    shape = (2, side, side, 3) if network.last else (2, 3, side, side)
    example = np.zeros(shape, kind)
    network(torch.from_numpy(example))
    model = to_onnx(network, ("faces",), ("out",), example, {}, opset=opset)
    del model.metadata_props[:]
    onnx.save(model, path)
    return path


def expected_of(model: Wrapped) -> np.ndarray:
    return predict_logits(model, FACES).softmax(1).numpy()


def test_the_predictor_gives_what_the_wrapped_model_gives() -> None:
    names = ["happy", "sad", "-", "neutral"]  # one is aside, and four are missing
    network = Network(len(names))
    network(torch.zeros(2, 3, 64, 64))
    model = wrap(network, names, side=64, **FORM)
    ready = in_predictor(model)
    np.testing.assert_allclose(ready.predict_proba(FACES), expected_of(model), atol=1e-6)
    answers = Predictor(ready, threads=1).predict_faces(FACES.numpy())
    got = [list(answer.probabilities.values()) for answer in answers]
    np.testing.assert_allclose(got, expected_of(model), atol=1e-6)
    assert {answer.emotion for answer in answers} <= {"happy", "sad", "neutral"}
    assert "64×64 RGB and is shown" in str(cut_note(model))
    assert cut_note(wrap(lambda x: x[:, 0, 0, :7] * 9, "fer2013")) is None


@pytest.mark.parametrize("sure", [False, True])
def test_a_torch_module_becomes_a_file_that_needs_no_torch(tmp_path: Path, sure: bool) -> None:
    network = Network(sure=sure)
    network(torch.zeros(2, 3, 64, 64))
    model = wrap(network, "affectnet", side=64, **FORM)
    written = export(model, tmp_path / "m.onnx", faces=FACES.numpy())
    assert written.max_difference < 1e-5
    found = load_pretrained(tmp_path / "m.onnx", threads=1)
    assert (found.name, found.about.head) == (model.name, "label")
    np.testing.assert_allclose(found.predict_proba(FACES), expected_of(model), atol=1e-5)


@pytest.mark.parametrize(
    ("last", "kind", "sure", "opset"),
    [(False, np.float32, False, 13), (True, np.uint8, True, 17), (False, np.float32, True, 11)],
)
def test_a_foreign_file_becomes_one_of_ferturbs(
    tmp_path: Path, last: bool, kind: type, sure: bool, opset: int
) -> None:
    path = foreign(tmp_path / "foreign.onnx", Network(last=last, sure=sure), 56, opset, kind)
    form = {} if last else FORM
    model = wrap(path, "affectnet", **form)
    assert model.form.side == 56
    most = 1e-3 if kind is np.uint8 else 1e-5  # where half a grey level is rounded up or down
    written = export(model, tmp_path / "ready.onnx", faces=FACES.numpy())
    assert written.max_difference < most
    found = load_pretrained(tmp_path / "ready.onnx", threads=1)
    np.testing.assert_allclose(found.predict_proba(FACES), expected_of(model), atol=most)
    domains = [entry.domain for entry in onnx.load(tmp_path / "ready.onnx").opset_import]
    assert len(domains) == len(set(domains))  # or onnxruntime can't make it int8
    assert [o.name for o in OnnxModel(tmp_path / "ready.onnx").session.get_outputs()] == [
        "probabilities"
    ]


def test_what_can_not_be_written_is_one_line(tmp_path: Path) -> None:
    function = wrap(lambda x: x[:, 0, 0, :7] * 9, "fer2013")
    with pytest.raises(FerturbError, match="is a function, which can't be written as ONNX"):
        export(function, tmp_path / "m.onnx")
    path = foreign(tmp_path / "foreign.onnx", Network(), 48, 17)
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, path)
    with pytest.raises(FerturbError, match="takes exactly 1 faces at a time"):
        export(wrap(path, "affectnet"), tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()
