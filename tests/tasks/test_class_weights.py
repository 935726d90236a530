"""Class weights: by name or number, and balanced."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from textlstm import InputError
from textlstm.tasks.class_weights import read_class_weight, weights_of_rows

NAMES = ("bad", "good", "so so")


def test_balanced_is_scikit_learns_rule_over_the_classes_there_are():
    numbers = np.array([0] * 6 + [2] * 2, "int32")
    weights = read_class_weight("balanced", NAMES, numbers)
    expected = compute_class_weight("balanced", classes=np.array([0, 2]), y=numbers)
    assert weights == pytest.approx({0: expected[0], 1: 1.0, 2: expected[1]})
    of_rows = weights_of_rows(weights, numbers)
    assert of_rows[:6].sum() == pytest.approx(of_rows[6:].sum()) == pytest.approx(4)


def test_names_and_numbers():
    assert read_class_weight({"good": 2, 0: 0.5}, NAMES, None) == {1: 2.0, 0: 0.5, 2: 1.0}
    np.testing.assert_array_equal(weights_of_rows({1: 2.0}, np.array([0, 1, 2])), [1, 2, 1])


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ("balance", "must be 'balanced' or a dict"),
        ({"god": 2}, "'god' is none of the labels bad, good, so so"),
        ({3: 2}, "3 is none of the labels"),
        ({"good": -1}, "'good' has weight -1; give 0 or more"),
        ({"good": float("nan")}, "'good' has weight nan"),
        ("balanced", "a tf.data.Dataset is not counted"),
    ],
)
def test_mistakes_are_named(class_weight, message):
    with pytest.raises(InputError, match=message):
        read_class_weight(class_weight, NAMES, None)
