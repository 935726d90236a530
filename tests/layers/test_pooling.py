"""Pooling over real tokens, by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.layers import AttentionPooling, make_pooling

SEQUENCE = np.array([[[1, -1], [2, -5], [9, 9]], [[7, 7], [4, 0], [-2, 6]]], "float32")
MASK = tf.constant([[True, True, False], [False, True, True]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("last", [[2, -5], [-2, 6]]),
        ("mean", [[1.5, -3], [1, 3]]),
        ("max", [[2, -1], [4, 6]]),
        ("concat", [[2, -5, 1.5, -3, 2, -1], [-2, 6, 1, 3, 4, 6]]),
    ],
)
def test_by_hand(name, expected):
    np.testing.assert_allclose(make_pooling(name)(SEQUENCE, mask=MASK), expected)


def test_last_of_both_directions():
    # The second half of the features was read backward: its last step is the first real token.
    pooled = make_pooling("last", bidirectional=True)(SEQUENCE, mask=MASK)
    np.testing.assert_allclose(pooled, [[2, -1], [-2, 0]])


def test_attention_by_hand():
    layer = AttentionPooling(units=1)
    layer.build((None, None, 2))
    layer.set_weights([np.array([[1.0], [0.0]]), np.array([0.0]), np.array([2.0])])
    scores = 2 * np.tanh([1.0, 2.0])
    weights = np.exp(scores) / np.exp(scores).sum()
    pooled = layer(SEQUENCE, mask=MASK)
    np.testing.assert_allclose(pooled[0], weights @ SEQUENCE[0, :2], atol=1e-6)


@pytest.mark.parametrize("name", ["last", "mean", "max", "concat", "attention"])
@pytest.mark.parametrize("bidirectional", [False, True])
@given(real=st.lists(st.integers(0, 5), min_size=1, max_size=4), seed=st.integers(0, 999))
@settings(max_examples=15)
def test_padding_changes_nothing(name, bidirectional, real, seed):
    layer = make_pooling(name, bidirectional=bidirectional)
    sequence = np.random.default_rng(seed).normal(size=(len(real), 6, 4)).astype("float32")
    mask = np.arange(6) < np.array(real)[:, None]
    pooled = layer(sequence, mask=tf.constant(mask))
    assert np.isfinite(pooled).all()
    for row, length in enumerate(real):
        if length:
            alone = layer(sequence[row : row + 1, :length])
            np.testing.assert_allclose(pooled[row : row + 1], alone, atol=1e-5)


@pytest.mark.parametrize("name", ["last", "mean", "max", "concat", "attention"])
def test_in_half_precision_and_from_config(name):
    layer = make_pooling(name, bidirectional=True, dtype="float16")
    assert layer(SEQUENCE, mask=MASK).dtype == "float16"
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    assert layer.compute_output_shape((2, 3, 2))[-1] == layer(SEQUENCE, mask=MASK).shape[-1]


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="`pooling` must be one of .*'concat'.* Received: 'sum'"):
        make_pooling("sum")
