"""The equation of the simple recurrent network, by hand and against Keras."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from textlstm.cells import SimpleRNNCell


def test_one_step_by_hand():
    cell = SimpleRNNCell(2)
    cell.build((None, 1))
    cell.set_weights(
        [np.array([[0.3, -0.1]]), np.array([[0.5, 2.0], [-1.0, 0.4]]), np.array([0.1, 0.2])]
    )
    # x = 2, h = (0.5, -0.6).
    first = math.tanh(2 * 0.3 + 0.5 * 0.5 + -0.6 * -1 + 0.1)
    second = math.tanh(2 * -0.1 + 0.5 * 2 + -0.6 * 0.4 + 0.2)
    output, (state,) = cell(tf.constant([[2.0]]), [tf.constant([[0.5, -0.6]])])
    np.testing.assert_allclose(output, [[first, second]], atol=1e-6)
    np.testing.assert_array_equal(state, output)


def test_normalised_products_by_hand():
    cell = SimpleRNNCell(2, layer_norm=True)
    cell.build((None, 1))
    weights = [[[3.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]], [0.1, 0.2], [2.0, 3.0], [0.5, 0.25]]
    cell.set_weights([np.array(weight) for weight in weights])
    # x W = (6, 2): mean 4, variance 4. h W = (0.5, -0.5): mean 0, variance 0.25.
    x = 2 / math.sqrt(4 + 1e-5)
    h = 0.5 / math.sqrt(0.25 + 1e-5)
    first = math.tanh(2 * x + 0.5 * h + 0.1)
    second = math.tanh(3 * -x + 0.25 * -h + 0.2)
    output, _ = cell(tf.constant([[2.0]]), [tf.constant([[0.5, -0.5]])])
    np.testing.assert_allclose(output, [[first, second]], atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"use_bias": False}, {"activation": "relu"}])
def test_equals_the_cell_of_keras(options):
    ours, theirs = SimpleRNNCell(5, **options), keras.layers.SimpleRNNCell(5, **options)
    x, h = keras.random.normal((3, 4), seed=1), keras.random.normal((3, 5), seed=2)
    ours.build(x.shape)
    theirs.build(x.shape)
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours(x, [h])[0], theirs(x, [h])[0], atol=1e-6)


def test_runs_inside_the_rnn_layer_of_keras():
    layer, stock = keras.layers.RNN(SimpleRNNCell(5)), keras.layers.SimpleRNN(5)
    x = keras.random.normal((3, 6, 4), seed=0)
    layer.build(x.shape)
    stock.build(x.shape)
    layer.set_weights(stock.get_weights())
    np.testing.assert_allclose(layer(x), stock(x), atol=1e-6)


def test_has_no_gate_to_activate():
    with pytest.raises((TypeError, ValueError), match="recurrent_activation"):
        SimpleRNNCell(5, recurrent_activation="sigmoid")


def test_its_one_value_is_the_state():
    cell = SimpleRNNCell(3)
    x, h = keras.random.normal((2, 4), seed=1), keras.random.normal((2, 3), seed=2)
    cell.build(x.shape)
    gates = cell.compute_gates(cell.project_inputs(x), [h])
    assert tuple(gates) == cell.gates == ("candidate",)
    np.testing.assert_allclose(gates["candidate"], cell(x, [h])[0], atol=1e-6)
