"""The gate equations of the GRU, by hand and against Keras."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from textlstm.cells import GRUCell, SimpleRNNCell


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


def layer_norm(row):
    mean = sum(row) / len(row)
    variance = sum((value - mean) ** 2 for value in row) / len(row)
    return [(value - mean) / math.sqrt(variance + 1e-5) for value in row]


@pytest.mark.parametrize("reset_after", [True, False])
def test_one_step_with_layer_norm_by_hand(reset_after):
    # Two units; the gates in the order z z r r h h; x = 2, h = (0.5, -1).
    cell = GRUCell(2, layer_norm=True, reset_after=reset_after)
    cell.build((None, 1))
    w_x = [0.1, -0.1, 0.2, -0.2, 0.3, -0.3]
    w_h = [[1, 0, -1, 0, 0.5, 0.2], [0, 0.5, 0, 1, 0.1, -1]]
    b_x, b_h = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    if not reset_after:
        b_h = [0] * 6
    a_x, a_h = [1, 2, 1, 0.5, 1, 3], [0.5, 1, 1, 1, 2, 0.1]
    bias = [b_x, b_h] if reset_after else b_x
    cell.set_weights([np.array(w) for w in ([w_x], w_h, bias, a_x, a_h)])

    def times_w_h(first, second):
        return [first * to_first + second * to_second for to_first, to_second in zip(*w_h)]

    # z and r are normalised together, the candidate by itself.
    from_x = layer_norm([2 * w for w in w_x[:4]]) + layer_norm([2 * w for w in w_x[4:]])
    x = [a * value + b for a, value, b in zip(a_x, from_x, b_x)]
    h = [a * value + b for a, value, b in zip(a_h, layer_norm(times_w_h(0.5, -1)[:4]), b_h)]
    z_1, z_2, r_1, r_2 = (sigmoid(x[gate] + h[gate]) for gate in range(4))
    if reset_after:
        n_1, n_2 = layer_norm(times_w_h(0.5, -1)[4:])
        g_1 = math.tanh(x[4] + r_1 * (2 * n_1 + 0.2))
        g_2 = math.tanh(x[5] + r_2 * (0.1 * n_2 + 0.1))
    else:
        n_1, n_2 = layer_norm(times_w_h(r_1 * 0.5, r_2 * -1)[4:])
        g_1 = math.tanh(x[4] + 2 * n_1)
        g_2 = math.tanh(x[5] + 0.1 * n_2)
    expected = [[z_1 * 0.5 + (1 - z_1) * g_1, z_2 * -1 + (1 - z_2) * g_2]]
    output, _ = cell(tf.constant([[2.0]]), [tf.constant([[0.5, -1.0]])])
    np.testing.assert_allclose(output, expected, atol=1e-6)


def test_an_update_gate_of_one_keeps_the_state():
    cell = GRUCell(1)
    cell.build((None, 1))
    cell.set_weights([np.zeros((1, 3)), np.zeros((1, 3)), np.array([[100.0, 0, 0], [0, 0, 0]])])
    output, _ = cell(tf.constant([[7.0]]), [tf.constant([[0.25]])])
    assert float(output[0, 0]) == pytest.approx(0.25)


@pytest.mark.parametrize("reset_after", [True, False])
def test_keeping_nothing_and_resetting_nothing_is_a_simple_rnn(reset_after):
    cell, simple = GRUCell(3, reset_after=reset_after), SimpleRNNCell(3)
    x, h = keras.random.normal((2, 4), seed=1), keras.random.normal((2, 3), seed=2)
    cell.build(x.shape)
    simple.build(x.shape)
    weights, row = cell.gate_weights, "x" if reset_after else ""
    weights[f"b_{row}z"], weights[f"b_{row}r"] = [-200.0] * 3, [200.0] * 3  # z = 0, r = 1
    weights[f"b_{row}h"] = [0.1, 0.2, -0.3]
    for name in simple.gate_weights:  # W_xh, W_hh, b_h
        simple.gate_weights[name] = weights["b_xh" if name == "b_h" and reset_after else name]
    np.testing.assert_allclose(cell(x, [h])[0], simple(x, [h])[0], atol=1e-6)


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
