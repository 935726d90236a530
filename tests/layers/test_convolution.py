"""The convolution in front of a recurrent layer, by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.layers import LSTM, ConvolutionFront, TokenEmbedding

ROW = np.array([[[1.0], [2.0], [-4.0], [3.0], [9.0]]], "float32")  # [batch, time, features]
MASK = tf.constant([[True, True, True, True, False]])


def make_front(kernel, bias, **options):
    """Makes a layer of one filter over one feature with these weights."""
    layer = ConvolutionFront(1, width=len(kernel), **options)
    layer.build((None, None, 1))
    layer.set_weights([np.reshape(kernel, (-1, 1, 1)), np.array([bias])])
    return layer


def test_by_hand():
    layer = make_front([1.0, 10.0, 100.0], bias=0.5, activation=None)
    # The masked step counts as zero, and stays zero though its neighbour is real.
    expected = [10 + 200, 1 + 20 - 400, 2 - 40 + 300, -4 + 30 + 0]
    outputs = layer(ROW, mask=MASK)
    np.testing.assert_allclose(outputs[0, :, 0], [*np.add(expected, 0.5), 0])
    np.testing.assert_array_equal(layer.compute_mask(ROW, MASK), MASK)


def test_an_even_width_reaches_to_the_right():
    layer = make_front([1.0, 10.0], bias=0.0, activation="linear")
    np.testing.assert_allclose(layer(ROW, mask=MASK)[0, :, 0], [21, -38, 26, 3, 0])


def test_pooling_by_hand():
    layer = make_front([1.0], bias=-5.0, pool_size=2, activation="linear")
    # Maxima of the real steps alone, below zero too: of (1, 2), (-4, 3), and none.
    np.testing.assert_allclose(layer(ROW, mask=MASK)[0, :, 0], [-3, -2, 0])
    np.testing.assert_array_equal(layer.compute_mask(ROW, MASK), [[True, True, False]])
    gaps = tf.constant([[True, False, True, False, True]])
    np.testing.assert_allclose(layer(ROW, mask=gaps)[0, :, 0], [-4, -9, 4])
    # Without a mask every step counts.
    np.testing.assert_allclose(layer(ROW)[0, :, 0], [-3, -2, 4])
    assert layer.compute_mask(ROW) is None


@pytest.mark.parametrize("width", [1, 2, 3, 5])
@pytest.mark.parametrize("pool_size", [1, 2, 3])
@given(real=st.lists(st.integers(1, 7), min_size=1, max_size=3), seed=st.integers(0, 99))
@settings(max_examples=10)
def test_padding_changes_nothing(width, pool_size, real, seed):
    layer = ConvolutionFront(4, width=width, pool_size=pool_size, activation="tanh")
    sequence = np.random.default_rng(seed).normal(size=(len(real), 9, 2)).astype("float32")
    mask = tf.constant(np.arange(9) < np.array(real)[:, None])
    outputs, out_mask = layer(sequence, mask=mask), layer.compute_mask(sequence, mask)
    assert outputs.shape == layer.compute_output_shape(sequence.shape)
    for row, length in enumerate(real):
        alone = layer(sequence[row : row + 1, :length])[0]
        np.testing.assert_array_equal(out_mask[row], np.arange(len(out_mask[row])) < len(alone))
        np.testing.assert_allclose(outputs[row, : len(alone)], alone, atol=1e-6)
        np.testing.assert_array_equal(outputs[row, len(alone) :], 0)


def test_masked_steps_get_no_gradient():
    layer = ConvolutionFront(3, pool_size=2)
    inputs = tf.constant(np.random.default_rng(0).normal(size=(1, 5, 2)).astype("float32"))
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(layer(inputs, mask=MASK) ** 2)
    gradient = tape.gradient(loss, inputs)
    np.testing.assert_array_equal(gradient[0, 4], 0)
    assert np.abs(gradient[0, :4]).max() > 0


def test_in_a_graph_with_any_number_of_steps():
    layer = ConvolutionFront(3, pool_size=2)
    layer.build((None, None, 2))

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, 2]),
            tf.TensorSpec([None, None], "bool"),
        ]
    )
    def run(sequence, mask):
        return layer(sequence, mask=mask), layer.compute_mask(sequence, mask)

    for time in (1, 4, 5):
        sequence = tf.random.stateless_normal([2, time, 2], seed=[0, time])
        mask = tf.sequence_mask([1, time], time)
        outputs, out_mask = run(sequence, mask)
        assert outputs.shape == (2, (time + 1) // 2, 3)
        np.testing.assert_allclose(outputs, layer(sequence, mask=mask), atol=1e-6)
        np.testing.assert_array_equal(out_mask, layer.compute_mask(sequence, mask))


def test_the_shorter_mask_reaches_the_recurrent_layer():
    ids = keras.Input((None,), dtype="int32")
    front = ConvolutionFront(3, pool_size=2)(TokenEmbedding(6, 2)(ids))
    assert front.shape == (None, None, 3)
    model = keras.Model(ids, LSTM(4)(front))
    padded = model(np.array([[5, 2, 3, 0, 0, 0, 0]]))
    np.testing.assert_allclose(padded, model(np.array([[5, 2, 3]])), atol=1e-6)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "float16"])
def test_in_half_precision(dtype):
    layer = ConvolutionFront(3, pool_size=2, dtype=dtype)
    outputs = layer(ROW, mask=MASK)
    assert outputs.dtype == layer.compute_dtype
    full = ConvolutionFront(3, pool_size=2)
    full.build((None, None, 1))
    full.set_weights(layer.get_weights())
    np.testing.assert_allclose(
        tf.cast(outputs, "float32"), full(ROW, mask=MASK), rtol=0.02, atol=0.02
    )


def test_config_makes_the_same_layer():
    layer = ConvolutionFront(3, width=4, pool_size=2, activation="tanh", name="front")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("name", ["filters", "width", "pool_size"])
def test_wrong_arguments(name):
    with pytest.raises(ValueError, match=f"`{name}` must be an integer .* Received: 0"):
        ConvolutionFront(**{"filters": 2, name: 0})
