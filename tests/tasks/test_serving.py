"""Rows are cut and grouped so that a row's cost and answer are its own."""

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.tasks.serving import cut_rows, map_rows_by_length


def test_cut_rows_keep_their_end_mark():
    ids = tf.constant([[5, 6, 7, 3, 0], [5, 3, 0, 0, 0], [5, 6, 7, 8, 3]])
    kept, lengths = cut_rows(ids, tf.constant([4, 2, 5]), max_tokens=3, end_id=3)
    np.testing.assert_array_equal(kept, [[5, 6, 3], [5, 3, 0], [5, 6, 3]])
    np.testing.assert_array_equal(lengths, [3, 2, 3])
    unchanged, _ = cut_rows(ids, tf.constant([4, 2, 5]), max_tokens=5, end_id=3)
    np.testing.assert_array_equal(unchanged, ids)


@given(lengths=st.lists(st.integers(1, 300), max_size=40))
@settings(max_examples=30)
def test_rows_come_back_in_place_and_are_not_widened(lengths):
    widths = []

    def compute(ids):  # the sum of a row, and the width it was computed at
        widths.append(tuple(ids.shape))
        width = tf.fill([tf.shape(ids)[0]], tf.shape(ids)[1])
        return [tf.reduce_sum(ids, axis=1), width]

    width = max(lengths, default=1)
    ids = np.array([[i + 1] * n + [0] * (width - n) for i, n in enumerate(lengths)], "int32")
    ids = ids.reshape(len(lengths), width)
    empty = [tf.zeros([0], tf.int32)] * 2
    sums, computed_widths = map_rows_by_length(
        compute, tf.constant(ids), tf.constant(lengths, tf.int32), empty
    )
    np.testing.assert_array_equal(sums, ids.sum(axis=1))
    for length, computed_at in zip(lengths, computed_widths):
        assert length <= computed_at <= max(32, 2 * length)
