"""The paper's numbers against each other: what `TENSIONS` says must follow from them."""

from __future__ import annotations

import pytest

from ferturb.base.emotions import EMOTIONS
from ferturb.report import published

PRIVATE_TEST = dict(zip(EMOTIONS, (491, 55, 528, 879, 594, 416, 626), strict=True))


def test_changes_of_table_2() -> None:
    changes = {name: published.change(name) for name in published.FAMILIES}
    expected = dict.fromkeys(published.FAMILIES) | {"DPN": 0.7, "ResNet": 3.1, "VGG16": 3.0}
    assert changes == expected


def test_tables_cover_all_emotions() -> None:
    assert set(published.TABLE_1) == set(published.TABLE_3) == set(EMOTIONS)


def test_tensions_follow_from_the_tables() -> None:
    table_1 = [value for row in published.TABLE_1.values() for value in row.values()]
    assert min(table_1) == published.TABLE_1["happy"]["DPN"] == -63
    assert min(published.TABLE_1["surprise"].values()) == -35
    assert (
        min(published.TABLE_1["disgust"].values()),
        max(published.TABLE_1["disgust"].values()),
    ) == (*(-59, -39),)
    assert (min(published.TABLE_1["sad"].values()), max(published.TABLE_1["sad"].values())) == (
        -24,
        -4,
    )
    assert all(row["Ensemble"] == row["ResMasking"] for row in published.TABLE_1.values())
    table_3 = [value for row in published.TABLE_3.values() for value in row.values()]
    assert (len(table_3), sum(value < 0 for value in table_3)) == (21, 5)
    assert published.TABLE_3["sad"]["VGG16"] == -17
    assert pytest.approx(1.5, abs=0.01) == 100 * 1.96 * (0.7 * 0.3 / 3589) ** 0.5


@pytest.mark.parametrize("name", ["DPN", "ResNet", "VGG16"])
def test_table_3_adds_up_to_table_2_as_a_plain_mean(name: str) -> None:
    assert published.mean_change(name) == pytest.approx(published.change(name), abs=0.1)
    weighted = sum(published.TABLE_3[e][name] * n for e, n in PRIVATE_TEST.items()) / 3589
    assert abs(weighted - published.change(name)) > 0.5  # type: ignore[operator]
    assert f"{name} {published.mean_change(name):.2f} for" in published.what_accuracy_means()


def test_macro_recall_is_less_sure_than_accuracy() -> None:
    half = 196 * sum(0.7 * 0.3 / n for n in PRIVATE_TEST.values()) ** 0.5 / 7
    assert 2.0 < half < 2.5
    assert PRIVATE_TEST["disgust"] == 55


@pytest.mark.parametrize("name", ["compact", "resnext50", "vgg19", "ensemble", "resnet18d"])
def test_networks_the_paper_does_not_have(name: str) -> None:
    assert published.family(name) is None
