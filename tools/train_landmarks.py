"""Train the landmark network and write `src/ferturb/features/landmarks.safetensors`.

    FERTURB_DATA=folder python tools/train_landmarks.py --work runs/landmarks --epochs 24

The folder holds `fer2013.zip` and `fer2013_landmarks.npz`. Training uses the Training split
alone; PublicTest chooses nothing but the calibration of the confidence. A training that was
interrupted goes on where it stopped: its state is in the work folder, and everything random
follows from (seed, step). To train a finished network further, give a larger --epochs and
--again (once): the learning rate climbs once more, from the weights that are there.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from landmark_data import CONDITIONS, RIGHT_WITHIN, Labelled, augmented, load, under
from torch import Tensor
from torch.nn import functional as F

from ferturb.base.tensors import load_tensors, save_tensors
from ferturb.features.landmark_network import LandmarkNetwork
from ferturb.features.landmarks import (
    FORMAT,
    WEIGHTS,
    Calibration,
    Found,
    Model,
    confidence_of,
    look,
)
from ferturb.features.points import COUNT, INNER
from ferturb.models.precision import autocast


@dataclass
class State:
    network: LandmarkNetwork
    average: LandmarkNetwork
    optimizer: torch.optim.AdamW
    step: int = 0
    start: int = 0
    cpu_seconds: float = 0.0


def fresh(seed: int, rate: float) -> State:
    torch.manual_seed(seed)
    network = LandmarkNetwork(COUNT).to(memory_format=torch.channels_last)
    kernels = [p for p in network.parameters() if p.ndim > 1]
    rest = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), foreach=True)
    return State(network, copy.deepcopy(network).requires_grad_(False), optimizer)


def save(path: Path, state: State) -> None:
    tensors = {f"network/{k}": v for k, v in state.network.state_dict().items()}
    tensors |= {f"average/{k}": v for k, v in state.average.state_dict().items()}
    for i, parameter in enumerate(state.network.parameters()):
        for key, value in state.optimizer.state[parameter].items():
            tensors[f"optimizer/{i}/{key}"] = torch.as_tensor(value)
    meta = {"step": state.step, "start": state.start, "cpu_seconds": state.cpu_seconds}
    save_tensors(path, tensors, meta)


def restore(path: Path, state: State) -> None:
    tensors, meta = load_tensors(path)
    for name, network in (("network", state.network), ("average", state.average)):
        start = f"{name}/"
        network.load_state_dict(
            {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
        )
    for i, parameter in enumerate(state.network.parameters()):
        state.optimizer.state[parameter] = {
            key: tensors[f"optimizer/{i}/{key}"] for key in ("step", "exp_avg", "exp_avg_sq")
        }
    state.step, state.start = meta["step"], meta["start"]
    state.cpu_seconds = meta["cpu_seconds"]


def learning_rate(peak: float, step: int, start: int, total: int) -> float:
    """One cycle between two steps: up in a line over 6 % of it, down in a half cosine."""
    done = (step - start) / max(1, total - start)
    if done < 0.06:
        return peak * (0.05 + 0.95 * done / 0.06)
    return peak * 0.5 * (1 + math.cos(math.pi * (done - 0.06) / 0.94)) + 1e-6


def loss_of(points: Tensor, scales: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Negative log likelihood of Laplace errors, and a share of the plain error.

    The first alone would leave hard faces alone, by calling their error large.
    """
    error = (points - labels).abs().mean(2)
    each = error * torch.exp(-scales) + scales + 0.4 * error
    return (each.mean(1) * weights).sum() / weights.sum().clamp_min(1.0)


def train(data: Labelled, state: State, arguments: argparse.Namespace) -> None:
    trust = data.weights()
    useful = torch.nonzero(trust > 0).flatten()
    batch, device = arguments.batch, torch.device("cpu")
    steps = len(useful) // batch
    total = arguments.epochs * steps
    begun, running = time.process_time(), 0.0
    spent = state.cpu_seconds
    while state.step < total:
        epoch, place = divmod(state.step, steps)
        g = torch.Generator().manual_seed(arguments.seed * 7919 + epoch)
        order = useful[torch.randperm(len(useful), generator=g)]
        index = order[place * batch : (place + 1) * batch]
        g.manual_seed((arguments.seed * 7919 + state.step) * 2 + 1)
        faces, labels = augmented(data.images[index], data.points[index], g)
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate(arguments.rate, state.step, state.start, total)
        state.network.train()
        with autocast("auto", device):
            points, scales = state.network(faces.contiguous(memory_format=torch.channels_last))
        loss = loss_of(points, scales, labels, trust[index])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), 5.0)
        state.optimizer.step()
        state.optimizer.zero_grad()
        follow(state.average, state.network, state.step)
        running += float(loss.detach())
        state.step += 1
        state.cpu_seconds = spent + time.process_time() - begun
        if state.step % 100 == 0:
            done = f"{state.step}/{total} {state.cpu_seconds / 60:.1f} CPU-min"
            print(done, f"loss {running / 100:.3f}", flush=True)
            running = 0.0
        if state.step % steps == 0 or state.step == total:
            save(arguments.work / "state.safetensors", state)
        if state.step % (2 * steps) == 0:
            print(quick_look(state.average, arguments.validation), flush=True)


@torch.no_grad()
def follow(average: LandmarkNetwork, network: LandmarkNetwork, step: int) -> None:
    share = 1 - min(0.998, (1 + step) / (10 + step))
    own, new = average.state_dict(), network.state_dict()
    floats = [k for k, v in own.items() if v.is_floating_point()]
    torch._foreach_lerp_([own[k] for k in floats], [new[k] for k in floats], share)


@torch.no_grad()
def quick_look(network: LandmarkNetwork, data: Labelled) -> str:
    """Median and 90th percentile of the inner points' error on some validation faces."""
    network.eval()
    words = []
    for condition in CONDITIONS:
        images, labels = under(condition, data, seed=1)
        with autocast("auto", torch.device("cpu")):
            points, _ = network(images.unsqueeze(1).float() / 255)
        error = (points - labels)[:, list(INNER)].norm(dim=2).flatten()
        low, high = torch.quantile(error, torch.tensor([0.5, 0.9])).tolist()
        words.append(f"{condition} {low:.2f}/{high:.2f}")
    return "validation px: " + ", ".join(words)


def finish(
    state: State, data: Labelled, validation: Labelled, arguments: argparse.Namespace
) -> None:
    """Calibrate the confidence on validation faces, and write the model."""
    shape = data.trusted().points.mean(0)
    network = state.average.eval()
    found, labels = [], []
    for condition in (*CONDITIONS, "augmented"):
        images, points = under(condition, validation, seed=2)
        found.append(look(network, images))
        labels.append(points)
    everything = Found(*(torch.cat(part) for part in zip(*found, strict=True)))
    calibration = calibrate(everything, torch.cat(labels), shape)
    about = {
        "made_by": "tools/train_landmarks.py",
        "steps": state.step,
        "batch": arguments.batch,
        "cpu_minutes": round(state.cpu_seconds / 60, 1),
    }
    save_model(arguments.out, Model(network, shape, calibration), about)
    print(f"wrote {arguments.out}: {arguments.out.stat().st_size:,} bytes, {calibration}")


def save_model(path: Path, model: Model, about: dict[str, object]) -> None:
    """Write a trained network (not folded): kernels as float16, the rest as float32."""
    state = {
        key: value.half() if value.ndim > 1 else value
        for key, value in model.network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    meta = {
        "format": FORMAT,
        "points": COUNT,
        "calibration": model.calibration._asdict(),
        "about": about,
    }
    save_tensors(path, state | {"mean_shape": model.mean_shape}, meta)


def inner_error(points: Tensor, labels: Tensor) -> Tensor:
    """Mean distance of each face's inner points from their labels, in pixels."""
    return (points - labels)[:, list(INNER)].norm(dim=2).mean(1)


def calibrate(found: Found, labels: Tensor, shape: Tensor) -> Calibration:
    """Logistic regression of being right on the two signals of error; then where to give up.

    The mean shape is used below the greatest confidence under which it is nearer on average.
    """
    error = inner_error(found.points, labels)
    right = (error < RIGHT_WITHIN).float()
    weights = torch.zeros(3, requires_grad=True)
    solver = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def of(values: Sequence[float]) -> Calibration:
        return Calibration(values[0], values[1], values[2], least=0.0)

    def step() -> Tensor:
        solver.zero_grad()
        chance = confidence_of(found, of(list(weights)))
        loss = F.binary_cross_entropy(chance, right)
        loss.backward()
        return loss

    solver.step(step)
    chosen = of(weights.tolist())
    order = confidence_of(found, chosen).argsort()
    gained = (error - inner_error(shape, labels))[order].cumsum(0)
    count = int(gained.argmax()) + 1
    count = count if count >= 50 else 0  # fewer are chance
    least = float(confidence_of(found, chosen)[order[count - 1]]) if count else 0.0
    print(f"mean shape nearer in the {count} least trusted of {len(error)} validation views")
    return chosen._replace(least=least)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("FERTURB_DATA", "."))
    parser.add_argument("--work", type=Path, default=Path("runs/landmarks"))
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--again", action="store_true", help="a new cycle from the weights there")
    parser.add_argument("--only-finish", action="store_true", help="write what there is")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    state = fresh(arguments.seed, arguments.rate)
    data = load(arguments.data, "train")
    path = arguments.work / "state.safetensors"
    if path.exists():
        restore(path, state)
        if arguments.again:
            state.start = state.step
    validation = load(arguments.data, "validation").trusted()
    arguments.validation = validation.select(torch.arange(0, len(validation.images), 8))
    if not arguments.only_finish:
        train(data, state, arguments)
    print(quick_look(state.average, validation))
    finish(state, data, validation, arguments)


if __name__ == "__main__":
    main()
