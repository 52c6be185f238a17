from __future__ import annotations

import pytest

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.vocabulary import ORDERS
from ferturb.models.class_names import classes_of


@pytest.mark.parametrize("order", ORDERS)
def test_every_known_order_is_mapped_to_its_own_names(order: str) -> None:
    names = ORDERS[order][1]
    found = classes_of(names)
    assert [names[place] for place in found.places if place is not None] == list(EMOTIONS)
    assert found.aside == tuple(set(names) - set(EMOTIONS))


def test_aliases_are_known_and_what_is_left_out_is_said() -> None:
    found = classes_of(["Neutral", "joy", "3_sadness", "Contempt", "-", "Surprised"])
    assert found.places == (None, None, None, 1, 2, 5, 0)
    assert found.aside == ("Contempt", "-")
    assert found.missing == ("angry", "disgust", "fear")
    assert "Contempt, -" in found.notes()[0]
    assert "angry, disgust, fear" in found.notes()[1]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["happy", "sad", "bored"], r"'bored' \(output 2\) is not an emotion known here"),
        (["LABEL_0", "LABEL_1"], "'LABEL_0' is a number"),
        (["0", "1", "2"], "'0' is a number"),
        (["happy", "joy", "sad"], "'happy' and 'joy' are both happy"),
        (["happy", "contempt"], "of 2 classes only 1 are emotions"),
        ([], "of 0 classes only 0"),
        ("happy", "are a list of names"),
    ],
)
@pytest.mark.usefixtures("no_shape_checks")
def test_names_in_doubt_are_refused(names: list[str], reason: str) -> None:
    with pytest.raises(FerturbError, match=reason):
        classes_of(names)
