"""Saliency: which pixels of a face speak for an emotion, by the methods of `METHODS`.

Every method gives (b, h, w) maps of 0 or more; `saliency` scales each face's map to add up to one,
so that the sum over a facial feature is its share of the *mass*. The quantity explained is the
logit of the target emotion (gradient methods) or its probability (methods that hide pixels).

- ``gradient``: |∂ logit / ∂ pixel| (Simonyan et al., ICLR workshop 2014).
- ``guided-backprop``: the same with guided ReLUs (`guided.py`); needs ReLUs.
- ``integrated-gradients``: |(pixel − grey) · mean gradient on the way from mean grey to the face|
  (Sundararajan et al., ICML 2017); signed, it adds up to logit(face) − logit(grey).
- ``smoothgrad``: |mean gradient over noisy copies of the face| (Smilkov et al., 2017).
- ``grad-cam``: the maps of the last stage, each weighted by its mean gradient, summed, ReLU,
  enlarged (Selvaraju et al., ICCV 2017). On 48×48 faces that stage has 3×3 positions.
- ``grad-cam-fine``: the same at the last stage of at least h/8 (6) positions a side.
- ``occlusion``: the fall of the probability when a window of h/6 pixels a side is grey, averaged
  over the windows at a pixel, where positive (Zeiler and Fergus, ECCV 2014).
- ``rise``: `rise.py`.

Through captum, except RISE and the guided ReLUs. A model with summed views is explained as a
whole: gradients go through the views to the face. Where each face has cluster maps of its own,
those are found anew for each changed face, and gradients don't go through the finding.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.base.config import SALIENCY, choose
from ferturb.base.errors import FerturbError
from ferturb.base.pixels import as_grey, as_input, at_once
from ferturb.evaluation.saliency.guided import GuidedReLUs
from ferturb.evaluation.saliency.networks import layers_of, require_explainable
from ferturb.evaluation.saliency.probability import (
    BATCH,
    at_a_time,
    device_of,
    evaluating,
    probabilities,
)
from ferturb.evaluation.saliency.rise import rise
from ferturb.models.classifier import MEAN

Method = Callable[[nn.Module, Tensor, Tensor, int], Tensor]
"""(model, faces (b, 1, h, w) in [0, 1], target (b,), seed) -> maps (b, h, w), 0 or more."""

PATH_STEPS = 32
"""Points of the Gauss–Legendre rule on the way from grey to the face."""
NOISE, NOISY_COPIES = 0.1, 16
"""SmoothGrad: standard deviation of the noise in shares of white, and how many copies."""


def saliency(
    model: nn.Module,
    faces: Float[Tensor, "b c h w"],
    target: Int64[Tensor, " b"],
    method: str = SALIENCY,
    seed: int = 0,
) -> Float[Tensor, "b h w"]:
    """The saliency of each face for its target emotion; every map is ≥ 0 and adds up to one.

    The model is explained in evaluation mode and left in the modes it was in. A map that is zero
    everywhere says nothing, and becomes the same everywhere (see `silent`). `seed` feeds
    SmoothGrad and RISE. Raises `FerturbError` for an unknown method, or one that this model can't
    be explained by.
    """
    return as_mass(raw_saliency(model, faces, target, method, seed))


def raw_saliency(
    model: nn.Module,
    faces: Float[Tensor, "b c h w"],
    target: Int64[Tensor, " b"],
    method: str = SALIENCY,
    seed: int = 0,
) -> Float[Tensor, "b h w"]:
    """The same before it is scaled, in the method's own unit."""
    explain = choose("saliency method", method, METHODS)
    require_explainable(model, method)
    if len(faces) != len(target):
        raise FerturbError(
            f"saliency needs one target emotion a face, got {len(faces)} faces and "
            f"{len(target)} targets"
        )
    if not len(faces):
        return as_grey(faces)
    device = device_of(model)
    with evaluating(model), torch.inference_mode(mode=False), torch.enable_grad():
        ready = faces.detach().to(device).clone().requires_grad_()
        maps = explain(model, ready, target.to(device).clone(), seed)
    return maps.detach().to(faces.device)


def saliency_maps(
    model: nn.Module,
    images: UInt8[Tensor, "n *c h w"],
    target: Int64[Tensor, " n"],
    method: str = SALIENCY,
    seed: int = 0,
    batch_size: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Float[Tensor, "n h w"]:
    """`raw_saliency` of many faces, in batches (None: 32, fewer of large faces); `as_mass` scales
    it.

    Arrays of NumPy will do as well.
    """
    images, target = torch.as_tensor(images), torch.as_tensor(target)
    batch_size = batch_size or min(at_once(32, images), at_a_time(model))
    parts = [torch.zeros(0, *images.shape[-2:])]
    for start in range(0, len(images), batch_size):
        some = slice(start, start + batch_size)
        faces = as_input(images[some])
        parts.append(raw_saliency(model, faces, target[some], method, seed).float())
        on_progress(min(start + batch_size, len(images)), len(images))
    return torch.cat(parts)


def as_mass(maps: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    """Maps scaled to add up to one each; a silent map becomes the same everywhere."""
    pixels = maps.shape[-2] * maps.shape[-1]
    quiet = silent(maps)[:, None, None]
    kept = torch.where(quiet, 1.0 / pixels, maps)
    kept = kept / kept.amax((1, 2), keepdim=True)  # tiny values keep their digits
    return (kept / kept.double().sum((1, 2), keepdim=True)).to(maps.dtype)


def silent(maps: Float[Tensor, "b h w"]) -> Bool[Tensor, " b"]:
    """Which maps are zero everywhere, or not finite: nothing speaks for the emotion."""
    return ~((maps.amax((1, 2)) > 0) & maps.isfinite().flatten(1).all(1))


def gradient(model: nn.Module, faces: Tensor, target: Tensor, seed: int = 0) -> Tensor:
    """|∂ logit / ∂ pixel|."""
    return _map(_captum().Saliency(model).attribute(faces, target, abs=False)).abs()


def guided_backprop(model: nn.Module, faces: Tensor, target: Tensor, seed: int = 0) -> Tensor:
    """|∂ logit / ∂ pixel| with guided ReLUs."""
    with GuidedReLUs() as guided:
        found = gradient(model, faces, target)
    if not guided.count:
        raise FerturbError(
            "guided-backprop needs a network with ReLUs, and this one has none; "
            "use gradient, smoothgrad or integrated-gradients"
        )
    return found


def integrated_gradients(
    model: nn.Module, faces: Tensor, target: Tensor, seed: int = 0, steps: int = PATH_STEPS
) -> Tensor:
    """|(pixel − grey) · mean gradient between|."""
    return signed_integrated_gradients(model, faces, target, steps).abs()


def signed_integrated_gradients(
    model: nn.Module, faces: Tensor, target: Tensor, steps: int = PATH_STEPS
) -> Float[Tensor, "b h w"]:
    """Integrated gradients with their sign: they add up to logit(face) − logit(mean grey)."""
    gradients = _captum().IntegratedGradients(model)
    return _map(
        gradients.attribute(
            faces,
            baselines=MEAN,
            target=target,
            n_steps=steps,
            method="gausslegendre",
            internal_batch_size=max(at_a_time(model) // 2, len(faces)),
        )
    )


def smoothgrad(model: nn.Module, faces: Tensor, target: Tensor, seed: int = 0) -> Tensor:
    """|mean gradient over noisy copies|; torch's global generator is left as it was."""
    devices = [faces.device] if faces.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        captum = _captum()
        found = captum.NoiseTunnel(captum.Saliency(model)).attribute(
            faces,
            nt_type="smoothgrad",
            nt_samples=NOISY_COPIES,
            nt_samples_batch_size=max(1, at_a_time(model) // 2 // len(faces)),
            stdevs=NOISE,
            target=target,
            abs=False,
        )
    return _map(found).abs()


def grad_cam(model: nn.Module, faces: Tensor, target: Tensor, seed: int = 0) -> Tensor:
    """Grad-CAM at the last stage."""
    return _cam(model, faces, target, least=1)


def grad_cam_fine(model: nn.Module, faces: Tensor, target: Tensor, seed: int = 0) -> Tensor:
    """Grad-CAM at the last stage of at least h/8 positions a side."""
    return _cam(model, faces, target, least=faces.shape[-2] // 8)


def occlusion(model: nn.Module, faces: Tensor, target: Tensor, seed: int = 0) -> Tensor:
    """The mean fall of the probability over the grey windows at each pixel, where positive."""
    side = max(2, faces.shape[-1] // 6)
    hiding = _captum().Occlusion(probabilities(model))
    with torch.no_grad():
        found = hiding.attribute(
            faces.detach(),
            sliding_window_shapes=(faces.shape[1], side, side),
            strides=(faces.shape[1], side // 2, side // 2),
            baselines=MEAN,
            target=target,
            perturbations_per_eval=max(1, at_once(BATCH, faces) // len(faces)),
        )
    return _map(found / faces.shape[1]).clamp_min(0)


METHODS: dict[str, Method] = {
    "gradient": gradient,
    "guided-backprop": guided_backprop,
    "integrated-gradients": integrated_gradients,
    "smoothgrad": smoothgrad,
    "grad-cam": grad_cam,
    "grad-cam-fine": grad_cam_fine,
    "occlusion": occlusion,
    "rise": rise,
}
"""Saliency method by name."""


def _captum() -> Any:
    """captum's methods, which take a second to import: only whoever explains a face needs them."""
    return importlib.import_module("captum.attr")


def _cam(model: nn.Module, faces: Tensor, target: Tensor, least: int) -> Tensor:
    """Grad-CAM summed over the model's networks: the logits are summed as well."""
    size = (faces.shape[-2], faces.shape[-1])
    total = torch.zeros_like(faces)
    for layers in layers_of(model):
        for layer in layers:
            cam_of = _captum().LayerGradCam(model, layer)
            found = cam_of.attribute(faces, target, relu_attributions=False)
            if found.ndim != 4:
                raise FerturbError(
                    f"grad-cam needs a layer that gives maps (b, c, h, w), and this one gives "
                    f"{tuple(found.shape)}; give another target_layer"
                )
            if min(found.shape[-2:]) >= least:
                break
        cam = found.view(len(faces), -1, *found.shape[-2:]).sum(1, keepdim=True)  # over views
        total += F.interpolate(cam.relu(), size, mode="bilinear", align_corners=False)
    return total[:, 0]


def _map(attribution: Tensor) -> Tensor:
    """What a pixel's channels say together."""
    return attribution.detach().sum(1)
