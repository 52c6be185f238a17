"""Several processes give the training that one gives."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from timm.layers import DropPath
from torch import nn

import team_training
from ferturb.base.errors import FerturbError
from ferturb.models.local_maps import DropOne
from ferturb.training.team import Team, joined, shared_layers
from team_training import train_both


def losses(run: Path) -> list[list[float]]:
    """Losses, accuracies and rates of each epoch."""
    rows = (run / "history.csv").read_text().splitlines()[1:]
    return [[float(number) for number in row.split(",")[1:5]] for row in rows]


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_two_processes_give_what_one_gives_and_one_goes_on_where_two_stopped(
    tmp_path: Path,
) -> None:
    """Views and mixed faces in uneven shares, batch norm, dropout, the average of the weights."""
    alone = train_both(tmp_path / "alone")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", team_training.__file__, str(tmp_path / "team")]
    subprocess.run(command, check=True)
    together = [tmp_path / "team" / run.name for run in alone]
    assert [len(losses(run)) for run in together] == [1, 1]
    assert [(run / "logits.npz").exists() for run in together] == [False, True]
    train_both(tmp_path / "team")
    for one, two in zip(alone, together, strict=True):
        for epoch, (ours, theirs) in enumerate(zip(losses(two), losses(one), strict=True)):
            assert ours == pytest.approx(theirs, abs=1e-5 if epoch == 0 else 1e-3)
        assert {path.name for path in one.iterdir()} == {path.name for path in two.iterdir()}
        (note,) = json.loads((two / "run.json").read_text())["notes"]
        assert note == "trained by 2 processes, batch norm over the faces of all of them"


def test_a_share_and_its_inverse() -> None:
    rows = torch.arange(20.0).reshape(10, 2)  # two of each of five faces
    shares = [Team(rank, 3).own(rows, 5) for rank in range(3)]
    assert [len(share) for share in shares] == [2, 4, 4]
    assert torch.equal(torch.cat(shares), rows)
    assert Team().own(rows, 5) is rows
    assert Team().whole(rows, 5) is rows
    with pytest.raises(FerturbError, match="2 faces can't be shared out among 3 processes"):
        Team(0, 3).own(rows[:4], 2)


def test_dropout_of_a_share_is_that_of_the_whole_batch() -> None:
    """In both layouts in memory, in which torch draws in different orders."""
    for shape in ((6, 5), (6, 4, 3, 3)):
        for layout in (torch.contiguous_format, torch.channels_last)[: len(shape) // 2]:
            x = torch.randn(shape).contiguous(memory_format=layout)
            network = nn.Sequential(nn.Dropout(0.5))
            torch.manual_seed(3)
            whole = network(x)
            for rank in range(2):
                team = Team(rank, 2)
                shared = nn.Sequential(nn.Dropout(0.5))
                shared_layers(shared, team, torch.device("cpu"), synced=True)
                torch.manual_seed(3)
                assert torch.equal(shared(team.own(x, 6)), team.own(whole, 6))
                assert torch.equal(shared.eval()(x), x)


@pytest.mark.parametrize("layer", [DropPath(0.4), DropOne()])
def test_what_is_dropped_of_a_share_is_what_is_of_the_whole_batch(layer: nn.Module) -> None:
    """Paths of a network and maps of attention: two views of each of five faces, in shares of 2
    and 3 faces."""
    torch.manual_seed(0)
    x = torch.rand(10, 4, 3, 3) + 1
    network = nn.Sequential(layer)
    shares = [nn.Sequential(copy.deepcopy(layer)) for _ in range(2)]
    teams = [Team(rank, 2) for rank in range(2)]
    for shared, team in zip(shares, teams, strict=True):
        shared_layers(shared, team, torch.device("cpu"), synced=True)
    for module in (m for n in (network, *shares) for m in n.modules() if isinstance(m, DropOne)):
        module.rate = 0.6
    torch.manual_seed(3)
    whole = network(x)
    assert not torch.equal(whole, x)
    for shared, team in zip(shares, teams, strict=True):
        torch.manual_seed(3)
        assert torch.equal(shared(team.own(x, 5)), team.own(whole, 5))
        kept = copy.deepcopy(shared).eval()
        assert torch.equal(kept(x), x)


def test_what_cant_see_all_faces_on_a_cpu_is_said() -> None:
    from timm.layers import BatchNormAct2d

    network, cpu = nn.Sequential(BatchNormAct2d(3)), torch.device("cpu")
    with pytest.raises(FerturbError, match="give --batch-norm own"):
        shared_layers(network, Team(0, 2), cpu, synced=True)
    shared_layers(network, Team(0, 2), cpu, synced=False)
    assert type(network[0]) is BatchNormAct2d


def test_a_process_that_torchrun_did_not_start_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "4")  # of another launcher, that is not ours
    with joined("cuda") as (team, device):
        assert (team.size, team.first, device) == (1, True, "cuda")
    assert os.environ["WORLD_SIZE"] == "4"
