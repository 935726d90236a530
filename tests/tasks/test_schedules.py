"""The learning rate over a training."""

import numpy as np
import pytest

from textlstm import InputError
from textlstm.tasks import cosine_schedule


def test_rises_in_a_line_and_falls_along_a_cosine():
    rate = cosine_schedule(1.0, steps=100, warmup=0.2)
    np.testing.assert_allclose([float(rate(t)) for t in (0, 10, 20)], [0, 0.5, 1], atol=1e-6)
    np.testing.assert_allclose(float(rate(60)), 0.02 + 0.98 / 2, atol=1e-6)
    np.testing.assert_allclose([float(rate(t)) for t in (100, 120)], 0.02, atol=1e-6)


def test_without_warm_up_it_begins_at_the_highest():
    rate = cosine_schedule(0.5, steps=10)
    np.testing.assert_allclose([float(rate(0)), float(rate(10))], [0.5, 0.01], atol=1e-7)
    assert float(cosine_schedule(0.5, steps=1)(0)) == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.0}, "the learning rate must be above 0"),
        ({"learning_rate": 0.1, "warmup": 1.0}, r"warmup is a share of the training, in \[0, 1\)"),
        ({"learning_rate": 0.1, "warmup": -0.1}, "warmup is a share"),
    ],
)
def test_arguments_out_of_range_are_named(options, message):
    with pytest.raises(InputError, match=message):
        cosine_schedule(steps=10, **options)
