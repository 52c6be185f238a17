"""`Classifier`: normalisation + backbone + head, saved as safetensors and JSON."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ferturb.base.checks import require_kind, require_path
from ferturb.base.config import ModelConfig
from ferturb.base.config.fields import build
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.raster import PLAIN, Raster
from ferturb.base.reading import reading
from ferturb.base.tensors import load_tensors, save_tensors
from ferturb.models.attention import SpatialGate, mean_of_gates
from ferturb.models.backbones import build_backbone
from ferturb.models.layout import layout_of
from ferturb.models.local_maps import LocalMaps
from ferturb.models.trees import Trees

MEAN, STD = 0.5077, 0.2551
"""Grey of FER2013's Training faces, as shares of white."""


class Classifier(nn.Module):
    """Faces in [0, 1] to seven logits; the only place where pixels are normalised.

    A network with two heads answers with its first one's, unless it is told otherwise
    (`answering`).
    """

    raster: Raster = PLAIN
    """The faces it was made for."""

    def __init__(self, config: ModelConfig, raster: Raster = PLAIN) -> None:
        """A fresh network for faces on a raster; weights come from torch's global generator."""
        super().__init__()
        self.config, self.raster = require_kind("config", config, ModelConfig), raster
        self.backbone = build_backbone(config.name, raster, config.shape)
        count = len(self.backbone.stages) - (config.attention_at == "between")
        if config.attention and config.attention_at != "input" and count < 1:
            raise FerturbError(
                f"{config.name} has no stages of feature maps to put spatial attention between; "
                "choose a convolutional network, attention_at='input', or attention=False"
            )
        count = {None: 0, "input": 1}.get(config.attention_at, count)
        zeros = config.attention_at != "between"
        self.gates = nn.ModuleList(
            SpatialGate("zeros" if zeros else "replicate") for _ in range(count)
        )
        if config.local_maps:
            local = LocalMaps(self.backbone.features, config.local_maps)
            self.backbone.tail = nn.Sequential(self.backbone.tail, local)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(self.backbone.features, len(EMOTIONS) * len(config.heads))
        self._layout = layout_of(self)
        self.to(memory_format=self._layout)
        self.answering(config.heads[0])

    def answering(self, *heads: str | None) -> Classifier:
        """This network, which from now on gives the logits of these heads, side by side.

        None stands for all heads in their order. `FerturbError` for a head that it lacks.
        """
        own = self.config.heads
        wanted = own if heads == (None,) else heads
        absent = [head for head in wanted if head not in own]
        if absent:
            raise FerturbError(
                f"this {self.config.name} has no head {absent[0]!r}, only {' and '.join(own)}; "
                "take another network, or another head"
            )
        k = len(EMOTIONS)
        places = [own.index(str(head)) * k + e for head in wanted for e in range(k)]
        self._shown = None if places == list(range(k * len(own))) else places
        return self

    def forward(self, faces: Float[Tensor, "b c h w"]) -> Float[Tensor, "b e"]:
        """Logits in the order of `EMOTIONS`, of each head that answers."""
        return self._run(self._batch(faces))[0]

    def attention_maps(self, faces: Float[Tensor, "b c h w"]) -> Float[Tensor, "b h w"]:
        """Where the network looks, in [0, 1], at the face's size.

        With gates between the stages it is the last one, averaged over the face and its mirror
        image, since a network is trained on both and may still prefer one side. With gates behind
        every stage it is their mean, else the one gate on the input.
        """
        size = (self._batch(faces).shape[-2], faces.shape[-1])
        if self.config.attention_at != "between":
            return mean_of_gates(self._gates_of(faces), size)
        own = mean_of_gates(self._gates_of(faces)[-1:], size)
        mirrored = mean_of_gates(self._gates_of(faces.flip(-1))[-1:], size)
        return (own + mirrored.flip(-1)) / 2

    def gate_maps(self, faces: Float[Tensor, "b c h w"]) -> Float[Tensor, "g b h w"]:
        """Each gate on its own, in [0, 1], at the face's size, from the input to the head."""
        size = (self._batch(faces).shape[-2], faces.shape[-1])
        return torch.stack([mean_of_gates([gate], size) for gate in self._gates_of(faces)])

    def _gates_of(self, faces: Tensor) -> list[Tensor]:
        if self.config.attention_at == "input":
            return [self.gates[0](self.scaled(faces))]
        if not self.gates:
            raise FerturbError(
                f"{self.config.name} was built without spatial attention; "
                "train it with ModelConfig(attention=True)"
            )
        return self._run(faces)[1]

    def scaled(self, faces: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Faces as the backbone takes them."""
        x = faces / 255 if self.config.uncentred else (faces - MEAN) / STD
        return x.contiguous(memory_format=self._layout)

    def _run(self, faces: Tensor) -> tuple[Tensor, list[Tensor]]:
        maps, gates = self._maps(faces)
        logits = self.head(self.dropout(maps.mean((2, 3))))
        return logits if self._shown is None else logits[:, self._shown], gates

    def _maps(self, faces: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What the head takes the mean of, (b, c, h, w), and the gates on the way."""
        x = self.scaled(faces)
        gates: list[Tensor] = []
        if self.config.attention_at == "input":
            gates.append(self.gates[0](x))
            x = x * gates[-1]
        x = self.backbone.stem(x)
        for i, stage in enumerate(self.backbone.stages):
            x = stage(x)
            if self.config.attention_at != "input" and i < len(self.gates):
                gates.append(self.gates[i](x))
                x = x * gates[-1]
        return self.backbone.tail(x), gates

    def _batch(self, faces: Tensor) -> Tensor:
        """These faces, if they are a batch of what the network takes; else `FerturbError`."""
        channels = self.raster.channels
        if not isinstance(faces, Tensor) or faces.ndim != 4 or faces.shape[1] != channels:
            came = f"{tuple(faces.shape)}" if isinstance(faces, Tensor) else type(faces).__name__
            raise FerturbError(
                f"a network for {self.raster} faces takes a tensor of them (b, {channels}, h, w) "
                f"in [0, 1], got {came}"
            )
        return faces

    @property
    def parameter_count(self) -> int:
        """Number of trained numbers; of boosted trees their thresholds and their leaves' values."""
        fitted = sum(module.learnt for module in self.modules() if isinstance(module, Trees))
        return fitted + sum(p.numel() for p in self.parameters() if p.requires_grad)

    def save(self, path: Path) -> None:
        """Write weights and config into one safetensors file, atomically."""
        meta = {"format": "ferturb-classifier-1", "model": dataclasses.asdict(self.config)}
        if self.raster != PLAIN:
            meta["raster"] = self.raster._asdict()
        save_tensors(require_path("path", path), self.state_dict(), meta)

    @staticmethod
    def load(path: Path) -> Classifier:
        """Read what `save` wrote. Nothing is unpickled; a foreign file is a one-line error."""
        path = require_path("path", path)
        tensors, meta = load_tensors(path)
        if meta.get("format") != "ferturb-classifier-1":
            raise FerturbError(
                f"{path} holds no ferturb classifier (format {meta.get('format')!r}); "
                "give a model.safetensors that ferturb wrote"
            )
        with reading(path, "a classifier of this ferturb", "give another model.safetensors"):
            raster = Raster(**meta.get("raster", {}))
            classifier = Classifier(build(ModelConfig, meta["model"]), raster)
        return restore(classifier, tensors, path)


def restore(classifier: Classifier, tensors: dict[str, Tensor], origin: Path) -> Classifier:
    """Put weights into a classifier and set it to evaluation; a mismatch is a one-line error."""
    own = classifier.state_dict()
    for name, tensor in own.items():
        if name not in tensors or tensors[name].shape != tensor.shape:
            came = tuple(tensors[name].shape) if name in tensors else "nothing"
            raise FerturbError(
                f"{origin}: {classifier.config.name} expects {name} {tuple(tensor.shape)}, "
                f"got {came}; the file belongs to another model"
            )
    extra = set(tensors) - set(own)
    if extra:
        raise FerturbError(
            f"{origin}: {classifier.config.name} has no weight {sorted(extra)[0]!r}; "
            "the file belongs to another model"
        )
    classifier.load_state_dict(tensors)
    return classifier.eval()
