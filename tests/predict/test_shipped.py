from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from calibrated_run import FACES, finished_run
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.export.calibrated import calibrate
from ferturb.export.torch_models import calibrated_module, load_calibrated
from ferturb.predict.prior import shifted
from ferturb.predict.shipped import FOLDER, NAMES, load_pretrained

SHIPPED = [name for name in NAMES if (FOLDER / f"{name}.safetensors").exists()]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_is_the_same_in_torch_and_onnxruntime(name: str) -> None:
    with_onnx, with_torch = load_pretrained(name), load_calibrated(name)
    assert (with_onnx.backend, with_torch.backend) == ("onnxruntime", "torch")
    assert with_onnx.about == with_torch.about
    a, b = with_onnx.predict_proba(FACES), with_torch.predict_proba(FACES)
    assert a.dtype == np.float32
    np.testing.assert_allclose(a, b, atol=1e-5)
    np.testing.assert_allclose(a.sum(1), 1, atol=1e-5)
    assert len({int(row.argmax()) for row in a}) > 2


def test_a_face_and_its_mirror_image_get_the_same_answer() -> None:
    model = load_pretrained("clean")
    assert model.about.augmentation == "flip"
    mirrored = model.predict_proba(FACES[:, :, ::-1])
    np.testing.assert_allclose(model.predict_proba(FACES), mirrored, atol=1e-5)


def test_batches_and_company_change_nothing() -> None:
    model = load_pretrained("clean")
    many = np.tile(FACES, (3, 1, 1))
    together = model.predict_proba(many)
    np.testing.assert_allclose(together[:60], together[120:], atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(many[70:71]), together[70:71], atol=1e-6)
    assert model.predict_proba(many[:0]).shape == (0, 7)
    np.testing.assert_array_equal(
        model.predict_proba(torch.from_numpy(FACES)), model.predict_proba(FACES)
    )


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize(
    "wrong", [FACES / 255.0, FACES[0], FACES[:, :40], FACES[:, None], [[1, 2]], "face", None]
)
def test_what_are_no_faces_is_one_line(wrong: object) -> None:
    with pytest.raises(FerturbError, match=r"grayscale faces need uint8 \(n, 48, 48\)"):
        load_pretrained("clean").predict_proba(wrong)


@pytest.mark.usefixtures("tiny")
def test_a_run_is_calibrated_on_its_own_validation_logits(tmp_path: Path, tiny: str) -> None:
    run = finished_run(tmp_path / "run", tiny)
    model = load_calibrated(run.folder)
    labels, logits = run.logits("validation", "flip")
    found = calibrate(labels, logits)
    assert model.about.temperature == pytest.approx(found.temperature)
    assert model.about.bias == pytest.approx(found.bias)
    expected = torch.from_numpy(found.scaled(logits)).softmax(1).numpy()
    np.testing.assert_allclose(model.predict_proba(FACES), expected, atol=1e-5)
    with pytest.raises(FerturbError, match=r"ferturb\.export\.torch_models\.load_calibrated\("):
        load_pretrained(run.folder)


def test_shipping_a_run_writes_weights_graph_and_card(tmp_path: Path, tiny: str) -> None:
    from ship_pretrained import ship

    run = finished_run(tmp_path / "run", tiny)
    ship(run, "tiny", folder=tmp_path / "out")
    module, about = calibrated_module(tmp_path / "out" / "tiny.safetensors")
    with torch.no_grad():
        expected = module(torch.from_numpy(FACES))[0].numpy()
    found = load_pretrained(tmp_path / "out" / "tiny.onnx").predict_proba(FACES)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # Weights are float16 on disk: near the run's own answers, not at them.
    logits = run.logits("validation", "flip")[1]
    own = torch.from_numpy(logits / about.temperature + np.array(about.bias)).softmax(1).numpy()
    assert 0 < np.abs(found - own).max() < 0.02
    test_labels, test_logits = run.logits("test", "flip")
    scaled = test_logits / about.temperature + np.array(about.bias)
    right = (scaled.argmax(1) == test_labels).mean()
    assert about.results["accuracy"] == pytest.approx(right, abs=1e-4)
    card = (tmp_path / "out" / "tiny.md").read_text()
    assert all(f"| {emotion} |" in card for emotion in EMOTIONS)
    assert str(tmp_path) not in card


def test_a_run_of_two_heads_answers_with_the_votes_and_on_request_with_the_label(
    tmp_path: Path, tiny: str
) -> None:
    from ship_pretrained import ship

    run = finished_run(tmp_path / "run", tiny, heads=("label", "votes"))
    ship(run, "tiny", folder=tmp_path / "out")
    model = load_pretrained(tmp_path / "out" / "tiny.onnx")
    in_torch = load_calibrated(tmp_path / "out" / "tiny.safetensors")
    assert model.about == in_torch.about
    assert model.about.heads == ("votes", "label")
    for head in ("votes", "label"):
        one = model.with_head(head)
        assert one.about.head == head
        logits = run.logits("validation", "flip", head)[1]
        scaled = logits / one.about.temperature + np.array(one.about.bias)
        expected = torch.from_numpy(scaled).softmax(1).numpy()
        found = one.predict_proba(FACES)
        np.testing.assert_allclose(found, expected, atol=0.02)  # weights are float16
        np.testing.assert_allclose(found, in_torch.with_head(head).predict_proba(FACES), atol=1e-5)
    assert np.abs(model.predict_proba(FACES) - found).max() > 0.05
    balanced = model.with_head("label").with_prior("balanced")
    expected = shifted(found, model.about.of("label").prior, [1 / 7] * 7)
    np.testing.assert_allclose(balanced.predict_proba(FACES), expected, atol=1e-6)
    assert balanced.with_head("votes").about == model.about
    with pytest.raises(FerturbError, match="unknown head 'feelings'"):
        model.with_head("feelings")
    card = (tmp_path / "out" / "tiny.md").read_text()
    assert "What people would say" in card
    assert "FER2013's label" in card


def test_every_shipped_model_has_weights_graph_and_card() -> None:
    names = {path.stem for path in FOLDER.glob("*.md")}
    assert "clean" in names
    assert names <= set(NAMES)
    for name in names:
        assert {p.suffix for p in FOLDER.glob(f"{name}.*")} == {".safetensors", ".onnx", ".md"}
        assert (FOLDER / f"{name}.safetensors").stat().st_size <= 12_000_000


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nobody", "no model 'nobody'; give one of clean, robust, tiny"),
        ("none.onnx", "does not exist"),
    ],
)
def test_unknown_names(name: str, said: str) -> None:
    with pytest.raises(FerturbError, match=said):
        load_pretrained(name)
    with pytest.raises(FerturbError, match="no trained model 'nobody'; give one of clean, robust"):
        load_calibrated("nobody")


def test_a_foreign_onnx_file_is_refused(tmp_path: Path) -> None:
    from ferturb.features.landmarks import WEIGHTS

    for path in (WEIGHTS, WEIGHTS.with_suffix(".onnx")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(FerturbError, match=r"holds no model of ferturb's"):
        load_pretrained(tmp_path / "landmarks.onnx")
