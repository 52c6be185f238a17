"""What saliency finds inside a model: its networks, the layers of Grad-CAM, and which methods it
can be explained by at all."""

from __future__ import annotations

from torch import nn

from ferturb.base.errors import FerturbError
from ferturb.models.classifier import Classifier
from ferturb.models.ensemble import Ensemble
from ferturb.models.wrapped import Wrapped
from ferturb.perturb.view_classifier import ViewClassifier

BLACK_BOX = ("occlusion", "rise")
"""Methods that only ask a model, and look at nothing inside it."""
LAYERED = ("grad-cam", "grad-cam-fine")
"""Methods that need a layer of feature maps."""
_OWN = (Classifier, ViewClassifier, Ensemble)


def networks_of(model: nn.Module) -> list[nn.Module]:
    """The networks whose logits a model sums up, attention networks left aside; a function has
    none."""
    if isinstance(model, Classifier):
        return [model]
    if isinstance(model, ViewClassifier):
        return networks_of(model.classifier)
    if isinstance(model, Ensemble):
        return [member for member in model.members if isinstance(member, Classifier)]
    if isinstance(model, Wrapped):
        inner = model.network
        return [] if inner is None else networks_of(inner) if isinstance(inner, _OWN) else [inner]
    raise FerturbError(
        f"this needs the layers of a Classifier, an Ensemble or a model with views, got "
        f"{type(model).__name__}; wrap it with ferturb.wrap, or use a method that needs none "
        "(gradient, occlusion, rise)"
    )


def layers_of(model: nn.Module) -> list[list[nn.Module]]:
    """For each network of a model the layers that Grad-CAM may look at, from the last one back."""
    if isinstance(model, Wrapped) and model.cam_layer is not None:
        return [[model.cam_layer]]
    found = []
    for network in networks_of(model):
        if not isinstance(network, Classifier):
            raise FerturbError(
                "grad-cam needs to know which layer of a foreign network to look at; give its "
                "name as target_layer, or use gradient, occlusion or rise"
            )
        if not len(network.backbone.stages):
            raise FerturbError(
                f"grad-cam needs stages of feature maps, and {network.config.name} has none; "
                "use gradient, integrated-gradients, occlusion or rise"
            )
        found.append(list(reversed(network.backbone.stages)))
    return found


def require_explainable(model: nn.Module, method: str) -> None:
    """`FerturbError` for a method that looks inside a model which is a function."""
    if isinstance(model, Wrapped) and model.network is None and method not in BLACK_BOX:
        raise FerturbError(
            f"{method} needs a torch module, and {model.name} is a function or a file that can "
            f"only be asked; use {' or '.join(BLACK_BOX)}"
        )


def usable(model: nn.Module, methods: tuple[str, ...]) -> tuple[str, ...]:
    """Of the methods those that this model can be explained by, as far as can be known before."""
    if not isinstance(model, Wrapped) or isinstance(model.network, _OWN):
        return methods
    if model.network is None:
        return tuple(m for m in methods if m in BLACK_BOX)
    left_out: tuple[str, ...] = () if model.target_layer else LAYERED
    relus = any(isinstance(m, nn.ReLU) for m in model.network.modules())
    left_out += () if relus else ("guided-backprop",)
    return tuple(m for m in methods if m not in left_out)
