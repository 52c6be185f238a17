"""Where cluster maps come from: a shared one from mean attention, or one for each face.

A per-face map is a fixed function of the face: the draws of K-means are seeded with `FACE_SEED` and
are the same for every face, so a face gets the same map in any batch and at any time. A map source
is a module, so that it travels with the model it belongs to, and stays in evaluation mode.
"""

from __future__ import annotations

import copy
import hashlib
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal, NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn

from ferturb.base.config import MethodConfig
from ferturb.base.errors import FerturbError
from ferturb.base.pixels import as_grey, as_images, as_input, at_once
from ferturb.models.attention import SpatialGate
from ferturb.models.classifier import Classifier
from ferturb.models.device import sent
from ferturb.perturb.clusters import by_intensity, cluster_maps, uninformative
from ferturb.perturb.matching import matched
from ferturb.perturb.views import resized

M = TypeVar("M", bound=nn.Module)

FACE_SEED = 0
"""Seeds the clustering of faces one by one."""
REMEMBERED = 64
"""Batches of faces whose maps a source knows: 16,384 faces in validation, 38 MB at 48 pixels."""


def face_draws() -> torch.Generator:
    """The draws that are the same for every face and at any time."""
    return torch.Generator().manual_seed(FACE_SEED)


class FaceMaps(NamedTuple):
    """One cluster map for each face."""

    maps: Int64[Tensor, "b h w"]
    uninformative: Bool[Tensor, " b"]
    """Faces whose attention carried no information, or that show no face: clustered by place."""


class MapSource(nn.Module, ABC):
    """What gives a method its cluster maps. `reference` is the map whose names all others take."""

    reference: Tensor | None
    attends = False
    """Whether the intensity of Equation 1 counts."""

    def __init__(
        self,
        config: MethodConfig,
        attention: Classifier | None = None,
        reference: Int64[Tensor, "h w"] | None = None,
    ) -> None:
        """`attention` is the classifier of phase 1; `FerturbError` for a method that needs one
        and gets none, or one with its attention elsewhere."""
        super().__init__()
        self.config = config
        used = self.attends and config.uses_attention
        self.attention = _fit(config, attention) if used else None
        self.register_buffer("reference", reference)
        self._known = OrderedDict[bytes, Tensor]()
        self.eval()

    @classmethod
    def by_face(cls, config: MethodConfig) -> bool:
        """Whether every face has a map of its own."""
        return config.scope == "face"

    @classmethod
    def at_test_time(cls, config: MethodConfig) -> bool:
        """Whether new faces get maps of their own, each its own or each batch one."""
        return cls.by_face(config) or config.scope == "batch"

    def compute_like(self, network: nn.Module) -> None:
        """Compute attention on a network's device, wherever the faces are."""
        if self.attention is not None:
            self.attention.to(next(network.parameters()).device)

    @abstractmethod
    def find_reference(self, images: UInt8[Tensor, "n *c h w"]) -> tuple[Tensor, int]:
        """The reference map (h, w), from training faces, and 1 if their attention carried no
        information, else 0."""

    def shared(
        self, images: UInt8[Tensor, "n *c h w"], generator: torch.Generator
    ) -> tuple[Tensor, int]:
        """The map of an epoch, likewise, from training faces that `generator` draws."""
        return self.find_reference(images)

    def of_batch(
        self, faces: Float[Tensor, "b c h w"], generator: torch.Generator
    ) -> Int64[Tensor, "h w"]:
        """The one map of these faces in [0, 1], as views use it."""
        with torch.autocast(faces.device.type, enabled=False):
            shared, _ = self.shared(as_images(faces.float()), generator)
        return self.redrawn(shared[None], generator)[0]

    @abstractmethod
    def of_faces(self, faces: Float[Tensor, "b c h w"]) -> FaceMaps:
        """A map for each face in [0, 1], at its size."""

    def redrawn(
        self, maps: Int64[Tensor, "b h w"], generator: torch.Generator
    ) -> Int64[Tensor, "b h w"]:
        """The maps as views use them; a control puts others in their place."""
        return maps

    def assigned(self, maps: UInt8[Tensor, "n h w"]) -> UInt8[Tensor, "n h w"]:
        """The maps of all training faces as they are given to these; a control mixes them."""
        return maps

    @torch.no_grad()
    def forward(self, faces: Float[Tensor, "b c h w"]) -> Int64[Tensor, "m h w"]:
        """The maps of new faces, as views use them; one for all of them with scope `batch`."""
        if self.config.scope == "batch" and not self.by_face(self.config):
            return self.of_batch(faces, face_draws())[None].to(faces.device)
        return self.of_new_faces(self._maps_of(faces), faces)

    def of_new_faces(
        self, maps: Int64[Tensor, "b h w"], faces: Float[Tensor, "b c h w"]
    ) -> Int64[Tensor, "b h w"]:
        """The maps of new faces, one by one, as views use them; a control puts others there, which
        follow from the face alone."""
        return maps

    def _maps_of(self, faces: Float[Tensor, "b c h w"]) -> Int64[Tensor, "b h w"]:
        """The maps of these faces; those of the last batches are known, since validation shows the
        same ones after every epoch."""
        said = hashlib.blake2b(repr((faces.dtype, faces.shape)).encode())
        shown = [faces] if self.reference is None else [faces, self.reference]
        for tensor in shown:
            said.update(tensor.detach().float().cpu().numpy().tobytes())
        key = said.digest()
        if key not in self._known:
            self._known[key] = self.of_faces(faces).maps.to(torch.uint8).cpu()
        self._known.move_to_end(key)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return self._known[key].long().to(faces.device)

    def train(self: M, mode: bool = True) -> M:
        """Evaluation mode, always, whoever switches what the source is part of."""
        return nn.Module.train(self, False)


class AttentionClusters(MapSource):
    """Clusters of Equation 1, from an attention classifier, from the pixels or from place alone."""

    attends = True

    def __init__(
        self,
        config: MethodConfig,
        attention: Classifier | None = None,
        reference: Int64[Tensor, "h w"] | None = None,
    ) -> None:
        """Likewise; the classifier's gates go by the statistics that the method asks for."""
        super().__init__(config, attention, reference)
        if self.attention is not None and config.gate_statistics == "batch":
            self.attention = with_batch_statistics(self.attention)

    def intensity(self, faces: Float[Tensor, "b c h w"]) -> Float[Tensor, "b h w"]:
        """I of Equation 1 for faces in [0, 1]; 0 where it doesn't count."""
        if self.attention is not None:
            there = next(self.attention.parameters()).device
            return self.attention.attention_maps(sent(faces, there))
        grey = as_grey(faces)
        return grey if self.config.intensity_weight else torch.zeros_like(grey)

    def find_reference(self, images: UInt8[Tensor, "n *c h w"]) -> tuple[Tensor, int]:
        """The clusters of a fixed draw of training faces."""
        return self.shared(images, face_draws())

    def shared(
        self, images: UInt8[Tensor, "n *c h w"], generator: torch.Generator
    ) -> tuple[Tensor, int]:
        """The clusters of the mean attention of `attention_faces` faces."""
        order = torch.randperm(len(images), generator=generator)
        chosen = images[order[: self.config.attention_faces].to(images.device)]
        values = mean_attention(self.intensity, chosen).unsqueeze(0)
        found = clustered(values, self.config, generator)
        maps = found.maps
        if self.reference is not None or self.config.left_out_cluster == "most-attended":
            maps = self._renamed(maps, values)
        return maps[0], int(found.uninformative.sum())

    @torch.no_grad()
    def of_faces(self, faces: Float[Tensor, "b c h w"]) -> FaceMaps:
        """The clusters of each face, computed in float32; needs the reference."""
        with torch.autocast(faces.device.type, enabled=False):
            return self.of_values(self.intensity(faces.float()))

    def of_values(self, values: Float[Tensor, "b h w"]) -> FaceMaps:
        """The clusters of maps of intensity, one by one; needs the reference."""
        found = clustered(values, self.config, face_draws())
        return FaceMaps(self._renamed(found.maps, values), found.uninformative)

    def _renamed(
        self, maps: Int64[Tensor, "b h w"], values: Float[Tensor, "b h w"]
    ) -> Int64[Tensor, "b h w"]:
        """By falling attention if the method goes by that, else as in the reference."""
        labels, k = maps.cpu().numpy(), self.config.clusters
        if self.config.left_out_cluster == "most-attended":
            renamed = by_intensity(labels, values.nan_to_num().cpu().numpy(), k)
        elif self.reference is None:
            raise FerturbError("faces' clusters take their names from a reference map; give one")
        else:
            size = (maps.shape[-2], maps.shape[-1])
            renamed = matched(labels, resized(self.reference[None], size)[0].cpu().numpy(), k)
        return torch.from_numpy(renamed).to(maps.device)


def _fit(config: MethodConfig, attention: Classifier | None) -> Classifier:
    if attention is None:
        raise FerturbError(
            f"method {config.name!r} needs an attention classifier (phase 1), got none; "
            "train one with method 'attention' and name it as attention_run"
        )
    if (attention.config.attention_at == "input") != (config.attention_from == "input"):
        raise FerturbError(
            f"method {config.name!r} takes its attention from the {config.attention_from}, but the "
            f"attention run's sits at the {attention.config.attention_at}; train one with "
            f"ModelConfig(attention=True, attention_at={attention_at(config)!r})"
        )
    return attention.eval()


def attention_at(config: MethodConfig) -> Literal["between", "input"]:
    """Where the attention run of a method has its gates.

    >>> attention_at(MethodConfig("perturb", attention_from="input"))
    'input'
    """
    return "input" if config.attention_from == "input" else "between"


def with_batch_statistics(attention: Classifier) -> Classifier:
    """The classifier with gates whose batch norm goes by the faces that it is given, always."""
    attention = copy.deepcopy(attention)
    for gate in attention.gates:
        assert isinstance(gate, SpatialGate)
        gate.without_memory()
    return attention


def clustered(
    values: Float[Tensor, "b h w"], config: MethodConfig, generator: torch.Generator
) -> FaceMaps:
    """Equation 1's clusters of each map of intensity, with the method's K, λ, α and threshold.

    K-means draws from the generator's seed, whatever was drawn from it before.
    """
    threshold = config.attention_threshold if config.intensity == "attention" else 0.0
    intensities = values.cpu().numpy()
    maps = cluster_maps(
        intensities,
        config.clusters,
        generator.initial_seed(),
        config.distance_weight,
        config.intensity_weight,
        threshold,
        torch.get_num_threads(),
        config.kmeans_starts,
    )
    flat = uninformative(intensities, threshold) & bool(config.intensity_weight)
    return FaceMaps(*(torch.from_numpy(found).to(values.device) for found in (maps, flat)))


@torch.no_grad()
def mean_attention(
    intensity: Callable[[Tensor], Tensor], images: UInt8[Tensor, "n *c h w"], batch_size: int = 256
) -> Float[Tensor, "h w"]:
    """The attention map averaged over faces, float64 sums, float32 result."""
    total = torch.zeros(images.shape[-2:], dtype=torch.float64)
    for batch in images.split(at_once(batch_size, images)):  # type: ignore[no-untyped-call]
        total += intensity(as_input(batch)).double().sum(0).cpu()
    return (total / len(images)).float()


def maps_of_faces(
    source: MapSource, images: UInt8[Tensor, "n *c h w"], batch_size: int = 256
) -> tuple[UInt8[Tensor, "n h w"], int]:
    """The cluster map of every face (uint8: K is at most 64), and how many were uninformative."""
    size = (len(images), *images.shape[-2:])
    maps, count = torch.empty(size, dtype=torch.uint8), 0
    step = at_once(batch_size, images)
    for start in range(0, len(images), step):
        some = slice(start, start + step)
        found = source.of_faces(as_input(images[some]))
        maps[some] = found.maps.to(torch.uint8).cpu()
        count += int(found.uninformative.sum())
    return maps, count
