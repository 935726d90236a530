"""Weights of the recurrence that are dropped for a whole sequence."""

import keras
import numpy as np
import pytest

from textlstm.cells import GRUCell, LSTMCell, SimpleRNNCell
from textlstm.layers import LSTM, RNN

CELLS = [LSTMCell, GRUCell, SimpleRNNCell]


@pytest.mark.parametrize("cell_class", CELLS)
def test_nothing_is_dropped_but_while_training(cell_class):
    inputs = keras.random.normal((2, 5, 3))
    layer = RNN(cell_class(4, weight_drop=0.5, seed=1), return_sequences=True)
    expected = RNN(cell_class(4), return_sequences=True)
    expected.build(inputs.shape)
    layer.build(inputs.shape)
    expected.set_weights(layer.get_weights())
    np.testing.assert_allclose(layer(inputs), expected(inputs), rtol=1e-6)
    assert np.abs(np.array(layer(inputs, training=True)) - expected(inputs)).max() > 1e-3


@pytest.mark.parametrize("cell_class", CELLS)
@pytest.mark.parametrize("layer_norm", [False, True])  # with its kernel, and by the generic one
def test_one_draw_holds_for_all_rows_and_steps(cell_class, layer_norm):
    cell = cell_class(4, weight_drop=0.5, seed=1, layer_norm=layer_norm)
    layer = RNN(cell, return_sequences=True)
    inputs = np.ones((3, 6, 2), "float32")
    layer.build(inputs.shape)
    outputs = np.array(layer(inputs, training=True))
    np.testing.assert_allclose(outputs[0], outputs[2], rtol=1e-5, atol=1e-6)
    # The same as a cell that has the dropped kernel itself: zeros, and twice what is left.
    layer.cell.seed_generator.state.assign([1, 0])
    kernel = np.array(layer.cell.for_sequence(training=True).recurrent_kernel)
    whole = np.array(layer.cell.recurrent_kernel)
    dropped = kernel == 0
    np.testing.assert_allclose(kernel, np.where(dropped, 0, 2 * whole), rtol=1e-6)
    assert 0 < dropped.sum() < dropped.size
    layer.cell.recurrent_kernel.assign(kernel)
    np.testing.assert_allclose(layer(inputs), outputs, rtol=1e-5, atol=1e-6)


def test_gradients_reach_the_weights_that_are_left():
    import tensorflow as tf

    layer = LSTM(3, weight_drop=0.5, seed=2)
    inputs = tf.random.stateless_normal((4, 5, 2), [1, 2])
    layer.build(inputs.shape)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(inputs, training=True) ** 2)
    gradient = tape.gradient(total, layer.cell.recurrent_kernel.value).numpy()
    zeros = (gradient == 0).mean()
    assert 0.2 < zeros < 0.8


def test_config_and_range():
    cell = LSTMCell(3, weight_drop=0.25)
    assert LSTMCell.from_config(cell.get_config()).weight_drop == 0.25
    with pytest.raises(ValueError, match="`weight_drop` of LSTMCell must be in"):
        LSTMCell(3, weight_drop=1.0)
