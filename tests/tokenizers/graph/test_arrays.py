"""The helpers over flat arrays, beside the loops that they stand for."""

import numpy as np
import pytest
import tensorflow as tf

from textlstm.tokenizers.graph import arrays


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_owners(rng):
    for lengths in ([], [0], [0, 3, 0, 0, 1, 2, 0], rng.integers(0, 4, 50)):
        owner, place = arrays.owners_of(tf.constant(lengths, tf.int32))
        assert owner.numpy().tolist() == [i for i, n in enumerate(lengths) for _ in range(n)]
        assert place.numpy().tolist() == [j for n in lengths for j in range(n)]


def test_last_true(rng):
    mask = rng.random(50) < 0.3
    expected, last = [], -7
    for place, value in enumerate(mask):
        last = place if value else last
        expected.append(last)
    assert arrays.last_true(tf.constant(mask), -7).numpy().tolist() == expected


def test_visited_places(rng):
    for n in (0, 1, 2, 30, 200):
        for longest in (1, 2, 6, 300):
            span = rng.integers(1, longest + 1, n)
            expected, place = np.zeros(n, bool), 0
            while place < n:
                expected[place] = True
                place += span[place]
            visited = arrays.visited_places(tf.constant(span, tf.int32))
            np.testing.assert_array_equal(visited, expected)


def test_join_what_a_loop_wrote():
    for count in (0, 2, 3, 5):
        array = tf.TensorArray(
            tf.int32, size=3, dynamic_size=True, infer_shape=False, element_shape=[None]
        )
        for i in range(count):
            array = array.write(i, tf.fill([i], i))
        joined = arrays.join(array, tf.constant(count), tf.constant(3), tf.zeros([0], tf.int32))
        assert joined.numpy().tolist() == [i for i in range(count) for _ in range(i)]
