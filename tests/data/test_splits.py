from __future__ import annotations

import numpy as np

from ferturb.data.splits import complete_splits


def test_missing_splits_are_stratified_disjoint_and_repeatable():
    labels = np.repeat(np.arange(7), [100, 20, 50, 35, 10, 4, 200])
    splits = np.zeros(len(labels), np.uint8)
    done, notes = complete_splits(labels, splits)
    for code in (1, 2):
        got = np.bincount(labels[done == code], minlength=7).tolist()
        assert got == [10, 2, 5, 4, 1, 1, 20]
    assert len(notes) == 2
    assert np.array_equal(done, complete_splits(labels, splits)[0])
    assert not splits.any()


def test_the_smallest_classes_give_one_face_where_they_can():
    labels = np.repeat(np.arange(7), [1, 2, 3, 4, 5, 9, 15])
    done, notes = complete_splits(labels, np.zeros(len(labels), np.uint8))
    counts = [np.bincount(labels[done == code], minlength=7).tolist() for code in range(3)]
    assert counts[1] == counts[2] == [0, 0, 1, 1, 1, 1, 2]
    assert counts[0] == [1, 2, 1, 2, 3, 7, 11]
    assert notes[0].startswith("no validation split in this source: 6 of its training faces")
    few, said = complete_splits(np.arange(7), np.zeros(7, np.uint8))
    assert not few.any()
    assert all("too few faces of each emotion" in note for note in said)


def test_only_what_is_missing_is_made():
    labels = np.repeat(np.arange(7), 20)
    splits = np.tile(np.array([0] * 10 + [2] * 10, np.uint8), 7)
    done, notes = complete_splits(labels, splits)
    assert np.array_equal(done == 2, splits == 2)
    assert np.bincount(labels[done == 1], minlength=7).tolist() == [1] * 7
    assert len(notes) == 1
    whole = np.tile(np.array([0, 1, 2, 0], np.uint8), 35)
    assert complete_splits(labels, whole)[1] == ()
    assert np.array_equal(complete_splits(labels, whole)[0], whole)


def test_without_training_faces_nothing_is_made():
    labels, splits = np.arange(7), np.full(7, 2, np.uint8)
    done, notes = complete_splits(labels, splits)
    assert np.array_equal(done, splits)
    assert notes == ("no train and validation faces in this source",)
