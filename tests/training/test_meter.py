"""Loss and accuracy of an epoch, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from ferturb.training.meter import Meter
from ferturb.training.targets import Head


def test_a_face_without_a_majority_is_not_asked_about() -> None:
    """Three faces, two views each: right and wrong, not asked, contempt (which is never right)."""
    meter = Meter(torch.device("cpu"))
    said = F.one_hot(torch.tensor([3, 5, 0, 6, 2, 2]), 7).float()
    first = Head(torch.zeros(3, 7), torch.tensor([3, -1, 7]), 1.0)
    meter.add(torch.tensor(2.0), said, first)
    assert meter.means() == (2.0, 0.25)
    meter.add(torch.tensor(1.0), said[:2], Head(torch.zeros(1, 7), torch.tensor([-1]), 1.0))
    assert meter.means() == (pytest.approx(14 / 8), 0.25)


def test_where_no_face_is_asked_about_there_is_no_accuracy() -> None:
    meter, none = Meter(torch.device("cpu")), Head(torch.zeros(1, 7), torch.tensor([-1]), 1.0)
    meter.add(torch.tensor(1.0), torch.zeros(1, 7), none)
    assert meter.means()[0] == 1
    assert math.isnan(meter.means()[1])
