from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.base.config import ModelConfig
from ferturb.base.errors import FerturbError
from ferturb.models.classifier import MEAN, STD, Classifier
from ferturb.models.dlib_resnet import STAGES
from ferturb.models.published import as_timm, grey, read_manifest, start_from_published

LITE = "tf_efficientnet_lite0"
REPEATS = (1, 2, 2, 3, 3, 4, 1)
"""Blocks of a stage in EfficientNet-B0, whose depths Lite0 has."""


def theirs_to_ours() -> dict[str, str]:
    """The package's names -> timm's, written down layer by layer."""
    found = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
    number = 0
    for stage, count in enumerate(REPEATS):
        for place in range(count):
            at, own = f"_blocks.{number}", f"blocks.{stage}.{place}"
            if number == 0:
                pairs = [("_depthwise_conv", "conv_dw"), ("_bn1", "bn1")]
                pairs += [("_project_conv", "conv_pw"), ("_bn2", "bn2")]
            else:
                pairs = [("_expand_conv", "conv_pw"), ("_bn0", "bn1")]
                pairs += [("_depthwise_conv", "conv_dw"), ("_bn1", "bn2")]
                pairs += [("_project_conv", "conv_pwl"), ("_bn2", "bn3")]
            found |= {f"{at}.{a}": f"{own}.{b}" for a, b in pairs}
            number += 1
    return found


@pytest.fixture(scope="module")
def lite() -> tuple[nn.Module, dict[str, Tensor]]:
    """timm's network with random weights, and these by the package's names."""
    torch.manual_seed(0)
    net = timm.create_model(LITE, num_classes=0, global_pool="").eval()
    for tensor in net.state_dict().values():
        if tensor.is_floating_point() and tensor.ndim == 1:
            tensor.uniform_(0.5, 1.5)
    own = net.state_dict()
    package = {}
    for theirs, ours in theirs_to_ours().items():
        for key, value in own.items():
            if key.rpartition(".")[0] == ours:
                package[f"{theirs}.{key.rpartition('.')[2]}"] = value.clone()
    package |= {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}
    return net, package


def test_every_name_has_its_place_in_timms_network(
    lite: tuple[nn.Module, dict[str, Tensor]],
) -> None:
    net, package = lite
    found = as_timm(LITE, package)
    assert found.keys() == net.state_dict().keys()
    for key, value in net.state_dict().items():
        assert torch.equal(found[key], value), key
    del package["_blocks.3._bn1.bias"]
    with pytest.raises(FerturbError, match=r"lack blocks\.2\.0\.bn2\.bias"):
        as_timm(LITE, package)
    package["_blocks.3._bn1.bias"] = net.state_dict()["blocks.2.0.bn2.bias"]


def test_a_grey_network_answers_as_the_one_of_three_colours(
    tmp_path: Path, lite: tuple[nn.Module, dict[str, Tensor]]
) -> None:
    """But at the rim: the same face, three times, scaled as timm does for this network."""
    net, package = lite
    path = tmp_path / "efficientnet-lite0-1.pth"
    torch.save(package, path)
    classifier = Classifier(ModelConfig(LITE)).eval()
    start_from_published(classifier, path)
    faces = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        layers = list(classifier.backbone.modules())
        conv = next(m for m in layers if isinstance(m, nn.Conv2d))
        norm = next(m for m in layers if isinstance(m, nn.BatchNorm2d))
        ours = norm(conv(classifier.scaled(faces)))
        coloured = (faces.expand(-1, 3, -1, -1) - 0.5) / 0.5
        expected = net.bn1(net.conv_stem(coloured))
    torch.testing.assert_close(ours[..., :-1, :-1], expected[..., :-1, :-1], atol=1e-4, rtol=1e-4)
    head = net.state_dict()["conv_head.weight"]
    assert any(torch.equal(v, head) for v in classifier.backbone.state_dict().values())


def test_grey_by_hand() -> None:
    kernel = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
    summed, bias = grey(kernel, (0.1, 0.2, 0.3), (0.5, 1.0, 2.0))
    value = torch.tensor(0.4)
    colours = [(value - m) / s for m, s in ((0.1, 0.5), (0.2, 1.0), (0.3, 2.0))]
    expected = sum(k * c for k, c in zip((1.0, 2.0, 3.0), colours, strict=True))
    found = summed.item() * (value - MEAN) / STD + bias
    assert found.item() == pytest.approx(float(expected), rel=1e-5)


def layout() -> dict[str, list[int]]:
    """Names and shapes of face-api's manifest, kernels as TensorFlow has them."""
    found = {"conv32_down/conv/filters": [7, 7, 3, 32], "conv32_down/conv/bias": [32]}
    found |= {f"conv32_down/scale/{name}": [32] for name in ("weights", "biases")}
    channels = 32
    for name in (name for names in STAGES for name in names):
        width = int(name.removeprefix("conv").split("_")[0])
        for k in (1, 2):
            shape = [3, 3, channels if k == 1 else width, width]
            found |= {f"{name}/conv{k}/conv/filters": shape, f"{name}/conv{k}/conv/bias": [width]}
            found |= {f"{name}/conv{k}/scale/{w}": [width] for w in ("weights", "biases")}
        channels = width
    return found | {"fc": [256, 128]}


@pytest.fixture(scope="module")
def face_api(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """A manifest of the same layout with random bytes, and the arrays that it stands for."""
    folder, generator = tmp_path_factory.mktemp("face-api"), np.random.default_rng(0)
    entries, raw, arrays = [], b"", {}
    for name, shape in layout().items():
        size = 0.2 / math.sqrt(math.prod(shape[:-1]) or 1)
        scale, least = (size / 255 * 2, -size) if "filters" in name else (1e-3, 0.4)
        values = generator.integers(0, 256, shape, dtype=np.uint8)
        how = {"dtype": "uint8", "scale": scale, "min": least}
        entry = {"name": name, "shape": shape, "dtype": "float32", "quantization": how}
        arrays[name] = (values * scale + least).astype(np.float32)
        if name.endswith("biases"):  # some are not quantised
            del entry["quantization"]
            raw += arrays[name].tobytes()
        else:
            raw += values.tobytes()
        entries.append(entry)
    path = folder / "face_recognition_model-weights_manifest.json"
    path.write_text(json.dumps([{"weights": entries, "paths": ["model.bin"]}]), encoding="utf-8")
    (folder / "model.bin").write_bytes(raw)
    return path, arrays


def by_hand(w: dict[str, np.ndarray], grey_face: Tensor) -> Tensor:
    """Face-api's arithmetic on red, green and blue of 0 … 255, as its source has it."""

    def conv(x: Tensor, at: str, stride: int) -> Tensor:
        kernel = torch.from_numpy(w[f"{at}/conv/filters"]).permute(3, 2, 0, 1)
        x = F.conv2d(x, kernel, torch.from_numpy(w[f"{at}/conv/bias"]), stride, 2 - stride)
        scale, shift = (torch.from_numpy(w[f"{at}/scale/{n}"]) for n in ("weights", "biases"))
        return x * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)

    mean = torch.tensor([122.782, 117.001, 104.298]).view(1, 3, 1, 1)
    x = (255 * grey_face.expand(-1, 3, -1, -1) - mean) / 255
    x = F.max_pool2d(F.relu(conv(x, "conv32_down", 2)), 3, 2)
    for name in (name for names in STAGES for name in names):
        down = "down" in name
        y = F.relu(conv(x, f"{name}/conv1", 2 if down else 1))
        y = conv(y, f"{name}/conv2", 1)
        if down:
            pooled = F.avg_pool2d(x, 2)
            whole = torch.zeros(len(x), y.shape[1], *pooled.shape[2:])
            whole[:, : pooled.shape[1]] = pooled
            whole[:, :, : y.shape[2], : y.shape[3]] += y
            x = F.relu(whole)
        else:
            x = F.relu(x + y)
    return x.mean((2, 3))


@torch.no_grad()
def test_dlibs_network_is_face_apis_arithmetic(
    face_api: tuple[Path, dict[str, np.ndarray]],
) -> None:
    path, arrays = face_api
    read = read_manifest(path)
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_allclose(read[name].numpy(), array, rtol=1e-6)
    classifier = Classifier(ModelConfig("dlib-resnet")).eval()
    start_from_published(classifier, path)
    faces = torch.rand(2, 1, 150, 150)
    expected = by_hand(arrays, faces)
    found = classifier.backbone(classifier.scaled(faces)).mean((2, 3))
    assert expected.std() > 0
    torch.testing.assert_close(found, expected, atol=1e-3 * float(expected.abs().max()), rtol=1e-3)
    numbers = sum(math.prod(shape) for shape in layout().values())
    assert numbers == 5_614_592  # as in the package's own manifest
    without = 256 * 128 + 2 * 7 * 7 * 32  # its last map, and two of three colours
    assert classifier.parameter_count == numbers - without + 256 * 7 + 7


def test_files_that_do_not_fit_are_one_line(
    tmp_path: Path, face_api: tuple[Path, dict[str, np.ndarray]]
) -> None:
    torch.save({"_fc.weight": torch.zeros(2)}, tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(b"no weights")
    (tmp_path / "c.txt").write_text("x", encoding="utf-8")
    short = tmp_path / "d-weights_manifest.json"
    short.write_text(face_api[0].read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "model.bin").write_bytes(b"12")
    for path, name, match in (
        (tmp_path / "a.pth", LITE, "lack"),
        (tmp_path / "b.pth", LITE, r"is not weights of tf_efficientnet_lite0"),
        (tmp_path / "a.pth", "compact", r"holds weights for tf_efficientnet_lite0 to 2"),
        (tmp_path / "c.txt", LITE, r"is no file that a training can start from"),
        (tmp_path / "none.pth", LITE, r"does not exist"),
        (face_api[0], LITE, r"holds weights for dlib-resnet"),
        (short, "dlib-resnet", r"is not weights of dlib-resnet"),
    ):
        with pytest.raises(FerturbError, match=match) as error:
            start_from_published(Classifier(ModelConfig(name)), path)
        assert "\n" not in str(error.value)


@pytest.mark.slow
@pytest.mark.skipif("FERTURB_WEIGHTS" not in os.environ, reason="needs the packages, unpacked")
def test_the_packages_themselves_fit() -> None:
    folder = Path(os.environ["FERTURB_WEIGHTS"])
    (pth,) = folder.rglob("efficientnet-lite0-*.pth")
    (manifest,) = folder.rglob("face_recognition_model-weights_manifest.json")
    for name, path in ((LITE, pth), ("dlib-resnet", manifest)):
        classifier = Classifier(ModelConfig(name)).eval()
        start_from_published(classifier, path)
        with torch.no_grad():
            assert torch.isfinite(classifier(torch.rand(2, 1, 48, 48))).all()
