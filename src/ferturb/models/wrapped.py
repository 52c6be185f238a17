"""Any model, asked as ferturb asks its own: faces in [0, 1] to logits of the seven emotions.

A `Wrapped` holds a torch module or a function on arrays, and what lies between it and a face: its
side and channels, the normalisation, and which output is which emotion. It is a torch module
itself, so whatever takes a network (`predict_logits`, `ablate`, `saliency`, …) takes it too.
`ferturb.export.wrap.wrap` makes one of anything that can be opened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.base.config import SIDES
from ferturb.base.config.fields import in_range
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError, first_line
from ferturb.base.text import encodable
from ferturb.models.class_names import Classes

Function = Callable[[np.ndarray], Any]
"""float32 (b, channels, side, side) -> an array or a tensor (b, classes)."""

_LUMA = (0.299, 0.587, 0.114)
"""Grey of red, green and blue (ITU-R BT.601), as Pillow has it."""
_TINY = 1e-12
"""The probability of what a model says is impossible, and of an emotion that it doesn't know."""
_PROBES = 4
_PIXELS = 256 * 48 * 48


@dataclass(frozen=True)
class InputForm:
    """What a model takes: faces of `side` × `side` pixels in [0, 1], less `mean`, over `std`."""

    side: int = 48
    channels: int = 1
    """1 grey, 3 RGB."""
    mean: tuple[float, ...] = (0.0,)
    """One number, or one a channel. For grey levels 0 … 255 leave it at 0, and give std 1/255."""
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        in_range("side", self.side, *SIDES)
        if self.channels not in (1, 3):
            raise FerturbError(f"a model takes 1 channel (grey) or 3 (RGB), got {self.channels}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels) or not np.isfinite(values).all():
                raise FerturbError(
                    f"{name} is one number or one for each of {self.channels} channels, in shares "
                    f"of white, got {values}"
                )
        if min(self.std) <= 0:
            raise FerturbError(f"std must be above 0, got {self.std}")

    def prepared(self, faces: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k s s"]:
        """Faces as the model takes them; gradients go through.

        Resized bilinearly (anti-aliased where that makes them smaller), grey repeated for RGB.
        """
        x = faces
        if x.shape[1] == 3 and self.channels == 1:
            x = (x * x.new_tensor(_LUMA)[:, None, None]).sum(1, keepdim=True)
        size = (self.side, self.side)
        if tuple(x.shape[-2:]) != size:
            smooth = not torch.onnx.is_in_onnx_export()  # which can only enlarge: see `answering`
            x = F.interpolate(x, size, mode="bilinear", antialias=smooth, align_corners=False)
        mean, std = (x.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return ((x - mean) / std).expand(-1, self.channels, -1, -1)


class Wrapped(nn.Module):
    """Faces in [0, 1] to seven logits in the order of `EMOTIONS`, by any model."""

    def __init__(
        self,
        model: nn.Module | Function,
        classes: Classes,
        form: InputForm = InputForm(),
        name: str = "model",
        target_layer: str | None = None,
    ) -> None:
        """The model is set to evaluation and asked about a few made-up faces.

        `target_layer`: the name of the layer of a torch module that Grad-CAM looks at. Raises
        `FerturbError` where the model can't be run on faces of this form, or doesn't give one
        finite number for each class.
        """
        super().__init__()
        self.network: nn.Module | None = model if isinstance(model, nn.Module) else None
        self.function = None if isinstance(model, nn.Module) else model
        self.classes, self.form, self.target_layer = classes, form, target_layer
        self.name = encodable(name)
        _ = self.cam_layer
        self.eval()
        self.gives_probabilities = False
        with torch.no_grad():
            noise = torch.rand(_PROBES, 1, 48, 48, generator=torch.Generator().manual_seed(0))
            found = self._ask(noise.to(next(self.parameters(), noise).device)).double()
        in_range = bool(((found >= 0) & (found <= 1 + 1e-3)).all())
        self.gives_probabilities = in_range and bool(((found.sum(1) - 1).abs() < 1e-2).all())
        if in_range and not self.gives_probabilities and bool((found != found[0, 0]).any()):
            raise FerturbError(
                f"{name} gives numbers from 0 to 1 that don't add up to 1 "
                f"({found[0].sum():.3f}): neither logits nor probabilities of one emotion each; "
                "wrap a function that gives one of these"
            )

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for each thing that a reader of its numbers should know."""
        return self.classes.notes()

    @property
    def at_a_time(self) -> int:
        """How many faces of its size go through at once: as many pixels as 256 of 48×48."""
        return max(16, _PIXELS // (self.form.side**2 * self.form.channels))

    @property
    def cam_layer(self) -> nn.Module | None:
        """The layer that `target_layer` names; `FerturbError` for one that isn't there."""
        if self.target_layer is None:
            return None
        network = self.network or nn.Module()
        layers: dict[str, nn.Module] = dict(network.named_modules())
        if self.target_layer not in layers:
            some = ", ".join(n for n in layers if n.count(".") == 0 and n) or "none"
            raise FerturbError(
                f"{self.name} has no layer {self.target_layer!r}; give the name of one of its "
                f"modules, which begin with: {some}"
            )
        return layers[self.target_layer]

    def forward(self, faces: Float[Tensor, "b c h w"]) -> Float[Tensor, "b e"]:
        """Logits, or the logarithms of probabilities; grey faces or RGB, of any side."""
        if torch.is_grad_enabled() or len(faces) <= self.at_a_time:
            return self.by_emotion(self._ask(faces))
        parts = faces.split(self.at_a_time)  # type: ignore[no-untyped-call]
        return torch.cat([self.by_emotion(self._ask(part)) for part in parts])

    def _ask(self, faces: Tensor) -> Float[Tensor, "b k"]:
        x = self.form.prepared(faces)
        try:
            if self.network is not None:
                given = self.network(x)
            elif self.function is not None:
                given = self.function(np.ascontiguousarray(x.detach().float().cpu().numpy()))
            given = getattr(given, "logits", given)  # as transformers' models answer
            given = given[0] if isinstance(given, tuple) else given
            found = given if isinstance(given, Tensor) else torch.as_tensor(np.asarray(given))
        except FerturbError:
            raise
        except Exception as error:  # a foreign model can fail in any way
            shape = ", ".join(map(str, x.shape))
            raise FerturbError(
                f"{self.name} could not be run on faces ({shape}): {first_line(error)}; "
                "are side and channels right?"
            ) from error
        found = self._checked(found, len(faces)).to(faces.device)
        return found if self.network is not None else found.to(faces.dtype)

    def _checked(self, found: Tensor, n: int) -> Tensor:
        expected = (n, len(self.classes.names))
        if tuple(found.shape) != expected or not found.is_floating_point():
            raise FerturbError(
                f"{self.name} has {expected[1]} classes ({', '.join(self.classes.names)}) and "
                f"should give floats {expected}, but gives {found.dtype} {tuple(found.shape)}"
            )
        if not bool(found.isfinite().all()):
            raise FerturbError(f"{self.name} gives numbers that are not finite")
        return found

    def by_emotion(self, found: Float[Tensor, "b k"]) -> Float[Tensor, "b e"]:
        """The logits of the seven emotions from the model's own outputs, whose logarithms are
        taken if they are probabilities."""
        if self.gives_probabilities:
            found = found.float().clamp_min(_TINY).log()
        known = [place for place in self.classes.places if place is not None]
        if len(known) == len(EMOTIONS):
            return found[:, known]
        lowest = found.detach()[:, known].logsumexp(1) + float(np.log(_TINY))
        columns = [lowest if p is None else found[:, p] for p in self.classes.places]
        return torch.stack(columns, 1)

    def __repr__(self) -> str:
        size = f"{self.form.side}×{self.form.side} {'grey' if self.form.channels == 1 else 'RGB'}"
        return f"Wrapped({self.name!r}, {size}, {len(self.classes.names)} classes)"
