from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from torch import Tensor, nn

from calibrated_run import FACES, finished_run
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.export.comparison import compare
from ferturb.export.onnx import export, export_with_data, to_onnx
from ferturb.export.torch_models import calibrated_module, load_calibrated
from ferturb.predict.onnx_session import OnnxModel
from ferturb.predict.shipped import FOLDER, NAMES, load_pretrained

LIMITS = {"float32": 1e-4, "float16": 2e-2, "int8": 0.5}


@pytest.mark.parametrize("format", ["float32", "float16", "int8"])
def test_the_file_stands_alone_and_agrees_with_torch(
    tmp_path: Path, tiny: str, format: str
) -> None:
    run = finished_run(tmp_path / "run", tiny)
    path = tmp_path / "alone" / "model.onnx"
    labels = np.arange(len(FACES)) % 7
    found = export(run.folder, path, format, FACES, labels, FACES)
    model = load_pretrained(path)
    expected = load_calibrated(run.folder).predict_proba(FACES)
    got = model.predict_proba(FACES)
    assert found.max_difference == pytest.approx(np.abs(got - expected).max(), abs=1e-5)
    assert found.max_difference <= LIMITS[format]
    assert found.agreement == pytest.approx((got.argmax(1) == expected.argmax(1)).mean())
    assert found.accuracy == pytest.approx((got.argmax(1) == labels).mean())
    assert found.accuracy_in_torch == pytest.approx((expected.argmax(1) == labels).mean())
    assert model.about == load_calibrated(run.folder).about
    assert [p.name for p in path.parent.iterdir()] == ["model.onnx"]
    (given,) = OnnxModel(path).session.get_inputs()
    assert (given.name, given.shape) == ("faces", ["n", 48, 48])


def test_two_heads_are_two_outputs_and_labels_are_compared_with_the_label_head(
    tmp_path: Path, tiny: str
) -> None:
    run = finished_run(tmp_path / "run", tiny, heads=("label", "votes"))
    path, labels = tmp_path / "two.onnx", np.arange(len(FACES)) % 7
    found = export(run.folder, path, "float32", FACES, labels)
    outputs = [output.name for output in OnnxModel(path).session.get_outputs()]
    assert outputs == ["probabilities", "label_probabilities"]
    model = load_pretrained(path)
    by_label = model.with_head("label").predict_proba(FACES).argmax(1)
    by_votes = model.predict_proba(FACES).argmax(1)
    assert found.accuracy == pytest.approx((by_label == labels).mean())
    assert (by_label != by_votes).any()
    assert found.agreement == 1.0


def test_formats_shrink_the_file(tmp_path: Path) -> None:
    sizes = [
        export("clean", tmp_path / f, f, FACES[:4], calibration=FACES[:8]).bytes
        for f in ("float32", "float16", "int8")
    ]
    assert sizes[1] < 0.52 * sizes[0]
    assert sizes[2] < 0.3 * sizes[0]
    with pytest.raises(FerturbError, match="unknown format 'int4'"):
        export("clean", tmp_path / "x", "int4")


def test_int8_takes_any_number_of_calibration_faces(tmp_path: Path) -> None:
    faces = np.concatenate([FACES] * 70)[:70]  # more than a batch, and not two
    found = export("tiny", tmp_path / "x.onnx", "int8", FACES, calibration=faces)
    assert found.max_difference < LIMITS["int8"]
    with pytest.raises(FerturbError, match="needs faces"):
        export("tiny", tmp_path / "y.onnx", "int8", FACES, calibration=FACES[:0])


def test_int8_leaves_the_first_block_and_the_last_layer_in_float(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    export("tiny", tmp_path / "x.onnx", "int8", FACES[:4], calibration=FACES[:8])
    nodes = onnx.load(tmp_path / "x.onnx").graph.node
    made_by = {name: node for node in nodes for name in node.output}

    def rounded(node: onnx.NodeProto) -> bool:
        weights = made_by.get(node.input[1])
        return weights is not None and weights.op_type == "DequantizeLinear"

    layers = [rounded(n) for n in nodes if n.op_type in ("Conv", "Gemm")]
    assert layers == [False] * 4 + [True] * 6 + [False]  # stem and a block of two and its shortcut
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_what_onnx_can_not_hold_is_one_line() -> None:
    class Sorted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.float().geometric_(0.5)

    with pytest.raises(FerturbError, match="can't be written as ONNX") as caught:
        to_onnx(Sorted(), ("x",), ("y",), FACES, {})
    assert "\n" not in str(caught.value)


def test_a_path_may_be_text(tmp_path: Path) -> None:
    found = export("tiny", str(tmp_path / "model.onnx"))
    assert found.path == tmp_path / "model.onnx"
    assert found.path.stat().st_size > 100_000


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_model_keeps_its_answers_on_real_faces(real_faces: Faces, name: str) -> None:
    """Some of them; results/onnx_parity.csv has every model and format on all test faces."""
    test = real_faces.split("test").select(slice(0, None, 9))
    module, _ = calibrated_module(name)
    shipped = compare(
        module, FOLDER / f"{name}.onnx", "shipped", test.images.numpy(), test.labels.numpy()
    )
    assert shipped.max_difference <= 1e-4
    assert shipped.agreement >= 0.999


@pytest.mark.real_data
@pytest.mark.slow
def test_int8_set_by_real_faces_keeps_its_accuracy(tmp_path: Path, real_faces: Faces) -> None:
    part = real_faces.select(slice(0, None, 4))
    int8 = export_with_data("tiny", tmp_path / "int8.onnx", "int8", part)
    assert int8.faces == len(part.split("test")) > 800
    assert int8.agreement >= 0.98
    assert int8.accuracy is not None
    assert int8.accuracy_in_torch is not None
    assert abs(int8.accuracy - int8.accuracy_in_torch) < 0.02
