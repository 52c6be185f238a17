from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.base.config import MethodConfig, ModelConfig
from ferturb.base.errors import FerturbError
from ferturb.evaluation.saliency.methods import (
    METHODS,
    NOISE,
    NOISY_COPIES,
    as_mass,
    raw_saliency,
    saliency,
    saliency_maps,
    signed_integrated_gradients,
    silent,
)
from ferturb.evaluation.saliency.networks import networks_of
from ferturb.models.classifier import MEAN, Classifier
from ferturb.models.ensemble import Ensemble
from ferturb.perturb.view_classifier import ViewClassifier

TARGET = torch.tensor([3, 0])


def faces(n: int = 2, side: int = 32, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, 1, side, side, generator=generator, dtype=dtype)


def network(name: str, seed: int = 0) -> Classifier:
    torch.manual_seed(seed)
    return Classifier(ModelConfig(name)).double().eval()


def summed_views(classifier: Classifier, side: int = 32) -> ViewClassifier:
    cluster_map = (torch.arange(side) // (side // 2 + 1))[:, None].expand(side, side).clone()
    return ViewClassifier(classifier, cluster_map, MethodConfig("perturb", clusters=2)).eval()


def by_autograd(model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """The gradient of each face's own logit, one face and one logit at a time."""
    rows = []
    for face, emotion in zip(x, target.tolist(), strict=True):
        one = face[None].clone().requires_grad_()
        model(one)[0, emotion].backward()
        assert one.grad is not None
        rows.append(one.grad[0, 0])
    return torch.stack(rows)


def test_gradient_is_the_slope_of_the_logit_in_each_pixel(tiny: str) -> None:
    model, x, step = network(tiny), faces(), 1e-5
    found = raw_saliency(model, x, TARGET, "gradient")
    for face, (row, column) in [(0, (3, 4)), (0, (16, 20)), (1, (30, 1)), (1, (11, 11))]:
        ahead, behind = x.clone(), x.clone()
        ahead[face, 0, row, column] += step
        behind[face, 0, row, column] -= step
        with torch.no_grad():
            slope = (model(ahead) - model(behind))[face, TARGET[face]] / (2 * step)
        assert found[face, row, column].item() == pytest.approx(abs(slope.item()), rel=1e-4)


def test_gradient_goes_through_summed_views(tiny: str) -> None:
    model, x = summed_views(network(tiny)), faces()
    expected = by_autograd(model, x, TARGET).abs()
    torch.testing.assert_close(raw_saliency(model, x, TARGET, "gradient"), expected)
    alone = raw_saliency(model.classifier, x, TARGET, "gradient")
    assert not torch.allclose(alone, expected)


def test_integrated_gradients_are_a_sum_along_the_way(tiny: str) -> None:
    model, x, steps = network(tiny), faces(), 1200
    total = torch.zeros(2, 32, 32, dtype=torch.float64)
    for i in range(0, steps, 400):
        shares = (torch.arange(i, i + 400, dtype=torch.float64) + 0.5) / steps
        for face in (0, 1):
            points = (MEAN + shares[:, None, None, None] * (x[face] - MEAN)).requires_grad_()
            score = model(points)[:, TARGET[face]].sum()
            (slope,) = torch.autograd.grad(score, points)
            total[face] += (slope.mean(0) * (x[face] - MEAN))[0] * 400 / steps
    found = signed_integrated_gradients(model, x.clone().requires_grad_(), TARGET)
    assert (found - total).abs().max() < 0.05 * total.abs().max()


def test_integrated_gradients_add_up_to_the_change_of_the_logit(tiny: str) -> None:
    model, x = network(tiny), faces()
    with torch.no_grad():
        grey = torch.full_like(x, MEAN)
        change = (model(x) - model(grey)).gather(1, TARGET[:, None])[:, 0]
    found = signed_integrated_gradients(model, x.clone().requires_grad_(), TARGET, steps=256)
    torch.testing.assert_close(found.sum((1, 2)), change, rtol=0.01, atol=1e-4)


def test_smoothgrad_is_the_mean_gradient_of_noisy_copies() -> None:
    class Square(nn.Module):
        """Logit 3 is the sum of squares, so that its gradient is twice the pixel."""

        def forward(self, x: Tensor) -> Tensor:
            return x.square().sum((1, 2, 3))[:, None] * torch.eye(7, dtype=x.dtype)[3]

    x, target = faces(), torch.tensor([3, 3])
    found = raw_saliency(Square(), x, target, "smoothgrad")
    error = found - 2 * x[:, 0]
    spread = 2 * NOISE / NOISY_COPIES**0.5
    assert error.std().item() == pytest.approx(spread, rel=0.1)
    assert abs(error.mean().item()) < 0.1 * spread


def test_grad_cam_of_two_layers_by_hand() -> None:
    model = Classifier(ModelConfig("compact"))
    stage = nn.Conv2d(1, 2, 1, bias=False, dtype=torch.float64)
    stage.weight.data = torch.tensor([2.0, -1.0], dtype=torch.float64).view(2, 1, 1, 1)
    pool = nn.AvgPool2d(8)
    model.backbone.stem, model.backbone.tail = pool, nn.Identity()
    model.backbone.stages = nn.ModuleList([stage])
    model.head = nn.Linear(2, 7, dtype=torch.float64)
    x = faces()
    z = pool((x - MEAN) / 0.2551)[:, 0]  # 4×4
    maps = torch.stack([2 * z, -z], 1)
    weights = model.head.weight[TARGET] / 16  # gradient of a mean over 4×4 positions
    cam = (weights[:, :, None, None] * maps).sum(1).relu()
    expected = F.interpolate(cam[:, None], (32, 32), mode="bilinear", align_corners=False)[:, 0]
    found = raw_saliency(model, x, TARGET, "grad-cam")
    torch.testing.assert_close(found, expected.detach())
    torch.testing.assert_close(raw_saliency(model, x, TARGET, "grad-cam-fine"), found)


def test_grad_cam_fine_looks_at_an_earlier_stage() -> None:
    model, x = network("compact"), faces(side=48)
    coarse, fine = (raw_saliency(model, x, TARGET, m) for m in ("grad-cam", "grad-cam-fine"))
    last = [x.shape[-1] for x in _outputs(model, x)]
    assert last == [24, 12, 6, 3]
    assert not torch.allclose(coarse, fine)


def _outputs(model: Classifier, x: Tensor) -> list[Tensor]:
    found, z = [], model.backbone.stem((x - MEAN) / 0.2551)
    for stage in model.backbone.stages:
        z = stage(z)
        found.append(z)
    return found


def test_grad_cam_sums_over_views_and_members(tiny: str) -> None:
    first, second, x = network(tiny), network(tiny, seed=1), faces()
    together = raw_saliency(Ensemble([first, second]), x, TARGET, "grad-cam")
    apart = [raw_saliency(m, x, TARGET, "grad-cam") for m in (first, second)]
    torch.testing.assert_close(together, apart[0] + apart[1])
    one = MethodConfig("perturb", clusters=1)
    views = ViewClassifier(first, torch.zeros(32, 32, dtype=torch.int64), one).eval()
    assert networks_of(views) == [first]
    found = raw_saliency(views, x, TARGET, "grad-cam")
    assert found.shape == (2, 32, 32)
    assert bool((found >= 0).all())


def test_occlusion_is_the_mean_fall_over_windows() -> None:
    class Sums(nn.Module):
        """Logits that are weighted sums of the pixels."""

        def __init__(self) -> None:
            super().__init__()
            generator = torch.Generator().manual_seed(0)
            self.weight = torch.randn(7, 12 * 12, generator=generator, dtype=torch.float64)

        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1) @ self.weight.T

    model, x = Sums(), faces(side=12)
    total, count = torch.zeros(2, 12, 12).double(), torch.zeros(12, 12).double()
    before = model(x).softmax(1)
    for top in range(0, 11):
        for left in range(0, 11):
            hidden = x.clone()
            hidden[..., top : top + 2, left : left + 2] = MEAN
            fall = (before - model(hidden).softmax(1)).gather(1, TARGET[:, None])[:, 0]
            total[:, top : top + 2, left : left + 2] += fall[:, None, None]
            count[top : top + 2, left : left + 2] += 1
    expected = (total / count).clamp_min(0)
    found = raw_saliency(model, x, TARGET, "occlusion").double()  # captum adds up in float32
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_every_method_explains_the_compact_network_and_leaves_it_alone() -> None:
    torch.manual_seed(0)
    model, x = Classifier(ModelConfig("compact")), faces(side=48, dtype=torch.float32)
    model.train()
    model.dropout.eval()
    modes = [m.training for m in model.modules()]
    state = {key: value.clone() for key, value in model.state_dict().items()}
    generator = torch.random.get_rng_state()
    for method in METHODS:
        found = saliency(model, x, TARGET, method)
        torch.testing.assert_close(found.sum((1, 2)), torch.ones(2))
        assert bool((found >= 0).all())
        assert len(found.unique()) > 9
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert all(p.grad is None for p in model.parameters())
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    assert not any(getattr(m, kind) for m in model.modules() for kind in hooks)
    assert not x.requires_grad


def test_the_same_seed_gives_the_same_maps(tiny: str) -> None:
    model, x = network(tiny), faces()
    for method in METHODS:
        first, again, other = (raw_saliency(model, x, TARGET, method, seed) for seed in (4, 4, 5))
        assert torch.equal(first, again)
        assert torch.equal(first, other) == (method not in ("smoothgrad", "rise"))


def test_batches_change_nothing(tiny: str) -> None:
    model = network(tiny).float()
    images = (faces(5, dtype=torch.float32)[:, 0] * 255).to(torch.uint8)
    target, calls = torch.arange(5), []
    for method in ("integrated-gradients", "grad-cam", "rise"):
        whole = saliency_maps(model, images, target, method)
        parts = saliency_maps(
            model, images, target, method, batch_size=2, on_progress=lambda *c: calls.append(c)
        )
        torch.testing.assert_close(whole, parts, rtol=1e-3, atol=1e-5)
    assert calls[:3] == [(2, 5), (4, 5), (5, 5)]


def test_silent_maps_become_the_same_everywhere() -> None:
    maps = torch.zeros(3, 4, 4)
    maps[1, 2, 3] = 1e-30
    maps[2, 0, 0] = float("nan")
    assert silent(maps).tolist() == [True, False, True]
    mass = as_mass(maps)
    assert mass[0].unique().tolist() == mass[2].unique().tolist() == [1 / 16]
    assert mass[1, 2, 3] == mass[1].sum() == 1


def test_errors_are_one_line(tiny: str) -> None:
    model, x = network(tiny), faces()
    with pytest.raises(FerturbError, match="unknown saliency method 'gradcam': did you mean"):
        saliency(model, x, TARGET, "gradcam")
    model.backbone.stages = nn.ModuleList()
    with pytest.raises(FerturbError, match="grad-cam needs stages"):
        saliency(model, x, TARGET, "grad-cam")
    linear = nn.Sequential(nn.Flatten(), nn.Linear(1024, 7).double())
    with pytest.raises(FerturbError, match="needs the layers of a Classifier"):
        saliency(linear, x, TARGET, "grad-cam")
    with pytest.raises(FerturbError, match="guided-backprop needs a network with ReLUs"):
        saliency(linear, x, TARGET, "guided-backprop")


@pytest.mark.usefixtures("no_shape_checks")
def test_numpy_faces_and_inference_mode_will_do() -> None:
    model = Classifier(ModelConfig("compact-tiny")).eval()
    images = torch.randint(0, 256, (2, 48, 48), dtype=torch.uint8)
    expected = saliency_maps(model, images, TARGET, "gradient")
    numbers = saliency_maps(model, images.numpy(), TARGET.numpy(), "gradient")  # type: ignore[arg-type]
    with torch.inference_mode():
        inferred = saliency_maps(model, images, TARGET, "gradient")
    assert expected.amax() > 0
    assert numbers.equal(expected)
    assert inferred.equal(expected)
