from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.drawn.action_units import (
    ACTION_UNITS,
    FEATURES_OF_EMOTION,
    FEATURES_OF_UNIT,
    PROTOTYPES,
    sample_units,
    units,
)
from ferturb.data.drawn.geometry import Subject, head_distance, to_face, to_image
from ferturb.data.drawn.synthetic import SyntheticFaces, draw, draw_with, synthetic_faces
from ferturb.data.drawn.traits import random_stream, sample_traits
from ferturb.features.landmarks import find_landmarks
from ferturb.features.regions import regions

PARTS = ("forehead", "brows", "eyes", "nose", "cheeks", "mouth", "jaw")
NUMBERS = tuple(FEATURES_OF_UNIT)


@pytest.fixture(scope="module")
def drawn() -> SyntheticFaces:
    return draw(140, seed=3)


def same(rows: dict[int, float], count: int = 40, **kwargs: object) -> SyntheticFaces:
    return draw_with(units(rows).expand(count, -1), seed=11, **kwargs)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_bits_and_fewer_faces_are_the_first_ones(
    drawn: SyntheticFaces,
) -> None:
    again = draw(300, seed=3)
    assert torch.equal(again.images[:140], drawn.images)
    assert torch.equal(again.landmarks[:140], drawn.landmarks)
    assert torch.equal(again.action_units[:140], drawn.action_units)
    assert all(torch.equal(again.regions[k][:140], v) for k, v in drawn.regions.items())
    assert not torch.equal(again.images[256:300], again.images[:44])  # blocks are not repeated
    assert not torch.equal(draw(140, seed=4).images, drawn.images)


def test_drawing_with_the_sampled_units_gives_the_sampled_faces(drawn: SyntheticFaces) -> None:
    again = draw_with(drawn.action_units, seed=3)
    assert torch.equal(again.images, drawn.images)
    assert (again.labels == -1).all()


def test_regions_tile_the_face(drawn: SyntheticFaces) -> None:
    r = drawn.regions
    face = r["face"]
    union = torch.stack([r[name] for name in PARTS]).any(0)
    assert torch.equal(union, face)
    for one, other in (("upper_face", "lower_face"), ("left_half", "right_half")):
        assert not (r[one] & r[other]).any()
        assert torch.equal(r[one] | r[other], face)
    assert not (r["left_eye"] & r["right_eye"]).any()
    assert torch.equal(r["left_eye"] | r["right_eye"], r["eyes"])
    rest = r["forehead"] | r["cheeks"] | r["jaw"]
    for name in ("eyes", "brows", "nose", "mouth"):
        assert not (rest & r[name]).any()
        assert not (r[name] & ~face).any()


def test_left_is_the_left_of_the_image(drawn: SyntheticFaces) -> None:
    x = torch.arange(48.0)
    for left, right in (("left_eye", "right_eye"), ("left_half", "right_half")):
        mean = [
            (drawn.regions[n] * x).sum((1, 2)) / drawn.regions[n].sum((1, 2)) for n in (left, right)
        ]
        assert (mean[0] < mean[1]).all()
    # iBUG: 36-41 is the eye on the left of the image, 48 the mouth's corner on the left
    points = drawn.landmarks[..., 0]
    assert (points[:, 36:42].mean(1) < points[:, 42:48].mean(1)).all()
    assert (points[:, 48] < points[:, 54]).all()
    assert (points[:, 0] < points[:, 16]).all()


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("brows", 17, 26), ("nose", 27, 35), ("left_eye", 36, 41), ("right_eye", 42, 47),
     ("mouth", 48, 67)],
)  # fmt: skip
def test_landmarks_lie_in_their_region(
    drawn: SyntheticFaces, name: str, first: int, last: int
) -> None:
    index = drawn.landmarks[:, first : last + 1].round().long()
    inside = ((index >= 0) & (index < 48)).all(2)
    index = index.clamp(0, 47)
    face = torch.arange(len(drawn)).unsqueeze(1)
    shows = drawn.regions["face"][face, index[..., 1], index[..., 0]] & inside
    assert shows.float().mean() > 0.9  # hair hides a few
    assert drawn.regions[name][face, index[..., 1], index[..., 0]][shows].all()


def polygon(points: Tensor) -> Tensor:
    picture = Image.new("1", (48, 48))
    ImageDraw.Draw(picture).polygon([tuple(p) for p in points.tolist()], fill=1)
    return torch.from_numpy(np.array(picture))


def test_open_mouth_is_dark_inside_its_inner_lip_landmarks() -> None:
    wide = same({26: 1.0}, with_camera=False)
    closed = same({}, with_camera=False)
    for i in range(len(wide)):
        hole = polygon(wide.landmarks[i, 60:68])
        assert hole.sum() > 6
        assert (hole & wide.regions["mouth"][i]).sum() > 0.9 * (
            hole & wide.regions["face"][i]
        ).sum()
        dark = wide.images[i][hole].float().mean()
        assert dark < closed.images[i][closed.regions["cheeks"][i]].float().mean()


def test_jaw_landmarks_lie_on_the_outline_of_the_head() -> None:
    drawn = same({})
    traits = {k: v[:40] for k, v in sample_traits(random_stream(11, 0, 0), 256).items()}
    subject = Subject(traits, {k: torch.zeros(40, 1, 1) for k in NUMBERS})
    x, y = drawn.landmarks[:, None, :17, 0], drawn.landmarks[:, None, :17, 1]
    distance = head_distance(subject, *to_face(subject, x, y))
    assert distance.abs().max() < 0.1
    u, v = torch.rand(2, 40, 9, 9) * 40 - 20
    back = to_face(subject, *to_image(subject, u, v))
    torch.testing.assert_close(back, (u, v), atol=1e-4, rtol=0)


def heights(faces: SyntheticFaces) -> Tensor:
    """Landmarks' height below the eyes' corners, along the face's own axis, pixels."""
    points = faces.landmarks
    left, right = points[:, 36], points[:, 45]
    along = torch.nn.functional.normalize(right - left, dim=1)
    down = torch.stack([-along[:, 1], along[:, 0]], 1)
    return ((points - left.unsqueeze(1)) * down.unsqueeze(1)).sum(2)


def test_action_units_move_the_landmarks_as_the_muscles_do() -> None:
    rest = heights(same({}))

    def moved(number: int) -> Tensor:
        return heights(same({number: 1.0})) - rest

    corners, inner_brows, outer_brows = [48, 54], [21, 22], [18, 25]
    assert (moved(12)[:, corners] < -1.0).all()  # up
    assert (moved(15)[:, corners] > 1.0).all()
    assert (moved(1)[:, inner_brows] < -1.5).all()
    assert (moved(1)[:, [17, 26]].abs() < 0.1).all()
    assert (moved(2)[:, outer_brows] < -1.0).all()
    assert (moved(2)[:, inner_brows].abs() < 0.1).all()
    assert (moved(4)[:, inner_brows] > 1.5).all()
    jaw = moved(26)
    assert (jaw[:, 8] > 1.5).all()  # the chin
    assert (jaw[:, 66] - jaw[:, 62] > 3.0).all()  # the lips part
    lids = moved(5)[:, [37, 38, 43, 44]]
    assert (lids < -0.5).all()
    assert (moved(7)[:, [40, 41, 46, 47]] < -0.3).all()
    assert (moved(9)[:, 31:36] < -1.0).all()
    stretched, plain = same({20: 1.0}).landmarks, same({}).landmarks
    width = [(p[:, 54] - p[:, 48]).norm(dim=1) for p in (stretched, plain)]
    assert (width[0] > 1.15 * width[1]).all()
    thin = heights(same({23: 1.0}))
    assert (thin[:, 57] - thin[:, 51] < 0.6 * (rest[:, 57] - rest[:, 51])).all()


def spread(mask: Tensor) -> Tensor:
    """The mask and every pixel beside it, corners included."""
    return torch.nn.functional.max_pool2d(mask.float().unsqueeze(1), 3, 1, 1)[:, 0] > 0


@cache
def all_at(strength: float, camera: bool) -> SyntheticFaces:
    """64 people with every action unit at this strength."""
    return draw_with(torch.full((64, len(NUMBERS)), strength), seed=5, with_camera=camera)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("others", [0.0, 0.6])
def test_an_action_unit_changes_only_the_pixels_of_its_features(number: int, others: float) -> None:
    rows = torch.full((64, len(NUMBERS)), others)
    off, on = rows.clone(), rows.clone()
    off[:, NUMBERS.index(number)] = 0.0
    on[:, NUMBERS.index(number)] = 1.0
    for camera in (False, True):
        a = draw_with(off, seed=5, with_camera=camera) if others else all_at(0.0, camera)
        b = draw_with(on, seed=5, with_camera=camera)
        names = ("brows",) if number == 4 else FEATURES_OF_UNIT[number]
        allowed = torch.stack([f.regions[n] for f in (a, b) for n in names]).any(0)
        changed = a.images != b.images
        assert changed.sum((1, 2)).float().mean() > 20
        assert not (changed & ~(spread(allowed) if camera else allowed)).any()


def test_above_the_brows_that_are_left_out_the_brow_lowerer_changes_the_forehead() -> None:
    off, on = (units({4: strength})[None].repeat(64, 1) for strength in (0.0, 0.8))
    before, after = (
        draw_with(rows, seed=5, with_camera=False).images.float() for rows in (off, on)
    )
    change = (after - before).abs()
    points = find_landmarks(draw_with(on, seed=5).images).points
    found = regions(points, (48, 48), ("brows", "forehead", "eyes", "mouth"))
    share = {name: float((change * area).sum() / change.sum()) for name, area in found.items()}
    assert share["brows"] > 0.7
    assert 0.05 < share["forehead"] < 0.2
    assert share["eyes"] < 0.02
    assert share["mouth"] < 0.02


def test_neutral_has_little_and_every_other_emotion_its_prototype() -> None:
    labels = torch.arange(7000) % 7
    rows = sample_units(labels, seed=1)
    assert rows.min() >= 0
    assert rows.max() <= 1
    for label, emotion in enumerate(EMOTIONS):
        mine = rows[labels == label]
        member = torch.tensor([k in PROTOTYPES[emotion] for k in NUMBERS])
        stray = mine[:, ~member]
        assert stray.max() < 0.35
        assert 0.11 < (stray > 0).float().mean() < 0.17
        if member.any():
            assert (mine[:, member] > 0).any(1).all()
            missing = (mine[:, member] == 0).float().mean()
            assert 0.05 < missing < 0.16
            assert 0.5 < mine[:, member][mine[:, member] > 0].mean() < 0.75


def test_evidence_follows_from_the_units() -> None:
    assert FEATURES_OF_EMOTION["happy"] == ("eyes", "cheeks", "mouth")
    assert FEATURES_OF_EMOTION["sad"] == ("brows", "forehead", "mouth")
    assert FEATURES_OF_EMOTION["disgust"] == ("nose", "cheeks", "mouth")
    assert set(FEATURES_OF_EMOTION["angry"]) == {"brows", "forehead", "eyes", "mouth"}
    assert FEATURES_OF_EMOTION["neutral"] == ()
    assert len(ACTION_UNITS) == len(NUMBERS) == draw(1).action_units.shape[1]
    assert ACTION_UNITS[NUMBERS.index(12)] == "AU12 lip corner puller"


def test_dataset_is_balanced_stratified_and_named() -> None:
    faces = synthetic_faces(700, seed=2)
    counts = faces.counts()
    assert all(counts["train"][e] == 80 for e in EMOTIONS)
    assert all(counts["validation"][e] == counts["test"][e] == 10 for e in EMOTIONS)
    assert faces.kind == "synthetic"
    assert len(set(faces.names)) == 700
    place = torch.tensor([int(name[-6:]) for name in faces.names])
    assert torch.equal(place, torch.arange(700))
    for name, label in zip(faces.names, faces.labels.tolist(), strict=True):
        assert name.split("/")[2].startswith(EMOTIONS[label])
    assert torch.equal(faces.images, draw(700, seed=2).images)
    again, other = synthetic_faces(700, seed=2), synthetic_faces(700, seed=3)
    assert again.content_hash() == faces.content_hash()
    assert not torch.equal(other.splits, faces.splits)


def test_faces_fill_the_crop_and_are_about_as_bright_as_fer2013() -> None:
    faces = draw(700, seed=9)
    eyes = [faces.landmarks[:, a:b].mean(1) for a, b in ((36, 42), (42, 48))]
    between = (eyes[1] - eyes[0]).norm(dim=1)
    assert 17.0 < between.mean() < 19.5
    assert 18.0 < (eyes[0] + eyes[1])[:, 1].mean() / 2 < 21.0
    assert 35.0 < faces.landmarks[:, 48:60, 1].mean() < 39.0
    pixels = faces.images.float() / 255
    assert abs(pixels.mean() - 0.508) < 0.05
    assert abs(pixels.std() - 0.255) < 0.04


def test_a_larger_drawing_is_the_same_drawing() -> None:
    small, large = same({12: 1.0}, with_camera=False), same({12: 1.0}, size=96, with_camera=False)
    torch.testing.assert_close(large.landmarks + 0.5, 2 * (small.landmarks + 0.5))
    shrunk = torch.nn.functional.avg_pool2d(large.images.float().unsqueeze(1), 2)[:, 0]
    assert (shrunk - small.images).abs().mean() < 6.0  # of 255: antialiasing and fine texture


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: draw(0), "at least 1"),
        (lambda: draw(1, seed=-1), "seed must be 0 or more"),
        (lambda: draw(1, size=8), "at least 24"),
        (lambda: draw_with(torch.zeros(2, 3)), "one column for each"),
        (lambda: draw_with(torch.full((2, len(NUMBERS)), 1.5)), "from 0 to 1"),
        (lambda: units({3: 1.0}), "unknown action unit 3"),
    ],
)
def test_bad_input_is_one_line(call: object, text: str) -> None:
    with pytest.raises(FerturbError, match=text) as caught:
        call()  # type: ignore[operator]
    assert "\n" not in str(caught.value)
