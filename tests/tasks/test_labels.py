"""Labels in every form that users give them, one a text or several."""

import numpy as np
import pytest

from textlstm import InputError
from textlstm.tasks.labels import LabelSets, SingleLabels

KNOWN = ("a", "b", "c")
EXPECTED = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], "float32")


@pytest.mark.parametrize(
    "labels",
    [
        [("a", "c"), (), ("b",)],
        [["c", "a"], [], {"b"}],
        [(0, 2), (), (np.int64(1),)],
        EXPECTED,
        EXPECTED.astype("int32"),
        EXPECTED.astype(bool),
    ],
)
def test_every_form_of_label_sets_is_the_same(labels):
    kind = LabelSets()
    read = kind.read(labels, 3)
    np.testing.assert_array_equal(kind.to_targets(read, KNOWN), EXPECTED)
    np.testing.assert_array_equal(kind.to_targets(kind.read(read, 3), KNOWN), EXPECTED)
    # What a mask picks is read again.
    rest = np.array([True, False, True])
    np.testing.assert_array_equal(kind.to_targets(read[rest], KNOWN), EXPECTED[rest])
    assert set(kind.names_in(read, KNOWN)) == set(KNOWN)


def test_names_of_label_sets():
    kind = LabelSets()
    assert kind.names_in(kind.read([("z", "y"), ("z",)], 2), KNOWN) == ("y", "z")
    assert kind.names_in(kind.read([(0, 3), ()], 2), KNOWN) == ("0", "1", "2", "3")
    assert kind.names_in(np.zeros((2, 2), "float32"), KNOWN) == ("0", "1")


def test_targets_move_to_another_order_of_labels():
    single, sets = SingleLabels(), LabelSets()
    moved = single.translate(np.array([0, 1, 1]), ("b", "a"), KNOWN)
    np.testing.assert_array_equal(moved, [1, 0, 0])
    moved = sets.translate(np.array([[1, 0], [1, 1]], "float32"), ("b", "a"), KNOWN)
    np.testing.assert_array_equal(moved, [[0, 1, 0], [1, 1, 0]])
    with pytest.raises(InputError, match="row 1: the label 'z' is none of the model's labels a, b"):
        sets.translate(np.array([[1, 0], [0, 1]], "float32"), ("b", "z"), KNOWN)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "texts need labels"),
        ([("a",)], "2 texts and 1 tuples of labels; give one tuple a text"),
        (["a", "b"], "row 0: a multi-label model takes a tuple of labels for each text; got 'a'"),
        ([("a",), 1], "row 1: a multi-label model takes a tuple"),
        ([("a",), (1.5,)], "row 1: a label must be a name or a number; got 1.5"),
        ([("a",), ("d",)], "row 1: the label 'd' is none of the model's labels a, b, c"),
        ([(0,), (3,)], "row 1: the label 3 is none"),
        (np.array([[1, 0, 0], [0, 2, 0]]), "row 1: a table of labels must hold zeros and ones"),
        (np.zeros((3, 3)), r"2 texts and a table of labels of shape \(3, 3\)"),
        (np.zeros((2, 2)), "2 columns, the model 3 labels"),
    ],
)
def test_mistakes_in_label_sets_are_named(labels, message):
    kind = LabelSets()
    with pytest.raises(InputError, match=message):
        kind.to_targets(kind.read(labels, 2), KNOWN)


def test_whole_numbers_may_come_as_objects():
    labels = SingleLabels().read(np.array([1, np.int32(0)], dtype=object), 2)
    assert labels.dtype == "int64" and labels.tolist() == [1, 0]
