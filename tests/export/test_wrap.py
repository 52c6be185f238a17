"""`ferturb.wrap`: whatever a model comes as, its answers are the model's own."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import timm
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import Tensor, nn

import ferturb
from ferturb.base.config import ModelConfig
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.raster import Raster
from ferturb.data.vocabulary import ORDERS
from ferturb.export.wrap import wrap
from ferturb.models.classifier import Classifier
from ferturb.models.test_time import predict_logits
from ferturb.models.wrapped import Wrapped
from ferturb.predict.shipped import load_pretrained

AFFECTNET = ORDERS["affectnet"][1]
PLACES = [AFFECTNET.index(emotion) for emotion in EMOTIONS]


def images(n: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (n, 48, 48), dtype=torch.uint8, generator=generator)


def write_onnx(
    path: Path, shape: list[Any], kind: int = TensorProto.FLOAT, scale: float = 1
) -> np.ndarray:
    """A linear model of 8 classes on the pixels of `shape`; its weights (classes, pixels)."""
    pixels = int(np.prod(shape[1:]))
    weights = np.random.default_rng(0).normal(size=(8, pixels)).astype(np.float32) / pixels * scale
    nodes = [
        helper.make_node("Cast", ["faces"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("faces", kind, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [shape[0], 8])],
        [numpy_helper.from_array(weights, "w")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path
    )
    return weights


@pytest.mark.parametrize("batch", ["b", 1, 2])
def test_an_onnx_file_in_any_order_gets_the_right_answer(tmp_path: Path, batch: int | str) -> None:
    weights = write_onnx(tmp_path / "m.onnx", [batch, 1, 48, 48])
    model = wrap(tmp_path / "m.onnx", "affectnet")
    assert model.notes == ("left aside of its classes: contempt",)
    expected = (images().reshape(5, -1).numpy() / np.float32(255)) @ weights.T
    found = predict_logits(model, images()).numpy()
    np.testing.assert_allclose(found, expected[:, PLACES], atol=1e-5)


def test_an_onnx_file_of_bytes_channels_last(tmp_path: Path) -> None:
    weights = write_onnx(tmp_path / "m.onnx", ["b", 48, 48, 3], TensorProto.UINT8)
    model = wrap(tmp_path / "m.onnx", AFFECTNET)
    assert (model.form.side, model.form.channels) == (48, 3)
    colour = np.repeat(images().numpy()[..., None], 3, 3).reshape(5, -1).astype(np.float32)
    found = predict_logits(model, images()).numpy()
    np.testing.assert_allclose(found, (colour @ weights.T)[:, PLACES], rtol=1e-4, atol=1e-3)


def test_a_models_own_onnx_export_needs_no_classes(tmp_path: Path) -> None:
    own = load_pretrained("tiny")
    path = Path(ferturb.__file__).parent / "predict" / "weights" / "tiny.onnx"
    found = predict_logits(wrap(path), images()).softmax(1).numpy()
    np.testing.assert_allclose(found, own.predict_proba(images().numpy()), atol=1e-6)


@pytest.mark.parametrize("name", ["tiny"])
def test_a_shipped_model_is_the_predictors(name: str) -> None:
    """In torch with gradients, and calibrated: mirrored, as the predictor does, it is the same."""
    own = load_pretrained(name)
    own = own.with_head("label") if "label" in own.about.heads else own
    expected = own.predict_proba(images().numpy())
    found = predict_logits(wrap(name), images(), own.about.augmentation).softmax(1).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    asked = predict_logits(wrap(own), images()).softmax(1).numpy()
    np.testing.assert_allclose(asked, expected, atol=1e-6)


def test_a_network_of_ferturbs_is_itself(tiny: str) -> None:
    network = Classifier(ModelConfig(tiny)).eval()
    model = wrap(network)
    assert torch.equal(predict_logits(model, images()), predict_logits(network, images()))
    assert wrap(model) is model
    coloured = wrap(Classifier(ModelConfig(tiny), Raster(64, 3)))
    assert (coloured.form.side, coloured.form.channels) == (64, 3)


def test_a_torch_module_in_another_order_at_112_rgb() -> None:
    torch.manual_seed(0)
    network = timm.create_model("mobilenetv3_small_050", num_classes=8)
    model = wrap(network, "affectnet", side=112, channels=3, mean=(0.5, 0.4, 0.3), std=0.2)
    x = torch.nn.functional.interpolate(images()[:, None] / 255, (112, 112), mode="bilinear")
    x = (x - torch.tensor([0.5, 0.4, 0.3])[:, None, None]) / 0.2
    with torch.no_grad():
        expected = network.eval()(x)[:, PLACES]
    torch.testing.assert_close(predict_logits(model, images()), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_a_timm_name_with_weights_knows_its_form(tmp_path: Path, suffix: str) -> None:
    torch.manual_seed(1)
    network = timm.create_model("mobilenetv3_small_050", num_classes=7).eval()
    path = tmp_path / f"weights.{suffix}"
    if suffix == "pth":
        torch.save({"state_dict": network.state_dict(), "epoch": 3}, path)
    else:
        save_file(network.state_dict(), path)
    model = wrap("mobilenetv3_small_050", "alphabet", weights=path, side=64)
    mean, std = network.pretrained_cfg["mean"], network.pretrained_cfg["std"]
    assert (model.form.side, model.form.mean, model.form.std) == (64, mean, std)
    same = wrap(network, "alphabet", side=64, channels=3, mean=mean, std=std)
    assert torch.equal(predict_logits(model, images()), predict_logits(same, images()))
    with pytest.raises(FerturbError, match="doesn't fit timm's mobilenetv3_small_050 of 8 classes"):
        wrap("mobilenetv3_small_050", "affectnet", weights=path)


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Trap:
        def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
            return Path.touch, (ran,)

    torch.save({"state_dict": Trap()}, tmp_path / "w.pth")
    with pytest.raises(FerturbError, match="is not a file of weights"):
        wrap("mobilenetv3_small_050", "fer2013", weights=tmp_path / "w.pth")
    assert not ran.exists()


FILE = """
import numpy as np
import ferturb
from beside import GAIN

def predict(faces):
    return GAIN * faces.mean((1, 2, 3))[:, None] * np.linspace(-1, 1, 8)

def make():
    return predict

def wrapped(side=48):
    return ferturb.wrap(predict, "affectnet", side=side)

def broken():
    raise RuntimeError("no weights here")

number = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("GAIN = 5.0\n")
    (tmp_path / "own.py").write_text(FILE)
    return tmp_path / "own.py"


def test_a_function_in_a_file_itself_made_or_wrapped(file: Path) -> None:
    before = list(sys.path)
    means = images().float().mean((1, 2)).numpy() / 255
    expected = 5 * means[:, None] * np.linspace(-1, 1, 8)[PLACES]
    for name, classes in (("predict", "affectnet"), ("make", "affectnet"), ("wrapped", None)):
        model = wrap(f"{file}:{name}", classes)
        np.testing.assert_allclose(predict_logits(model, images()).numpy(), expected, rtol=1e-5)
    assert sys.path == before


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("predikt", "has no 'predikt'; it has: "),
        ("broken", "own.py:broken failed: RuntimeError: no weights here"),
        ("number", "a model is a torch module, a function"),
    ],
)
def test_a_file_without_a_model_is_refused(file: Path, name: str, reason: str) -> None:
    with pytest.raises(FerturbError, match=reason):
        wrap(f"{file}:{name}", "affectnet")


def test_a_file_that_fails_says_where(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(FerturbError, match=r"bad\.py failed: ModuleNotFoundError"):
        wrap(f"{tmp_path / 'bad.py'}:predict", "affectnet")


class StandIn(nn.Module):
    """Answers as models of transformers do: an object with logits."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.layer = nn.Linear(3 * 32 * 32, 7)
        names = ["sad", "disgust", "angry", "neutral", "fear", "surprise", "happy"]
        self.config = types.SimpleNamespace(id2label=dict(enumerate(names)), num_channels=3)

    def forward(self, x: Tensor) -> Any:
        return types.SimpleNamespace(logits=self.layer(x.flatten(1)))


def hub_folder(folder: Path, **processor: Any) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "vit"}))
    said = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(said | processor))
    return folder


def test_a_folder_of_transformers_says_all_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    network = StandIn()

    def from_pretrained(folder: Path, **options: Any) -> StandIn:
        asked.update(options, folder=folder)
        return network

    loader = types.SimpleNamespace(from_pretrained=from_pretrained)
    module = types.SimpleNamespace(AutoModelForImageClassification=loader)
    monkeypatch.setitem(sys.modules, "transformers", module)
    model = wrap(hub_folder(tmp_path / "vit"))
    assert asked["local_files_only"]
    assert asked["use_safetensors"]
    assert not asked["trust_remote_code"]
    same = wrap(
        network, list(network.config.id2label.values()), side=32, channels=3, mean=0.5, std=0.25
    )
    assert torch.equal(predict_logits(model, images()), predict_logits(same, images()))
    levels = wrap(hub_folder(tmp_path / "levels", do_rescale=False, do_normalize=False))
    assert levels.form.std[0] == pytest.approx(1 / 255)
    network.config.id2label = {i: f"LABEL_{i}" for i in range(7)}
    with pytest.raises(FerturbError, match="'LABEL_0' is a number"):
        wrap(tmp_path / "vit")


def test_a_folder_of_transformers_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(FerturbError, match="pip install transformers"):
        wrap(hub_folder(tmp_path / "vit"))


def test_a_real_folder_of_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    names = ["sad", "disgust", "angry", "neutral", "fear", "surprise", "happy", "contempt"]
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        image_size=64, patch_size=16, id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
    )  # fmt: skip
    torch.manual_seed(0)
    network = transformers.ViTForImageClassification(config).eval()
    network.save_pretrained(tmp_path / "vit")
    processor = transformers.ViTImageProcessor(size={"height": 64, "width": 64})
    processor.save_pretrained(tmp_path / "vit")
    model = wrap(tmp_path / "vit")
    assert model.form.side == 64
    assert model.form.mean == pytest.approx((0.5, 0.5, 0.5))
    x = torch.nn.functional.interpolate(images()[:, None] / 255, (64, 64), mode="bilinear")
    with torch.no_grad():
        expected = network(((x - 0.5) / 0.5).expand(-1, 3, -1, -1)).logits
    places = [names.index(emotion) for emotion in EMOTIONS]
    found = predict_logits(model, images())
    torch.testing.assert_close(found, expected[:, places], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "options", "reason"),
    [
        ("nothing", {}, "'nothing' is not a run folder and not a model's file or name"),
        ("tiny", {"classes": "affectnet"}, "the model tiny takes no classes; leave classes out"),
        (nn.Identity(), {}, "doesn't say which output is which emotion"),
        (nn.Identity(), {"classes": "happy,bored"}, "'bored'"),
        (nn.Identity(), {"classes": "fer2013", "weights": "w.pt"}, "takes no weights"),
        (nn.Identity(), {"classes": "fer2013", "side": 4.5}, "side must be a whole number"),
        (nn.Identity(), {"classes": "fer2013", "target_layer": nn.ReLU()}, "is not a layer of"),
        (7, {}, "got int"),
        ("gone.py:predict", {"classes": "fer2013"}, "gone.py does not exist"),
        ("gone.onnx", {"classes": "fer2013"}, "gone.onnx does not exist"),
    ],
)
@pytest.mark.usefixtures("no_shape_checks")
def test_what_can_not_be_wrapped_is_one_line(model: Any, options: Any, reason: str) -> None:
    with pytest.raises(FerturbError, match=reason) as caught:
        wrap(model, **options)
    assert "\n" not in str(caught.value)


def test_a_layer_is_named_or_given() -> None:
    network = timm.create_model("mobilenetv3_small_050", num_classes=7)
    given: Wrapped = wrap(
        network, "fer2013", side=64, channels=3, target_layer=network.get_submodule("blocks.2")
    )
    assert given.target_layer == "blocks.2"
    assert given.cam_layer is network.get_submodule("blocks.2")
