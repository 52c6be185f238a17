from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from scipy import ndimage, stats
from torch import Tensor
from torchvision import transforms

from ferturb.base.config import FAST, AugmentConfig
from ferturb.base.errors import FerturbError
from ferturb.training import augment as aug
from ferturb.training.augment import augment

OFF = AugmentConfig(flip=0.0)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_images(n: int = 6, side: int = 24) -> Tensor:
    return torch.randint(0, 256, (n, side, side), generator=rng(9), dtype=torch.uint8)


def random_faces(n: int = 6, side: int = 24) -> Tensor:
    return random_images(n, side).unsqueeze(1).float() / 255


def test_every_option_at_zero_leaves_the_bits_alone() -> None:
    images = random_images()
    before = images.clone()
    assert torch.equal(augment(images, OFF, rng()), images.unsqueeze(1).float() / 255)
    assert torch.equal(images, before)


def test_flip_probability_one_is_an_exact_mirror() -> None:
    images = random_images()
    flipped = augment(images, AugmentConfig(flip=1.0), rng())
    assert torch.equal(flipped[:, 0], images.flip(-1).float() / 255)


def test_upside_down_is_an_exact_mirror_of_the_rows() -> None:
    images = random_images()
    flipped = augment(images, replace(OFF, flip_vertical=1.0), rng())
    assert torch.equal(flipped[:, 0], images.flip(-2).float() / 255)


def test_rectangles_are_upright_and_lying_and_anything_between() -> None:
    rectangles = aug.random_rectangles(300, 96, 96, rng(), (0.05, 0.1))
    tall, wide = rectangles.any(2).sum(1), rectangles.any(1).sum(1)
    aspects = (tall / wide).log()
    assert torch.equal(tall * wide, rectangles.flatten(1).sum(1))
    assert float(aspects.min()) < math.log(0.45)
    assert float(aspects.max()) > math.log(1 / 0.45)
    assert float(aspects.std()) > 0.4


def test_gain_darkens_and_brightens_alike() -> None:
    images = torch.full((2000, 2, 2), 102, dtype=torch.uint8)
    shown = augment(images, replace(OFF, gain=0.5), rng())[:, 0, 0, 0] / 0.4
    assert stats.kstest(shown.numpy(), stats.uniform(0.5, 1.0).cdf).pvalue > 1e-3


def test_half_of_the_faces_are_flipped() -> None:
    images = torch.zeros(4000, 2, 2, dtype=torch.uint8)
    images[:, :, 0] = 255
    flipped = augment(images, AugmentConfig(flip=0.5), rng())[:, 0, 0, 1].mean()
    assert abs(float(flipped) - 0.5) < 4 * 0.5 / math.sqrt(4000)


def test_same_seed_same_bits_and_another_seed_others() -> None:
    images = random_images(side=48)
    first = augment(images, FAST.augment, rng(1), 32)
    assert first.shape == (6, 1, 32, 32)
    assert torch.equal(first, augment(images, FAST.augment, rng(1), 32))
    assert not torch.equal(first, augment(images, FAST.augment, rng(2), 32))
    assert float(first.min()) >= 0
    assert float(first.max()) <= 1


def test_crops_are_true_parts_of_the_face_from_every_place() -> None:
    side, crop = 10, 7
    one = torch.arange(side * side, dtype=torch.float32).view(1, 1, side, side)
    crops = aug.random_crop(one.expand(400, 1, side, side), crop, rng())
    seen = set()
    for part in crops[:, 0]:
        row, column = divmod(int(part[0, 0]), side)
        assert torch.equal(part, one[0, 0, row : row + crop, column : column + crop])
        seen.add((row, column))
    assert seen == {(r, c) for r in range(4) for c in range(4)}


def test_a_crop_that_does_not_fit_is_refused() -> None:
    with pytest.raises(FerturbError, match=r"1 to 24 pixels.*got 25"):
        augment(random_images(), AugmentConfig(crop=25), rng())


def matrices(config: AugmentConfig, flip: bool, n: int = 6, seed: int = 0) -> Tensor:
    return aug._affine_matrices(n, config, torch.full((n,), flip), rng(seed))


def test_affine_agrees_with_scipy() -> None:
    """grid_sample's output pixel o shows the input at A·o + t; scipy does the same in pixels."""
    config = AugmentConfig(flip=0.0, rotate=12.0, scale=0.1, shift=0.06, shear=0.05)
    faces, side = random_faces(), 24
    out = aug.random_affine(faces, config, rng(3))
    generator = rng(3)
    torch.rand(6, generator=generator)  # the flips
    matrix = aug._affine_matrices(6, config, torch.zeros(6, dtype=torch.bool), generator).double()
    for face, got, m in zip(faces[:, 0], out[:, 0], matrix, strict=True):
        xy_to_rc = m[:, :2].flip(0, 1).numpy()  # (x, y) order to (row, column) order
        shift = m[:, 2].flip(0).numpy() * side / 2
        middle = (side - 1) / 2
        offset = middle + shift - xy_to_rc @ [middle, middle]
        expected = ndimage.affine_transform(
            face.double().numpy(), xy_to_rc, offset, order=1, mode="reflect"
        )
        torch.testing.assert_close(got.double(), torch.from_numpy(expected), atol=2e-4, rtol=0)


def test_matrices_follow_the_config_by_hand() -> None:
    """One draw u in −1 … 1 per option, in the order angle, zoom, shear, shift x, shift y."""
    config = AugmentConfig(rotate=12.0, scale=0.1, shift=0.06, shear=0.05)
    u = torch.rand(5, 1, generator=rng(4))[:, 0].double() * 2 - 1
    angle, zoom = math.radians(12) * u[0], 1.1 ** u[1]
    turn = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]]) / zoom
    lean = torch.tensor([[1.0, 0.05 * u[2]], [0.0, 1.0]], dtype=torch.float64)
    expected = torch.cat([turn @ lean, (0.12 * u[3:]).view(2, 1)], dim=1)
    got = matrices(config, False, n=1, seed=4)[0]
    torch.testing.assert_close(got.double(), expected, atol=1e-6, rtol=0)


def test_rotation_and_zoom_alone_keep_shapes_with_and_without_a_flip() -> None:
    """The matrix of a similarity: orthogonal columns of one length, mirrored or not."""
    config = AugmentConfig(rotate=12.0, scale=0.1)
    for flip, sign in ((False, 1), (True, -1)):
        linear = matrices(config, flip)[:, :, :2]
        gram = linear.transpose(1, 2) @ linear
        torch.testing.assert_close(gram, gram[:, :1, :1] * torch.eye(2), atol=1e-6, rtol=0)
        assert (torch.linalg.det(linear).sign() == sign).all()


def test_a_flip_with_other_changes_is_the_change_of_the_mirrored_face() -> None:
    faces = random_faces(side=32)
    config = AugmentConfig(rotate=12.0, scale=0.1, shift=0.06, shear=0.05)
    plain = aug.random_affine(faces, replace(config, flip=0.0), rng(6))
    flipped = aug.random_affine(faces, replace(config, flip=1.0), rng(6))
    # the mirror is taken on the output side: flipping the result undoes it
    torch.testing.assert_close(flipped.flip(-1), plain, atol=1e-4, rtol=0)


def test_rotation_sense_is_the_one_of_the_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    """A positive angle in (x right, y down) coordinates samples clockwise: the face turns back."""
    face = torch.zeros(1, 1, 33, 33)
    face[0, 0, 16, 28:31] = 1  # right of the middle
    quarter = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]])
    monkeypatch.setattr(aug, "_affine_matrices", lambda *_: quarter)
    out = aug.random_affine(face, AugmentConfig(flip=0.0, rotate=90.0), rng())
    assert torch.allclose(out[0, 0, 2:5, 16], torch.ones(3), atol=1e-4)  # now above the middle
    assert float(out.sum()) == pytest.approx(3, abs=1e-3)


def test_light_by_hand() -> None:
    faces = random_faces() * 0.5 + 0.25
    draws = torch.rand(2, 6, 1, 1, 1, generator=rng(8)).double() * 2 - 1
    got = aug.random_light(faces, AugmentConfig(brightness=0.1, contrast=0.2), rng(8))
    for face, out, u, v in zip(faces.double(), got, draws[1], draws[0], strict=True):
        mean = face.mean()
        expected = (mean + (1 + 0.2 * v) * (face - mean) + 0.1 * u).clamp(0, 1)
        torch.testing.assert_close(out.double(), expected, atol=1e-6, rtol=0)


def test_light_stays_between_black_and_white() -> None:
    out = aug.random_light(random_faces(200), AugmentConfig(brightness=0.5, contrast=0.9), rng())
    assert float(out.min()) == 0
    assert float(out.max()) == 1


def test_erased_rectangles_cover_2_to_20_percent_and_go_everywhere() -> None:
    side = 48
    holes = aug.random_rectangles(4000, side, side, rng())
    share = holes.double().mean((1, 2))
    rounding = 2 * 30 / side**2  # half a pixel on each of the sides
    assert 0.02 - rounding <= float(share.min())
    assert float(share.max()) <= 0.2 + rounding
    assert abs(float(share.mean()) - 0.11) < 0.003  # uniform between the two
    rows, columns = holes.any(2), holes.any(1)
    assert torch.equal(holes, rows[:, :, None] & columns[:, None, :])
    for line in (rows, columns):  # one unbroken piece
        assert (line[:, 1:] & ~line[:, :-1]).sum(1).add(line[:, 0].long()).eq(1).all()
    assert holes.any(0).all()


def test_erasing_changes_the_rectangle_and_nothing_else() -> None:
    faces = random_faces(300, 48) * 0  # black, so any noise shows
    out = aug.random_erase(faces, AugmentConfig(erase=0.4), rng(2))
    changed = out[:, 0] != 0
    share = float(changed.any(2).any(1).double().mean())
    assert abs(share - 0.4) < 4 * math.sqrt(0.24 / 300)
    generator = rng(2)
    torch.rand(300, generator=generator)
    holes = aug.random_rectangles(300, 48, 48, generator)
    assert not (changed & ~holes).any()
    inside = out[:, 0][changed]
    assert abs(float(inside.mean()) - 0.5) < 0.01  # uniform noise
    assert float(inside.max()) <= 1


def test_size_alone_is_an_antialiased_resize() -> None:
    images = random_images(side=48)
    expected = torch.nn.functional.interpolate(
        images.unsqueeze(1).float() / 255, (32, 32), mode="bilinear", antialias=True
    )
    assert torch.equal(augment(images, OFF, rng(), 32), expected)


def test_five_crops_of_a_face_stand_together_and_are_erased_each_for_itself() -> None:
    images = torch.arange(1, 101, dtype=torch.uint8).view(1, 10, 10).repeat(3, 1, 1)
    config = AugmentConfig(flip=0.0, crop=8, crops="five")
    crops = augment(images, config, rng()).mul(255).round()[:, 0]
    assert crops.shape == (15, 8, 8)
    assert crops[:5, 0, 0].tolist() == [1, 3, 21, 23, 12]
    assert torch.equal(crops[:5], crops[5:10])
    holes = augment(images, replace(config, erase=1.0, erase_fill="black"), rng()) == 0
    assert len({tuple(hole.flatten().tolist()) for hole in holes}) > 10


def test_black_erasing_covers_the_area_that_is_asked_for() -> None:
    faces = torch.ones(2000, 1, 48, 48)
    config = AugmentConfig(erase=0.5, erased=(0.02, 0.33), erase_fill="black")
    share = (aug.random_erase(faces, config, rng()) == 0).double().mean((1, 2, 3))
    assert abs(float((share > 0).double().mean()) - 0.5) < 4 * 0.5 / math.sqrt(2000)
    inside = share[share > 0]
    assert abs(float(inside.mean()) - 0.175) < 0.01
    assert float(inside.max()) < 0.35


def test_cuts_fit_into_the_face_and_are_torchvisions() -> None:
    middle, half = aug.random_cuts(5000, (0.8, 1.2), rng())
    assert float((middle.abs() + half).max()) <= 1 + 1e-6
    transform = transforms.RandomResizedCrop(1000, scale=(0.8, 1.2))
    face = torch.empty(1, 1000, 1000)
    torch.manual_seed(0)
    theirs = torch.tensor(
        [
            transform.get_params(face, list(transform.scale), list(transform.ratio))
            for _ in range(5000)
        ]
    )
    height, width = theirs[:, 2] / 1000, theirs[:, 3] / 1000
    for ours, other in ((half[:, 0], width), (half[:, 1], height), (half.prod(1), height * width)):
        assert stats.ks_2samp(ours.numpy(), other.numpy()).pvalue > 0.001
    place = middle[:, 0] / (1 - half[:, 0]).clamp(min=1e-9)
    assert stats.kstest(place[half[:, 0] < 1].numpy(), "uniform", (-1, 2)).pvalue > 0.001


def test_a_cut_is_stretched_to_the_face() -> None:
    face = torch.arange(64.0).expand(64, 64).div(63)[None, None]
    out = aug.random_affine(
        face.expand(50, 1, 64, 64), AugmentConfig(flip=0, cut=(0.8, 0.8)), rng()
    )
    middle, half = aug.random_cuts(50, (0.8, 0.8), advanced(50))
    expected = (1 + middle[:, :1] + half[:, :1] * torch.linspace(-1, 1, 65)[None, 32:33]) / 2
    got = out[:, 0, 32, 31:33].mean(1, keepdim=True)
    torch.testing.assert_close(got, expected * 64 / 63 - 0.5 / 63, atol=1e-4, rtol=0)


def advanced(b: int) -> torch.Generator:
    """A generator where an affine change of b faces has drawn what it needs before the cut."""
    generator = rng()
    torch.rand(b, generator=generator)
    aug._affine_matrices(b, AugmentConfig(), torch.zeros(b, dtype=torch.bool), generator)
    return generator


def test_what_comes_in_from_outside_is_black_if_asked_for_and_stays_so() -> None:
    images = torch.full((200, 24, 24), 200, dtype=torch.uint8)
    config = AugmentConfig(flip=0.0, shift=0.4, outside="black", brightness=0.2)
    out = augment(images, config, rng())
    assert (out == 0).any()
    assert (out[out > 0] > 0.3).all()
    assert (augment(images, replace(config, outside="reflection"), rng()) > 0.3).all()


def test_a_chance_leaves_some_faces_alone_each_change_for_itself() -> None:
    n = 2000
    config = AugmentConfig(rotate=10.0, shift=0.2, chance=0.5)
    still = matrices(config, flip=False, n=n)
    turned = still[:, 0, 1] != 0
    shifted = still[:, 0, 2] != 0
    for some in (turned, shifted, turned & shifted):
        expected = 0.25 if some is not turned and some is not shifted else 0.5
        assert abs(float(some.double().mean()) - expected) < 4 * 0.5 / math.sqrt(n)
    lit = aug.random_light(
        torch.full((n, 1, 2, 2), 0.5), AugmentConfig(gain=0.5, chance=0.5), rng()
    )
    assert abs(float((lit[:, 0, 0, 0] != 0.5).double().mean()) - 0.5) < 4 * 0.5 / math.sqrt(n)
    assert 0.25 <= float(lit.min()) <= float(lit.max()) <= 0.75


def test_five_crops_without_a_side_are_refused() -> None:
    with pytest.raises(FerturbError, match=r"give crop, e\.g\. 40"):
        AugmentConfig(crops="five")
    with pytest.raises(FerturbError, match=r"crop must be 1 to 24 pixels.*got 25"):
        augment(random_images(), AugmentConfig(crops="five", crop=25), rng())


@pytest.mark.parametrize(
    "config",
    [
        FAST.augment,
        AugmentConfig(crop=20, rotate=10, erase=1.0, brightness=0.2, contrast=0.2),
        AugmentConfig(crop=20, crops="five"),
        AugmentConfig(cut=(0.5, 1.0), outside="black", gain=0.2, chance=0.5),
    ],
)
def test_three_channels_alike_are_changed_as_one_is(config: AugmentConfig) -> None:
    images = random_images()
    grey = augment(images, config, rng(1), 16 if config.crop is None else None)
    coloured = images[:, None].repeat(1, 3, 1, 1)
    found = augment(coloured, config, rng(1), 16 if config.crop is None else None)
    assert found.shape[1] == 3
    assert torch.allclose(found, grey.expand_as(found), atol=1e-6)
    red = coloured.clone()
    red[:, 1:] = 0
    if not config.erase:
        assert not augment(red, config, rng(1))[:, 1:].any()
