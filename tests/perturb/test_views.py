from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ferturb.features.removal import FILLS, remove
from ferturb.perturb.views import masks_of, resized, views_of


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def case(b: int = 5, side: int = 8, k: int = 3) -> tuple[Tensor, Tensor]:
    faces = torch.rand(b, 1, side, side, generator=rng(1)) * 0.9 + 0.1
    return faces, torch.randint(0, k, (b, side, side), generator=rng(2))


def test_views_of_one_cluster_each_add_up_to_the_face() -> None:
    faces, clusters = case()
    views = views_of(faces, clusters, 3, "keep-one")
    assert torch.equal(views[:, :3].sum(1), faces)
    assert torch.equal(views[:, 3], faces)


def test_what_one_form_keeps_the_other_leaves_out() -> None:
    _, clusters = case()
    every = torch.arange(4)[None]
    kept, left_out = (masks_of(clusters, every, 3, s) for s in ("keep-one", "leave-one-out"))  # type: ignore[arg-type]
    assert torch.equal(kept[:, :3], ~left_out[:, :3])
    assert kept[:, 3].all()
    assert left_out[:, 3].all()


@pytest.mark.parametrize("fill", ["black", "mean", "blur", "noise"])
@pytest.mark.parametrize("shows", ["leave-one-out", "keep-one"])
def test_a_fill_changes_only_what_is_left_out(fill: str, shows: str) -> None:
    faces, clusters = case()
    views = views_of(faces, clusters, 3, shows, fill, rng(3))  # type: ignore[arg-type]
    assert torch.equal(views[:, 3], faces)
    for j in range(3):
        keep = (clusters != j if shows == "leave-one-out" else clusters == j).unsqueeze(1)
        assert torch.equal(views[:, j][keep], faces[keep])
        if fill != "noise":  # noise depends on the order of draws
            assert torch.equal(views[:, j], remove(faces, keep[:, 0], fill))
        if fill != "black":
            assert (views[:, j] != faces * keep).any()


def test_black_is_multiplication_by_the_mask() -> None:
    faces, clusters = case()
    masks = (clusters.unsqueeze(1) != torch.arange(4)[:, None, None]).unsqueeze(2)
    assert torch.equal(views_of(faces, clusters, 3), faces.unsqueeze(1) * masks)


@pytest.mark.parametrize("shows", ["leave-one-out", "keep-one"])
@pytest.mark.parametrize("fill", ["black", "mean", "blur"])
@pytest.mark.parametrize("shared", [True, False])
def test_drawn_views_are_those_views(shows: str, fill: str, shared: bool) -> None:
    faces, clusters = case()
    clusters = clusters[:1] if shared else clusters
    drawn = torch.tensor([[3, 0], [0, 3], [1, 1], [2, 0], [1, 3]])
    got = views_of(faces, clusters, 3, shows, fill, drawn=drawn)  # type: ignore[arg-type]
    views = views_of(faces, clusters, 3, shows, fill)  # type: ignore[arg-type]
    assert torch.equal(got, views[torch.arange(5)[:, None], drawn])


def test_noise_follows_its_generator() -> None:
    faces, clusters = case()
    first = views_of(faces, clusters, 3, fill="noise", generator=rng(1))
    assert torch.equal(first, views_of(faces, clusters, 3, fill="noise", generator=rng(1)))
    assert not torch.equal(first, views_of(faces, clusters, 3, fill="noise", generator=rng(2)))


def test_every_fill_of_the_options_is_known() -> None:
    assert {"black", "mean", "blur", "noise"} <= set(FILLS)


def test_a_resized_map_takes_the_label_at_each_pixels_middle() -> None:
    """48 → 32: pixel i's middle is (i + 0.5) · 1.5; nearest without that rule lies off by half."""
    column = torch.arange(48).expand(48, 48)[None]
    got = resized(column, (32, 32))[0, 0]
    expected = torch.tensor([int((i + 0.5) * 1.5) for i in range(32)])
    assert torch.equal(got, expected)
    assert torch.equal(got.flip(0), 47 - got)  # mirror images of each other, no shift
    assert resized(column, (48, 48)) is column
