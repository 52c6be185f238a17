"""A run knows its faces: others are neither mixed in nor taken for those it was trained on."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest
import torch

from ferturb.base.config import ModelConfig, RecipeConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.base.storage import write_json
from ferturb.base.tensors import load_tensors
from ferturb.data.faces import Faces
from ferturb.runs.execute import execute_run, prepare
from ferturb.runs.provenance import begun, changed_data, describe_data
from ferturb.runs.run import Run
from ferturb.training.files import MODEL

pytestmark = pytest.mark.usefixtures("tiny")

RECIPE = RecipeConfig(epochs=2, batch_size=32, precision="float32", evaluate=("none",))
CONFIG = RunConfig(model=ModelConfig("tiny"), recipe=RECIPE)


def changed(faces: Faces, what: str) -> Faces:
    """The same faces, but for a pixel, a label, a split, or one face that is gone."""
    if what == "fewer":
        return faces.select(torch.arange(1, len(faces)))
    name = {"pixel": "images", "label": "labels", "split": "splits"}[what]
    array = getattr(faces, name).clone()
    array.view(-1)[0] = (int(array.view(-1)[0]) + 1) % 3
    return replace(faces, **{name: array})


def weights(run: Run) -> torch.Tensor:
    tensors = load_tensors(run.folder / MODEL)[0]
    return torch.cat([tensors[key].flatten().float() for key in sorted(tensors)])


@pytest.fixture
def paused(toy_faces: Faces, tmp_path: Path) -> Run:
    """A run after the first of its two epochs."""
    run = prepare(tmp_path, CONFIG)
    assert not execute_run(run, toy_faces, pause_after=1)
    return run


def test_the_hash_is_noted_at_the_start(paused: Run, toy_faces: Faces) -> None:
    assert paused.record()["data"] == describe_data(toy_faces)
    assert paused.record()["data"]["hash"] == toy_faces.content_hash()


@pytest.mark.parametrize("what", ["pixel", "label", "split", "fewer"])
def test_a_stopped_run_goes_on_with_its_own_faces_only(
    paused: Run, toy_faces: Faces, what: str
) -> None:
    others = changed(toy_faces, what)
    before = {p.name: p.read_bytes() for p in paused.folder.iterdir()}
    with pytest.raises(
        FerturbError, match=r"was begun on other faces .*--accept-changed"
    ) as caught:
        execute_run(paused, others)
    for part in (others.content_hash()[:12], toy_faces.content_hash()[:12], "\n"):
        assert (part in str(caught.value)) is (part != "\n")
    assert {p.name: p.read_bytes() for p in paused.folder.iterdir()} == before
    assert execute_run(paused, others, accept_changed_faces=True)
    record = paused.record()
    assert record["data"]["hash"] == others.content_hash()
    assert "other faces than it was begun on" in " ".join(record["notes"])


def test_a_finished_run_counts_as_done_for_its_own_faces_only(
    paused: Run, toy_faces: Faces
) -> None:
    assert execute_run(paused, toy_faces)
    before = {p.name: p.read_bytes() for p in paused.folder.iterdir()}
    with pytest.raises(FerturbError, match="was begun on other faces"):
        execute_run(paused, changed(toy_faces, "pixel"))
    assert execute_run(paused, changed(toy_faces, "pixel"), accept_changed_faces=True)
    assert execute_run(paused, toy_faces)
    assert {p.name: p.read_bytes() for p in paused.folder.iterdir()} == before
    assert "notes" not in paused.record()


def test_a_run_of_an_earlier_ferturb_goes_on_to_the_same_weights_and_says_so(
    paused: Run, toy_faces: Faces, tmp_path: Path
) -> None:
    whole = prepare(tmp_path / "whole", CONFIG)
    execute_run(whole, toy_faces)
    record = paused.record()
    write_json(paused.folder / "run.json", {k: v for k, v in record.items() if k != "data"})
    assert execute_run(paused, toy_faces)
    assert torch.equal(weights(paused), weights(whole))
    (note,) = paused.record()["notes"]
    assert "begun on is not known" in note
    assert paused.record()["data"]["hash"] == toy_faces.content_hash()
    assert "notes" not in whole.record()


def test_before_the_first_epoch_ends_there_is_nothing_to_mix(
    toy_faces: Faces, tmp_path: Path
) -> None:
    run = prepare(tmp_path, CONFIG)
    run.write_record(begun(None, {"commit": None}, describe_data(toy_faces), went_on=False))
    others = changed(toy_faces, "label")
    assert execute_run(run, others)
    assert run.record()["data"]["hash"] == others.content_hash()
    assert "notes" not in run.record()


def test_every_further_array_of_the_faces_counts(toy_faces: Faces) -> None:
    @dataclass(frozen=True)
    class Voted(Faces):
        votes: torch.Tensor | None = None

    plain = {f.name: getattr(toy_faces, f.name) for f in fields(Faces)}
    known, votes = describe_data(toy_faces), torch.zeros(96, 10, dtype=torch.uint8)
    assert describe_data(Voted(**plain)) == known
    voted = describe_data(Voted(**plain | {"votes": votes}))
    assert changed_data({"data": voted}, voted) is None
    assert "votes None, now" in str(changed_data({"data": known}, voted))
    others = describe_data(Voted(**plain | {"votes": votes + 1}))
    assert str(changed_data({"data": voted}, others)).startswith("votes ")
    assert changed_data({}, voted) is None
