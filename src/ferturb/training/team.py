"""One training on several processes: whose share of a batch is whose, and bringing it together.

Started by `torchrun`, every process draws what one alone would draw for the whole batch (order,
augmentation, views, mixing) and sends its own share of the faces through the network. The logits
are gathered, so that every process has the loss of the whole batch, mixed faces and votes
included; `DistributedDataParallel` adds up the gradients. N processes thus give the training that
one gives, but for the order of sums.

Not so of three methods that act inside the network: the places that the control of `adl` drops are
drawn for each share by itself, from the same seed; `eac`'s second loss is the mean of the shares';
so is that of `batch-attention`, whose faces attend to those of their share alone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from ferturb.base.errors import FerturbError
from ferturb.models.local_maps import DropOne

T = TypeVar("T")
PATIENCE = timedelta(days=1)
"""How long processes wait for the first one, which alone measures a finished training."""


@dataclass(eq=False)
class Team:
    """The processes of one training; of a single one, everything is its own."""

    rank: int = 0
    size: int = 1
    faces: int = 0
    """Of the batch that was shared out last."""

    def __deepcopy__(self, memo: object) -> Team:
        """Process and team stay the same."""
        return self

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def own(self, rows: Tensor, faces: int) -> Tensor:
        """The rows of this process's faces, of those of all; a face's rows stand together."""
        if self.size == 1:
            return rows
        if faces < self.size:
            raise FerturbError(
                f"{faces} faces can't be shared out among {self.size} processes; start fewer, or "
                "give a larger batch"
            )
        self.faces, each = faces, len(rows) // faces
        start, end = self._bounds(self.rank)
        return rows[start * each : end * each]

    def whole(self, own: Tensor, faces: int) -> Tensor:
        """The inverse of `own`: (rows, n) of all processes.

        The gradient reaches this process's rows, times the number of processes, by which
        `DistributedDataParallel` divides.
        """
        if self.size == 1:
            return own
        self.faces = faces
        counts = [end - start for start, end in map(self._bounds, range(self.size))]
        each = len(own) // counts[self.rank]
        padded = F.pad(own.detach(), (0, 0, 0, max(counts) * each - len(own))).contiguous()
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
        parts = [part[: count * each] for part, count in zip(parts, counts, strict=True)]
        if own.requires_grad:
            own.register_hook(lambda gradient: gradient * self.size)  # type: ignore[no-untyped-call]
        parts[self.rank] = own
        return torch.cat(parts)

    def wrapped(self, network: nn.Module) -> nn.Module:
        """The network whose gradients are those of all processes."""
        return network if self.size == 1 else DistributedDataParallel(network)

    def agreed(self, value: T) -> T:
        """What the first process says, for all."""
        if self.size == 1:
            return value
        said = [value]
        dist.broadcast_object_list(said, src=0)
        return said[0]

    def require_same(self, value: object, what: str) -> None:
        """Raise `FerturbError` where the processes don't have the same; each waits for all."""
        if self.size == 1:
            return
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        if any(other != values[0] for other in values):
            raise FerturbError(
                f"the processes of this training have different {what} ({values}); "
                "give a folder that all of them share"
            )

    def share_statistics(self, *networks: nn.Module) -> None:
        """Give all processes the first one's running statistics."""
        if self.size > 1:
            for buffer in (buffer for network in networks for buffer in network.buffers()):
                dist.broadcast(buffer, src=0)

    def _bounds(self, rank: int) -> tuple[int, int]:
        """Where a process's faces begin and end."""
        return self.faces * rank // self.size, self.faces * (rank + 1) // self.size


ALONE = Team()
"""The one process of an ordinary training."""


@dataclass(frozen=True)
class How:
    """How a training is computed, of which its config says nothing."""

    team: Team = ALONE
    synced: bool = True
    """Whether batch norm sees the faces of all processes, or each process's its own."""
    compiled: bool = False
    """Whether the network goes through `torch.compile`."""
    said: tuple[str, ...] = ()
    """What else a run's record should say."""

    @property
    def notes(self) -> list[str]:
        """What a run's record should say of it."""
        seen = "the faces of all of them" if self.synced else "a process's own faces"
        found = []
        if self.team.size > 1:
            found = [f"trained by {self.team.size} processes, batch norm over {seen}"]
        return [*found, *self.said, *["trained through torch.compile"] * self.compiled]


PLAIN = How()
"""An ordinary training, in this process alone."""


@contextlib.contextmanager
def joined(device: str) -> Iterator[tuple[Team, str]]:
    """The team that `torchrun` started this process in, and its device: of "cuda" one a process.

    A process that torchrun did not start is alone.
    """
    if not dist.is_torchelastic_launched() or int(os.environ["WORLD_SIZE"]) == 1:
        yield ALONE, device
        return
    backend = "nccl" if device.startswith("cuda") else "gloo"
    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(torch.device(device))
    dist.init_process_group(backend, timeout=PATIENCE)
    try:
        yield Team(dist.get_rank(), dist.get_world_size()), device
    finally:
        dist.destroy_process_group()


def shared_layers(network: nn.Module, team: Team, device: torch.device, synced: bool) -> None:
    """Put layers into a network that act as if this process had the whole batch.

    What drops at random (dropout, stochastic depth, `DropOne`) draws for all faces and takes its
    share. With `synced`, batch norm takes mean and variance over all processes' faces (on a GPU
    torch's `SyncBatchNorm`, which refuses a CPU); without, over its own, and the first process's
    running statistics are kept.
    """
    from timm.layers import DropPath

    for name, layer in network.named_children():
        if type(layer) is nn.Dropout or isinstance(layer, DropPath | DropOne):
            setattr(network, name, TeamDrop(layer, team))
        elif isinstance(layer, nn.modules.batchnorm._BatchNorm):
            if synced:
                setattr(network, name, _synced(layer, device))
        else:
            shared_layers(layer, team, device, synced)


class TeamDrop(nn.Module):
    """A layer that drops at random, on a share of the batch by the draws of the whole."""

    def __init__(self, layer: nn.Module, team: Team) -> None:
        super().__init__()
        self.layer = layer
        self.team = team

    def forward(self, x: Tensor) -> Tensor:
        """The same for a whole batch as the layer's own."""
        everywhere = isinstance(self.layer, nn.Dropout)
        if not self.training or (everywhere and not self.layer.p):
            return x
        start, end = self.team._bounds(self.team.rank)
        each = x.shape[1:] if everywhere else (x.shape[1], *[1] * (x.ndim - 2))
        shape = (len(x) // (end - start) * self.team.faces, *each)
        wide = x.ndim == 4 and not x.is_contiguous()
        layout = torch.channels_last if wide else torch.contiguous_format
        ones = torch.ones(shape, dtype=x.dtype, device=x.device).to(memory_format=layout)
        return x * self.team.own(self.layer(ones), self.team.faces)


class _Sum(torch.autograd.Function):
    """A sum over all processes, and its gradient, which is one too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradients[0].contiguous())


def _over_all(values: Tensor) -> Tensor:
    return cast(Tensor, _Sum.apply(values))


class SyncedNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm over the faces of all processes, on a CPU."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Any."""

    def forward(self, input: Tensor) -> Tensor:
        """In training by two sums over all processes, as torch's own of a whole batch."""
        if not self.training:
            return super().forward(input)
        x, dims = (
            input if input.dtype == torch.float64 else input.float(),
            [0, *range(2, input.ndim)],
        )
        shape = [1, -1] + [1] * (input.ndim - 2)
        count = x.new_tensor([x.numel() / x.shape[1]])
        sums = _over_all(torch.cat([x.sum(dims), count]))
        n = sums[-1].detach()
        mean = sums[:-1] / n
        centred = x - mean.view(shape)
        variance = _over_all(centred.square().sum(dims)) / n
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            self.num_batches_tracked += 1
            share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance * (n / (n - 1)), share)
        scaled = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            scaled = scaled * self.weight.view(shape) + self.bias.view(shape)
        return scaled.to(input.dtype)


def _synced(layer: nn.modules.batchnorm._BatchNorm, device: torch.device) -> nn.Module:
    """The layer over all processes, with its weights and statistics."""
    if device.type == "cuda":
        from timm.layers.norm_act import convert_sync_batchnorm

        return cast(nn.Module, convert_sync_batchnorm(layer))
    if type(layer) not in (nn.BatchNorm1d, nn.BatchNorm2d) or not layer.track_running_stats:
        raise FerturbError(
            f"{type(layer).__name__} can't take its statistics over several processes on a CPU; "
            "give --batch-norm own"
        )
    new = SyncedNorm(layer.num_features, layer.eps, layer.momentum, layer.affine)
    new.load_state_dict(layer.state_dict())
    return new.to(device)
