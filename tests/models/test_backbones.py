from __future__ import annotations

import math

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.base.config import ModelConfig
from ferturb.base.errors import FerturbError
from ferturb.models.backbones import BACKBONES, build_backbone
from ferturb.models.classifier import Classifier
from ferturb.models.stages import Staged
from ferturb.models.timm_stages import timm_backbone

HEAVY = ("dpn92", "resmasking")
ELSEWHERE = ("deep-emotion", "hog", "emonext", "dlib-resnet", "two-stage", "vgg-like")
"""What the names of networks begin with that have tests, and sides of maps, of their own."""
ALL = [
    pytest.param(name, marks=[pytest.mark.slow] * (name in HEAVY))
    for name in BACKBONES
    if not name.startswith(ELSEWHERE)
]
SMALL_STEM = 64 * 9 - 64 * 3 * 49  # 3x3 from one channel in place of 7x7 from three


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


# name: (parameters as published for 3 channels and its classes, what the published head holds,
# features, what the small stem changes)
PUBLISHED = {
    "resnet18": (11_689_512, linear(512, 1000), 512, SMALL_STEM),
    "resnet34": (21_797_672, linear(512, 1000), 512, SMALL_STEM),
    "resnet50": (25_557_032, linear(2048, 1000), 2048, SMALL_STEM),
    "densenet121": (7_978_856, linear(1024, 1000), 1024, SMALL_STEM),
    "vgg16": (
        138_365_992,
        linear(512 * 49, 4096) + linear(4096, 4096) + linear(4096, 1000),
        512,
        64 * 9 - 64 * 27,
    ),
    "dpn26": (11_574_842, linear(2432, 10), 2432, 64 * 9 - 64 * 27),
    "densenet121-pool": (7_978_856, linear(1024, 1000), 1024, SMALL_STEM),
    "dpn26-pool": (11_574_842, linear(2432, 10), 2432, 64 * 9 - 64 * 27),
    "dpn68": (12_611_602, linear(832, 1000), 832, 10 * 9 - 10 * 27),
    "dpn92": (37_668_392, linear(2688, 1000), 2688, SMALL_STEM),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameter_count_is_the_published_one_with_our_stem_and_head(name: str) -> None:
    published, head, features, stem = PUBLISHED[name]
    with torch.device("meta"):  # counts need no memory
        net = build_backbone(name)
    assert net.features == features
    ours = sum(p.numel() for p in net.parameters()) + linear(features, 7)
    assert ours == published - head + stem + linear(features, 7)


@pytest.mark.parametrize("name", ["vgg16", "vgg16-dropout", "resmasking18"])
def test_half_has_half_the_channels_everywhere_and_nothing_else(name: str) -> None:
    with torch.device("meta"):
        whole, half = build_backbone(name), build_backbone(f"{name}-half")
    assert half.features == whole.features // 2
    for one, other in zip(whole.parameters(), half.parameters(), strict=True):
        stem = one.ndim == 4 and one.shape[1] == 1
        halved = [one.shape[0] // 2, *([1] if stem else [n // 2 for n in one.shape[1:2]])]
        assert list(other.shape) == [*halved[: one.ndim], *one.shape[2:]]


def randomise(net: nn.Module) -> nn.Module:
    """Batch norms with nothing at 0 or 1, so that a misplaced one shows."""
    generator = torch.Generator().manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                tensor.data.uniform_(0.5, 1.5, generator=generator)
    return net.double().eval()


def copy_in_order(source: nn.Module, target: nn.Module) -> None:
    """Weights by their order; names differ between the two libraries."""
    ours = target.state_dict()
    theirs = list(source.state_dict().values())
    assert [t.shape for t in ours.values()] == [t.shape for t in theirs]
    target.load_state_dict(dict(zip(ours, theirs, strict=True)))


def reference_resnet(name: str) -> nn.Module:
    net = getattr(torchvision.models, name)(weights=None)
    net.conv1 = nn.Conv2d(1, 64, 3, 2, 1, bias=False)
    net.maxpool = nn.Identity()
    net.avgpool, net.fc = nn.Identity(), nn.Identity()
    return net


def reference_densenet() -> nn.Module:
    features = torchvision.models.densenet121(weights=None).features
    features.conv0 = nn.Conv2d(1, 64, 3, 2, 1, bias=False)
    features.pool0 = nn.Identity()
    return nn.Sequential(features, nn.ReLU())


def reference_vgg() -> nn.Module:
    features = torchvision.models.vgg16_bn(weights=None).features
    features[0] = nn.Conv2d(1, 64, 3, 1, 1)
    return features


REFERENCES = {
    "resnet18": lambda: reference_resnet("resnet18"),
    "resnet50": lambda: reference_resnet("resnet50"),
    "densenet121": reference_densenet,
    "vgg16": reference_vgg,
}


@pytest.mark.parametrize("name", REFERENCES)
@torch.no_grad()
def test_output_is_that_of_torchvision_with_the_same_stem(name: str) -> None:
    reference = randomise(REFERENCES[name]())
    net = build_backbone(name).double().eval()
    copy_in_order(reference, net)
    for side in (36, 48):
        faces = torch.rand(2, 1, side, side, dtype=torch.float64)
        ours = net(faces)
        torch.testing.assert_close(
            ours.flatten(1), reference(faces).flatten(1), rtol=1e-9, atol=1e-12
        )


@torch.no_grad()
def test_vgg16_dropout_is_a_vgg_with_two_fully_connected_layers() -> None:
    net = randomise(build_backbone("vgg16-dropout"))
    weights = iter([v for v in net.state_dict().values() if v.ndim])
    x = faces = torch.rand(3, 1, 40, 40, dtype=torch.float64)

    def normed(y: Tensor) -> Tensor:
        scale, shift, mean, variance = (next(weights) for _ in range(4))
        return F.relu(F.batch_norm(y, mean, variance, scale, shift))

    for depth in (2, 2, 3, 3, 3):
        for _ in range(depth):
            x = normed(F.conv2d(x, next(weights), next(weights), padding=1))
        x = F.max_pool2d(x, 2)
    x = x.flatten(1)
    for _ in range(2):
        x = normed(F.linear(x, next(weights).flatten(1), next(weights)))
    torch.testing.assert_close(net(faces).flatten(1), x, rtol=1e-9, atol=1e-12)
    assert x.shape == (3, 4096)
    dropped = [m.p for m in net.modules() if isinstance(m, nn.Dropout)]
    assert dropped == [0.4] * 13


@torch.no_grad()
def test_dpn68_is_timms_with_a_small_stem() -> None:
    whole = timm.create_model("dpn68", in_chans=1).features
    whole.conv1_1.conv = nn.Conv2d(1, 10, 3, 2, 1, bias=False)
    whole.conv1_pool = nn.Identity()
    randomise(whole)
    net = build_backbone("dpn68").double().eval()
    copy_in_order(whole, net)
    faces = torch.rand(2, 1, 40, 40, dtype=torch.float64)
    torch.testing.assert_close(net(faces), whole(faces), rtol=1e-9, atol=1e-12)


def dpn26_by_two_paths(net: Staged, x: Tensor) -> Tensor:
    """DPN-26 with its residual and its dense path as two tensors, straight from the paper."""

    def norm(y: Tensor, layer: nn.Module) -> Tensor:
        y = (y - layer.running_mean[:, None, None]) / torch.sqrt(
            layer.running_var[:, None, None] + layer.eps
        )
        return y * layer.weight[:, None, None] + layer.bias[:, None, None]

    x = norm(F.conv2d(x, net.stem[0].weight, stride=2, padding=1), net.stem[1]).clamp(min=0)
    plan = zip(net.stages, (256, 512, 1024, 2048), (1, 2, 2, 2), strict=True)
    for stage, outputs, stride in plan:
        residual, dense = x, x[:, :0]
        for i, block in enumerate(stage):
            both = torch.cat([residual, dense], 1)
            step = stride if i == 0 else 1
            conv1, bn1, _, conv2, bn2, _, conv3, bn3 = block.body
            y = norm(F.conv2d(both, conv1.weight), bn1).clamp(min=0)
            y = F.conv2d(y, conv2.weight, stride=step, padding=1, groups=32)
            y = norm(F.conv2d(norm(y, bn2).clamp(min=0), conv3.weight), bn3)
            if i == 0:
                conv, bn = block.shortcut
                both = norm(F.conv2d(both, conv.weight, stride=step), bn)
                residual, dense = both[:, :outputs], both[:, outputs:]
            residual = (residual + y[:, :outputs]).clamp(min=0)
            dense = torch.cat([dense, y[:, outputs:]], 1).clamp(min=0)
        x = torch.cat([residual, dense], 1)
    return x


@torch.no_grad()
def test_dpn26_adds_one_path_and_appends_the_other() -> None:
    net = randomise(build_backbone("dpn26"))
    faces = torch.rand(2, 1, 40, 40, dtype=torch.float64)
    torch.testing.assert_close(net(faces), dpn26_by_two_paths(net, faces), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_stages_halve_the_face_and_every_weight_learns_at_every_size(name: str) -> None:
    torch.manual_seed(0)
    net = Classifier(ModelConfig(name=name, attention=True))
    net.to(memory_format=torch.channels_last)
    for parameter in net.parameters():  # weights that start at 0 hold back the gradient of others
        if not parameter.any():
            nn.init.uniform_(parameter, 0.1, 0.5)
    largest = 48 if name.startswith("vgg16") else 24
    sides: list[int] = []
    for gate in net.gates:
        gate.register_forward_hook(lambda _m, _i, out: sides.append(out.shape[-1]))
    large = name.startswith(("resmasking", "dpn92"))
    for side in (48,) if large else (36, 40, 48):
        sides.clear()
        net.train()
        logits = net(torch.rand(3, 1, side, side))
        assert torch.isfinite(logits).all()
        with torch.no_grad():
            assert torch.isfinite(net.eval()(torch.rand(1, 1, side, side))).all()
    if name == "compact-tiny":
        largest = 12
    halved = [largest >> i for i in range(len(net.gates))]
    if name.endswith("-pool") or name.startswith("resmasking18"):
        halved = [12, 6, 3]
    assert sides[: len(halved)] == halved
    assert len(net.gates) == (4 if name.startswith("vgg16") else 2 if name == "compact-tiny" else 3)
    F.cross_entropy(logits, torch.tensor([0, 3, 6])).backward()
    for key, parameter in net.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
    assert sum(p.grad.abs().sum() > 0 for p in net.parameters()) > 0.9 * len(list(net.parameters()))


@pytest.mark.parametrize("name", ["compact", "resnet18", "densenet121", "dpn26"])
@torch.no_grad()
def test_channels_last_changes_nothing_but_the_order_of_sums(name: str) -> None:
    net = randomise(build_backbone(name))
    faces = torch.rand(2, 1, 48, 48, dtype=torch.float64)
    plain = net(faces)
    net.to(memory_format=torch.channels_last)
    last = net(faces.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(last, plain, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["vgg16", "resnet18", "densenet121", "dpn26", "dpn68"])
def test_same_seed_gives_the_same_weights_and_another_seed_others(name: str) -> None:
    def weights(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return torch.cat([p.detach().flatten() for p in build_backbone(name).parameters()])

    first = weights(5)
    assert torch.equal(first, weights(5))
    assert not torch.equal(first, weights(6))


@pytest.mark.parametrize("name", ["resnet18", "dpn26", "dpn68", "vgg16"])
def test_convolutions_start_from_he_normal_fan_out(name: str) -> None:
    torch.manual_seed(0)
    for key, module in build_backbone(name).named_modules():
        if isinstance(module, nn.Conv2d):
            weight = module.weight.detach()
            expected = math.sqrt(2 / (weight.shape[0] * weight[0, 0].numel()))
            error = 5 / math.sqrt(
                2 * weight.numel()
            )  # five standard errors of a standard deviation
            assert abs(weight.std().item() / expected - 1) < error, key
            assert weight.abs().max() > 2.2 * expected, key  # normal, not uniform


@pytest.mark.parametrize(
    "name",
    ["mobilenetv3_small_100", "efficientnet_b0", "regnety_002", "convnext_atto", "resnet10t"],
)
@torch.no_grad()
def test_any_convolutional_timm_network_is_cut_without_changing_it(name: str) -> None:
    torch.manual_seed(0)
    net = randomise(timm_backbone(name))
    assert len(net.stages) == 4
    whole = timm.create_model(name, in_chans=1, num_classes=0, global_pool="").double().eval()
    copy_in_order(net, whole)
    faces = torch.rand(2, 1, 40, 40, dtype=torch.float64)
    ours = net(faces)
    assert ours.shape[1] == net.features
    assert ours.std() > 0
    torch.testing.assert_close(ours, whole(faces), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["mobilenetv3_small_100", "convnext_atto"])
def test_attention_reaches_a_timm_network(name: str) -> None:
    torch.manual_seed(0)
    net = Classifier(ModelConfig(name=name, attention=True)).eval()
    maps = net.attention_maps(torch.rand(2, 1, 48, 48))
    assert maps.shape == (2, 48, 48)
    assert maps.std() > 0


@torch.no_grad()
def test_a_transformer_gives_tokens_whose_mean_is_pooled() -> None:
    torch.manual_seed(0)
    name = "vit_tiny_patch16_224"
    net = Classifier(ModelConfig(name=name)).eval()
    for side in (36, 40, 48):
        faces = torch.rand(2, 1, side, side)
        tokens = net.backbone.tail.net((faces - 0.5077) / 0.2551)
        assert tokens.shape == (2, 10, 192)  # 3 x 3 patches and the class token
        torch.testing.assert_close(net(faces), net.head(tokens.mean(1)))
    with pytest.raises(FerturbError, match=r"no stages .* choose a convolutional network"):
        Classifier(ModelConfig(name=name, attention=True))


@torch.no_grad()
def test_a_network_of_fixed_size_gets_resized_faces_with_channels_first() -> None:
    torch.manual_seed(0)
    net = timm_backbone("swin_tiny_patch4_window7_224").eval()
    faces = torch.rand(1, 1, 36, 36)
    resized = F.interpolate(faces, (48, 48), mode="bilinear", align_corners=False)
    expected = net.tail.net(resized).permute(0, 3, 1, 2)
    assert expected.shape[1] == net.features == 768
    assert torch.equal(net(faces), expected)


class Chain(nn.Module):
    """A network whose forward may do more than its modules say."""

    def __init__(self, skip: bool) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(1, 1, 1) for _ in range(3))
        self.scale = nn.BatchNorm2d(1)
        nn.init.zeros_(self.scale.weight)
        self.skip = skip
        self.feature_info = [{"module": "a"}, {"module": "b"}]

    def forward(self, x: Tensor) -> Tensor:
        y = self.scale(self.c(self.b(self.a(x))))
        return y + self.scale.weight[:, None, None] * x if self.skip else y


def test_a_cut_that_loses_something_is_refused_even_where_weights_start_at_zero(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for skip, stages in ((False, 2), (True, 0)):
        monkeypatch.setattr(timm, "create_model", lambda *_a, skip=skip, **_k: Chain(skip))
        assert len(timm_backbone("chain").stages) == stages


def test_building_leaves_training_mode_on_and_no_hooks_behind() -> None:
    net = timm_backbone("mobilenetv3_small_100")
    for module in net.modules():
        assert module.training
        assert not module._forward_hooks
        if isinstance(module, nn.BatchNorm2d):
            assert module.num_batches_tracked == 0


def test_unknown_name_is_an_error_with_the_nearest_names() -> None:
    with pytest.raises(FerturbError, match=r"unknown model 'resnt18'.*'resnet18'.*any timm name"):
        build_backbone("resnt18")
    with pytest.raises(FerturbError) as error:
        build_backbone("zzzzzzzzzzzz")
    assert "\n" not in str(error.value)
    assert "did you mean" not in str(error.value)
