from __future__ import annotations

import pytest

from ferturb.base.emotions import EMOTIONS, emotion_label
from ferturb.base.errors import FerturbError
from ferturb.data.vocabulary import (
    COLUMNS,
    ORDERS,
    class_of,
    column_roles,
    label_order,
    labels_of,
    split_code,
    split_of_path,
)


def test_names_of_splits():
    names = ["train", "TRAIN", "Training", "train_set", "val", "Valid", "validation", "PublicTest"]
    assert [split_code(name) for name in names] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert [split_code(n) for n in ("test", "Testing", "PrivateTest", "private_test")] == [2] * 4
    assert [split_code(n) for n in ("happy", "", "fer2013", "images")] == [None] * 4


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("train.csv", 0),
        ("fer2013_val.csv", 1),
        ("fer2013-test-small.parquet", 2),
        ("data/train-00000-of-00001.parquet", 0),
        ("valid/data-00000-of-00001.arrow", 1),
        ("test/deep/er/faces.csv", 2),
        ("train/valid.csv", 1),
        ("train_test.csv", None),
        ("fer2013.csv", None),
    ],
)
def test_the_split_of_a_file(path, code):
    assert split_of_path(path) == code


def test_columns_by_any_of_their_names():
    for role, names in COLUMNS.items():
        for name in names:
            for spelt in (name, name.upper(), f" {name} ", name.replace("_", " ")):
                assert column_roles(["x", spelt]) == {role: 1}
    assert column_roles(["id", "path", "comment"]) == {}


def test_an_order_has_each_emotion_once():
    for name, (first, words) in ORDERS.items():
        order = label_order(name.upper())
        assert list(order) == list(range(first, first + len(words)))
        labels = [emotion_label(word) for word in order.values()]
        assert sorted(label for label in labels if label is not None) == list(range(7))
        assert set(words) - set(EMOTIONS) <= {"contempt"}


@pytest.mark.parametrize(
    "text", ["", "raf", "happy,happy", "1=sad,1=happy", "cats,dogs", "1=sad,happy", "x=sad"]
)
def test_other_orders_are_refused(text):
    with pytest.raises(FerturbError, match=r"unknown label order .*fer2013, alphabet, raf-db"):
        label_order(text)


def test_classes_and_labels():
    values = [3, "3", " 3 ", 3.0, "3.00", "03", "-1", "happy", "", " ", None, float("nan"), True]
    expected = [3, 3, 3, 3, 3, 3, -1, "happy", None, None, None, None, None]
    assert [class_of(value) for value in values] == expected
    assert labels_of([0, 6, 9, -1]) == ([0, 6, 9, -1], True)
    assert labels_of(["joy", "contempt", None, 3]) == ([3, -1, -1, -1], False)
    assert labels_of([1, 7, 8], label_order("raf-db")) == ([5, 6, -1], False)
    assert labels_of([7], label_order("ck+")) == ([5], False)
    assert labels_of(["x", None]) == ([-1, -1], False)
