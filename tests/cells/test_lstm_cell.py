"""The gate equations of the LSTM, by hand and against Keras."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from textlstm.cells import LSTMCell


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def cell_of_one_unit(kernel, recurrent_kernel, bias):
    cell = LSTMCell(1)
    cell.build((None, 1))
    cell.set_weights([np.array([kernel]), np.array([recurrent_kernel]), np.array(bias)])
    return cell


def test_one_step_by_hand():
    # The gates in the order i, f, c, o; x = 2, h = 0.5, c = -1.
    cell = cell_of_one_unit(
        kernel=[0.1, 0.2, 0.3, 0.4], recurrent_kernel=[1, -1, 0.5, 2], bias=[0, 1, -0.5, 0.2]
    )
    i = sigmoid(2 * 0.1 + 0.5 * 1 + 0)
    f = sigmoid(2 * 0.2 + 0.5 * -1 + 1)
    g = math.tanh(2 * 0.3 + 0.5 * 0.5 - 0.5)
    o = sigmoid(2 * 0.4 + 0.5 * 2 + 0.2)
    c = f * -1 + i * g
    h = o * math.tanh(c)
    output, (new_h, new_c) = cell(
        tf.constant([[2.0]]), [tf.constant([[0.5]]), tf.constant([[-1.0]])]
    )
    assert float(output[0, 0]) == pytest.approx(h, abs=1e-6)
    assert float(new_h[0, 0]) == pytest.approx(h, abs=1e-6)
    assert float(new_c[0, 0]) == pytest.approx(c, abs=1e-6)


@pytest.mark.parametrize("x", [-3.0, 0.0, 5.0])
def test_forget_one_and_input_zero_copies_the_memory(x):
    cell = cell_of_one_unit([0, 0, 1, 0], [0, 0, 0, 0], bias=[-100, 100, 0, 0])
    _, (_, c) = cell(tf.constant([[x]]), [tf.constant([[0.3]]), tf.constant([[0.7]])])
    assert float(c[0, 0]) == pytest.approx(0.7)


def test_forget_zero_and_input_one_empties_the_history():
    cell = cell_of_one_unit([0, 0, 1, 0], [0, 0, 0, 0], bias=[100, -100, 0, 0])
    _, (_, c) = cell(tf.constant([[2.0]]), [tf.constant([[0.3]]), tf.constant([[50.0]])])
    assert float(c[0, 0]) == pytest.approx(math.tanh(2.0))


def test_gates_have_their_names_and_ranges():
    cell = LSTMCell(4)
    x = keras.random.normal((3, 2), seed=1)
    cell.build(x.shape)
    gates = cell.compute_gates(cell.project_inputs(x), cell.get_initial_state(3))
    assert tuple(gates) == ("input", "forget", "candidate", "output")
    for name, values in gates.items():
        assert values.shape == (3, 4)
        low = -1 if name == "candidate" else 0
        assert low <= float(np.min(values)) and float(np.max(values)) <= 1


def test_the_forget_bias_begins_at_one():
    cell = LSTMCell(2)
    cell.build((None, 3))
    np.testing.assert_array_equal(cell.bias.numpy(), [0, 0, 1, 1, 0, 0, 0, 0])
    cell = LSTMCell(2, unit_forget_bias=False)
    cell.build((None, 3))
    np.testing.assert_array_equal(cell.bias.numpy(), np.zeros(8))


@pytest.mark.parametrize("options", [{}, {"use_bias": False}, {"activation": "relu"}])
def test_equals_the_cell_of_keras(options):
    ours, theirs = LSTMCell(5, **options), keras.layers.LSTMCell(5, **options)
    x, h, c = (keras.random.normal((3, n), seed=n) for n in (4, 5, 5))
    ours.build(x.shape)
    theirs.build(x.shape)
    ours.set_weights(theirs.get_weights())
    output, states = ours(x, [h, c])
    expected, expected_states = theirs(x, [h, c])
    np.testing.assert_allclose(output, expected, atol=1e-6)
    for state, expected_state in zip(states, expected_states):
        np.testing.assert_allclose(state, expected_state, atol=1e-6)


def test_runs_inside_the_rnn_layer_of_keras():
    cell = LSTMCell(5)
    layer, stock = keras.layers.RNN(cell), keras.layers.LSTM(5)
    x = keras.random.normal((3, 6, 4), seed=0)
    layer.build(x.shape)
    stock.build(x.shape)
    layer.set_weights(stock.get_weights())
    np.testing.assert_allclose(layer(x), stock(x), atol=1e-6)


def test_config_makes_the_same_cell():
    cell = LSTMCell(
        5, unit_forget_bias=False, kernel_regularizer="l2", activation="relu", dtype="float64"
    )
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(cell))
    assert type(again) is LSTMCell
    assert again.get_config() == cell.get_config()


@pytest.mark.parametrize("units", [0, -1, 2.5, True])
def test_units_must_be_a_positive_integer(units):
    with pytest.raises(ValueError, match="`units` of LSTMCell must be a positive integer"):
        LSTMCell(units)
