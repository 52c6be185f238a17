from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ferturb.base.errors import FerturbError
from ferturb.data.drawn.synthetic import draw
from ferturb.features.masks import wear as face_masks
from ferturb.features.masks.geometry import CHIN_EDGE, EYES, LIPS, NOSE_TIP, place
from ferturb.features.masks.keyed_random import index_keys
from ferturb.features.masks.light import smooth
from ferturb.features.masks.wear import FACE_MASKS, KINDS, SHARES, wear

DRAWN = draw(28, seed=11)
HIDDEN = [*NOSE_TIP, *LIPS, *CHIN_EDGE]
OPEN = [i for eye in EYES for i in eye]
SIDE = 112


def posed(yaw: float, roll: float, jitter: float = 0.0) -> Tensor:
    """Synthetic landmarks turned in space (degrees) and shaken (pixels), in a SIDE×SIDE image."""
    flat = draw(7, seed=5, size=96).landmarks
    middle = flat[:, 27:28]
    x, y = (flat - middle).unbind(2)
    depth = 30 * (1 - (x / 44) ** 2).clamp_min(0.0).sqrt() - 0.004 * (y - 15) ** 2
    depth[:, 27:31] += torch.tensor([2.0, 6.0, 10.0, 16.0])
    depth[:, 31:36] += torch.tensor([3.0, 6.0, 9.0, 6.0, 3.0])
    angle = math.radians(yaw)
    x = x * math.cos(angle) + (depth - 20) * math.sin(angle)
    cos, sin = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    points = torch.stack([cos * x - sin * y, sin * x + cos * y], 2)
    points += jitter * torch.randn(points.shape, generator=torch.Generator().manual_seed(1))
    down = torch.tensor([-sin, cos])
    return points + SIDE / 2 - 26 * down


def seen(kept: Tensor, points: Tensor, group: list[int]) -> Tensor:
    """Which of these landmarks are still visible, at the pixel nearest to each."""
    x, y = points[:, group].round().long().unbind(2)
    assert x.min() >= 0
    assert y.min() >= 0
    assert max(x.max(), y.max()) < SIDE
    return kept[torch.arange(len(kept))[:, None], y, x]


@pytest.mark.parametrize("kind", FACE_MASKS)
def test_nose_lips_and_chin_never_stick_out(kind: str) -> None:
    yaws = (-80.0, -45.0, 0.0, 30.0)
    poses = [(yaw, roll) for yaw in yaws for roll in (-80.0, 0.0, 35.0)]
    points = torch.cat([posed(yaw, roll) for yaw, roll in poses])
    images = torch.full((len(points), SIDE, SIDE), 120, dtype=torch.uint8)
    kept = wear(images, points, kind, seed=2).kept
    assert not seen(kept, points, HIDDEN).any()
    turned = torch.tensor([abs(yaw) for yaw, _ in poses]).repeat_interleave(7)
    assert seen(kept, points, OPEN)[turned <= 45].all()


@pytest.mark.parametrize("kind", FACE_MASKS)
def test_shaken_landmarks_are_covered_too(kind: str) -> None:
    points = torch.cat([posed(25.0, 10.0, jitter) for jitter in (0.6, 1.2)])
    images = torch.full((14, SIDE, SIDE), 120, dtype=torch.uint8)
    kept = wear(images, points, kind, seed=3).kept
    assert not seen(kept, points, HIDDEN).any()
    assert seen(kept, points, OPEN).all()


@pytest.mark.parametrize("kind", KINDS)
def test_far_from_what_is_worn_no_pixel_changes(kind: str) -> None:
    worn = wear(DRAWN.images, DRAWN.landmarks, kind, seed=0)
    near = (~worn.kept).float()
    for _ in range(6):
        near = smooth(near)
    face = place(DRAWN.landmarks, 48, 48)
    far = (near == 0) & ((face.outline > 3) | (face.Y < -0.25))  # cords lie on the cheeks
    assert 0.05 < far.float().mean() < 0.95
    assert torch.equal(worn.images[far], DRAWN.images[far])
    hidden = ~worn.kept
    if kind != "random":
        assert (hidden.flatten(1).sum(1) > 60).all()
    assert (worn.images != DRAWN.images)[hidden].float().mean() > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_a_face_wears_the_same_in_any_batch(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = wear(DRAWN.images, DRAWN.landmarks, kind, seed=7)
    again = wear(DRAWN.images[:5], DRAWN.landmarks[:5], kind, seed=7)
    assert torch.equal(again.images, whole.images[:5])
    assert torch.equal(again.kept, whole.kept[:5])
    assert again.kinds == whole.kinds[:5]
    chosen = torch.tensor([27, 3])
    keys = index_keys(28, seed=7)[chosen]
    some = wear(DRAWN.images[chosen], DRAWN.landmarks[chosen], kind, seed=7, keys=keys)
    assert torch.equal(some.images, whole.images[chosen])
    monkeypatch.setattr(face_masks, "_CHUNK_PIXELS", 48 * 48 * 3)
    assert torch.equal(wear(DRAWN.images, DRAWN.landmarks, kind, seed=7).images, whole.images)
    other = wear(DRAWN.images, DRAWN.landmarks, kind, seed=8)
    assert (other.images != whole.images).flatten(1).any(1).all()


def test_kinds_differ() -> None:
    looks = {k: wear(DRAWN.images, DRAWN.landmarks, k, seed=1) for k in KINDS}
    names = [k for k in KINDS if k != "mixed"]
    for i, one in enumerate(names):
        assert looks[one].kinds == (one,) * 28
        for two in names[i + 1 :]:
            assert (looks[one].images != looks[two].images).float().mean() > 0.05
    area = {k: (~looks[k].kept).float().mean().item() for k in names}
    assert area["n95"] < area["surgical"]
    eyes = DRAWN.landmarks[:, OPEN].round().long()
    inside = eyes.amin((1, 2)) >= 0
    x, y = eyes[inside].unbind(2)
    rows = torch.arange(len(x))[:, None]
    assert not looks["glasses"].kept[inside][rows, y, x].any()


def test_mixed_draws_the_face_masks_in_their_shares() -> None:
    n = 600
    images = torch.full((n, 24, 24), 100, dtype=torch.uint8)
    points = draw(1, size=24).landmarks.expand(n, -1, -1)
    kinds = wear(images, points, "mixed", seed=0).kinds
    assert set(kinds) == set(FACE_MASKS)
    for kind, share in zip(FACE_MASKS, SHARES, strict=True):
        assert abs(kinds.count(kind) / n - share) < 0.06


def mean_grey(images: Tensor, kept: Tensor) -> Tensor:
    hidden = ~kept
    return (images * hidden).flatten(1).sum(1) / hidden.flatten(1).sum(1)


def test_surgical_masks_are_brighter_than_skin_and_cloth_comes_in_any_tone() -> None:
    images = torch.full((200, 48, 48), 110, dtype=torch.uint8)
    points = DRAWN.landmarks[:1].expand(200, -1, -1)
    surgical = wear(images, points, "surgical", seed=1)
    cloth = wear(images, points, "cloth", seed=1)
    bright, tones = mean_grey(*pair(surgical)), mean_grey(*pair(cloth))
    assert (bright > 130).all()
    assert bright.std() < 15
    assert tones.std() > 25
    assert tones.min() < 70
    assert bright.min() > tones.quantile(0.25)
    dark = wear(images // 3, points, "surgical", seed=1)
    assert (mean_grey(*pair(dark)) < bright - 30).all()


def pair(worn: face_masks.Worn) -> tuple[Tensor, Tensor]:
    return worn.images, worn.kept


@pytest.mark.parametrize("kind", FACE_MASKS)
def test_a_mask_takes_the_light_of_the_face(kind: str) -> None:
    """Light from the image's left and from its right: the mask's sides change with it."""
    slope = torch.linspace(200, 80, 48).expand(28, 48, 48)
    from_left, from_right = slope.to(torch.uint8), slope.flip(2).to(torch.uint8)
    left = wear(from_left, DRAWN.landmarks, kind, seed=4)
    right = wear(from_right, DRAWN.landmarks, kind, seed=4)
    hidden = ~left.kept & ~right.kept
    hidden[:, :, 20:28] = False
    assert hidden.any()
    ratio = (left.images.float() + 1) / (right.images.float() + 1)
    assert ratio[:, :, :20][hidden[:, :, :20]].mean() > 1.15
    assert ratio[:, :, 28:][hidden[:, :, 28:]].mean() < 0.87


def test_a_soft_shadow_falls_beside_the_mask() -> None:
    images = torch.full((28, 48, 48), 150, dtype=torch.uint8)
    worn = wear(images, DRAWN.landmarks, "surgical", seed=0)
    shaded = worn.kept & (worn.images < 150)
    beside = torch.nn.functional.max_pool2d((~worn.kept).float(), 9, 1, 4) > 0
    assert (shaded.flatten(1).sum(1) > 15).all()
    assert not (shaded & ~beside).any()


@pytest.mark.parametrize("kind", KINDS)
def test_no_faces(kind: str) -> None:
    none = wear(torch.zeros(0, 48, 48, dtype=torch.uint8), torch.zeros(0, 68, 2), kind, seed=0)
    assert none.images.shape == none.kept.shape == (0, 48, 48)
    assert none.kinds == ()


@pytest.mark.parametrize("kind", KINDS)
def test_blank_and_hopeless_input_is_masked_without_trouble(kind: str) -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None].expand(2, 40, 52).contiguous()
    for points in (DRAWN.landmarks[:2], torch.zeros(2, 68, 2), DRAWN.landmarks[:2] * 50):
        assert wear(images, points, kind, seed=0).images.shape == (2, 40, 52)


def test_what_can_not_be_worn_is_said(no_shape_checks: None) -> None:
    images, points = DRAWN.images, DRAWN.landmarks
    with pytest.raises(FerturbError, match="unknown kind of face mask 'scarf'; known: surgical, "):
        wear(images, points, "scarf", seed=0)
    with pytest.raises(FerturbError, match="seed must be 0 or more, got -1"):
        wear(images, points, "cloth", seed=-1)
    with pytest.raises(FerturbError, match=r"landmarks must be \(28, 68 or more, 2\)"):
        wear(images, points[:, :51], "cloth", seed=0)
    with pytest.raises(FerturbError, match="landmarks must be finite"):
        wear(images, points / 0 * 0, "cloth", seed=0)
