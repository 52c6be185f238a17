"""What the page computes without a server, in node: the same as Pillow and ferturb.predict."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferturb.data.drawn.synthetic import draw
from ferturb.predict import alignment, geometry, hidden_features, prior
from ferturb.predict.landmark_finder import LandmarkFinder
from ferturb.web.static_page import ALONE, settings
from needed_tools import needs, require
from rows_of_faces import ROWS

pytestmark = needs("node")
FILTERS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


def in_node(*cases: dict[str, Any]) -> list[Any]:
    program = Path(__file__).with_name("alone_cases.mjs")
    asked = json.dumps(cases)
    done = subprocess.run(
        [require("node"), program, ALONE], input=asked, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


def case(what: str, pixels: np.ndarray, **more: Any) -> dict[str, Any]:
    height, width, bands = (*pixels.shape, 1)[:3]
    shape = {"width": width, "height": height, "bands": bands}
    return {"what": what, "data": pixels.ravel().tolist(), **shape, **more}


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Every grey, black and white side by side as well, where a filter overshoots."""
    made = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    return np.where(made < 40, 0, np.where(made > 215, 255, made)).astype(np.uint8)


def test_resizing_is_pillows_to_the_bit() -> None:
    cases, expected = [], []
    for shape in ((37, 53), (96, 64, 3)):
        pixels = noise(*shape)
        for name, filter_ in FILTERS.items():
            for wide, high in ((20, 31), (120, 90), (53, 17), (48, 48), (1, 1)):
                cases.append(case("resize", pixels, wide=wide, high=high, filter=name))
                expected.append(Image.fromarray(pixels).resize((wide, high), filter_))
    box = (9, 0, 46, 37)
    cases.append(case("resize", noise(37, 53), wide=48, high=48, filter="bicubic", box=box))
    image = Image.fromarray(noise(37, 53))
    expected.append(image.resize((48, 48), Image.Resampling.BICUBIC, box=box))
    for found, image in zip(in_node(*cases), expected, strict=True):
        assert found == np.asarray(image).ravel().tolist()


def test_grey_and_turned_pictures_are_pillows_to_the_bit() -> None:
    colours, plain = noise(60, 40, 3), noise(80, 90)
    matrix = (0.43, -0.11, 12.3, 0.11, 0.43, 5.7)
    grey, turned = in_node(
        case("grey", colours), case("affine", plain, side=96, matrix=list(matrix))
    )
    assert grey == np.asarray(Image.fromarray(colours).convert("L")).ravel().tolist()
    read = Image.fromarray(plain).transform(
        (96, 96), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
    )
    assert turned == np.asarray(read).ravel().tolist()


@pytest.mark.parametrize("scale", [0.4, 1.0, 2.3, 3.9, 9.7])
def test_faces_are_cut_out_alike(scale: float) -> None:
    photo, angle = noise(300, 260), 0.3
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    place = np.concatenate([turn, [[70.2], [-8.9]]], 1)  # it reaches over the photo's edge
    (found,) = in_node(case("cut", photo, place=place.ravel().tolist(), finest=alignment.FINER))
    assert found == alignment.cut(photo, place).ravel().tolist()


def test_hidden_features_boxes_and_halves() -> None:
    faces = draw(3, seed=11).images.numpy()
    marks = LandmarkFinder(1)(faces)
    rows = hidden_features.hidden_features(faces, marks.points, marks.errors)
    fitted = json.loads(json.dumps(settings()["hidden"]))
    cases = [
        {"what": "hidden", "fitted": fitted, "face": face.ravel().tolist(), "marks": mark}
        for face, mark in zip(
            faces,
            (
                {"points": p.tolist(), "errors": e.tolist(), "confidence": 1}
                for p, e in zip(marks.points, marks.errors, strict=True)
            ),
            strict=True,
        )
    ]
    rng = np.random.default_rng(3)
    corners = rng.uniform(0, 40, (30, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 30, (30, 2))], 1)
    scores = rng.permutation(30) / 30
    listed = [{"box": b, "score": s} for b, s in zip(boxes.tolist(), scores.tolist(), strict=True)]
    halves = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.49, 2.51]
    *hidden, kept, whole = in_node(
        *cases,
        {"what": "suppressed", "found": listed, "most": 0.3},
        {"what": "rounded", "values": halves},
    )
    for found, row in zip(hidden, rows, strict=True):
        assert list(found) == list(hidden_features.FEATURES)
        assert list(found.values()) == pytest.approx(row.tolist(), abs=1e-5)
    assert [one["score"] for one in kept] == scores[geometry.suppressed(boxes, scores)].tolist()
    assert len(kept) < 30
    assert whole == np.round(halves).tolist()


def test_faces_are_ordered_alike() -> None:
    rng = np.random.default_rng(5)
    corners = rng.uniform(0, 400, (20, 25, 2))
    scattered = np.concatenate([corners, corners + rng.uniform(10, 120, (20, 25, 2))], 2)
    groups = [rng.permutation(boxes) for boxes in ROWS.values()] + list(scattered)
    found = in_node(*({"what": "reading", "boxes": boxes.tolist()} for boxes in groups))
    assert found == [geometry.reading_order(boxes).tolist() for boxes in groups]


def test_another_prior_is_bayes_rule() -> None:
    rows = np.random.default_rng(5).dirichlet([0.5] * 7, 20)
    before, after = prior.frequencies("wild"), prior.frequencies((5, 1, 1, 2, 1, 3, 4))
    found = in_node(
        *({"what": "shifted", "row": r, "before": before, "after": after} for r in rows.tolist())
    )
    np.testing.assert_allclose(found, prior.shifted(rows, before, after), rtol=1e-12)
