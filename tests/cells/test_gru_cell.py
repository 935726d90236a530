"""The gate equations of the GRU, by hand and against Keras."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from textlstm.cells import GRUCell


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_one_step_by_hand_with_the_reset_after_the_product():
    cell = GRUCell(1)
    cell.build((None, 1))
    # The gates in the order z, r, h; x = 2, h = 0.5.
    cell.set_weights(
        [
            np.array([[0.1, 0.2, 0.3]]),
            np.array([[1.0, -1.0, 0.5]]),
            np.array([[0.0, 0.1, 0.2], [0.3, 0.4, 0.6]]),
        ]
    )
    z = sigmoid(2 * 0.1 + 0.0 + 0.5 * 1 + 0.3)
    r = sigmoid(2 * 0.2 + 0.1 + 0.5 * -1 + 0.4)
    g = math.tanh(2 * 0.3 + 0.2 + r * (0.5 * 0.5 + 0.6))
    output, (state,) = cell(tf.constant([[2.0]]), [tf.constant([[0.5]])])
    assert float(output[0, 0]) == pytest.approx(z * 0.5 + (1 - z) * g, abs=1e-6)
    assert float(state[0, 0]) == float(output[0, 0])


def test_one_step_by_hand_with_the_reset_before_the_product():
    cell = GRUCell(1, reset_after=False)
    cell.build((None, 1))
    cell.set_weights(
        [np.array([[0.1, 0.2, 0.3]]), np.array([[1.0, -1.0, 0.5]]), np.array([0.0, 0.1, 0.2])]
    )
    z = sigmoid(2 * 0.1 + 0.5 * 1)
    r = sigmoid(2 * 0.2 + 0.1 + 0.5 * -1)
    g = math.tanh(2 * 0.3 + 0.2 + (r * 0.5) * 0.5)
    output, _ = cell(tf.constant([[2.0]]), [tf.constant([[0.5]])])
    assert float(output[0, 0]) == pytest.approx(z * 0.5 + (1 - z) * g, abs=1e-6)


def test_an_update_gate_of_one_keeps_the_state():
    cell = GRUCell(1)
    cell.build((None, 1))
    cell.set_weights([np.zeros((1, 3)), np.zeros((1, 3)), np.array([[100.0, 0, 0], [0, 0, 0]])])
    output, _ = cell(tf.constant([[7.0]]), [tf.constant([[0.25]])])
    assert float(output[0, 0]) == pytest.approx(0.25)


@pytest.mark.parametrize("reset_after", [True, False])
def test_keeping_nothing_and_resetting_nothing_is_a_simple_rnn(reset_after):
    cell = GRUCell(3, reset_after=reset_after)
    x, h = keras.random.normal((2, 4), seed=1), keras.random.normal((2, 3), seed=2)
    cell.build(x.shape)
    bias = np.zeros(9, "float32")
    bias[:3], bias[3:6] = -100, 100  # z = 0, r = 1
    cell.bias.assign(np.stack([bias, np.zeros(9)]) if reset_after else bias)
    kernel, recurrent_kernel = cell.kernel[:, 6:], cell.recurrent_kernel[:, 6:]
    output, _ = cell(x, [h])
    np.testing.assert_allclose(output, np.tanh(x @ kernel + h @ recurrent_kernel), atol=1e-6)


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("use_bias", [True, False])
def test_equals_the_cell_of_keras(reset_after, use_bias):
    options = {"reset_after": reset_after, "use_bias": use_bias}
    ours = GRUCell(5, bias_initializer="random_normal", **options)
    theirs = keras.layers.GRUCell(5, bias_initializer="random_normal", **options)
    x, h = keras.random.normal((3, 4), seed=1), keras.random.normal((3, 5), seed=2)
    ours.build(x.shape)
    theirs.build(x.shape)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours(x, [h])[0], theirs(x, [h])[0], atol=1e-6)


def test_runs_inside_the_rnn_layer_of_keras():
    layer, stock = keras.layers.RNN(GRUCell(5)), keras.layers.GRU(5)
    x = keras.random.normal((3, 6, 4), seed=0)
    layer.build(x.shape)
    stock.build(x.shape)
    layer.set_weights(stock.get_weights())
    np.testing.assert_allclose(layer(x), stock(x), atol=1e-6)


def test_config_makes_the_same_cell():
    cell = GRUCell(5, reset_after=False, use_bias=False, recurrent_activation="hard_sigmoid")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(cell))
    assert type(again) is GRUCell
    assert again.get_config() == cell.get_config()
