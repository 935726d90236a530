"""Residual connections and variational dropout, with numbers that can be followed."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from textlstm.layers import GRU, LSTM, RNN

X = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
MASK = np.array([[0, 1, 1, 0, 1, 0], [1, 1, 1, 1, 1, 1]]) > 0


class SumCell(keras.layers.Layer):
    """A plain Keras cell whose output is the sum of the inputs up to now, a number a feature."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.state_size = self.output_size = units

    def call(self, inputs, states, training=False):
        total = states[0] + inputs
        return total, [total]

    def get_config(self):
        return {**super().get_config(), "units": self.state_size}


def without_residual(layer):
    """Makes a layer with the same weights that does not add its inputs."""
    plain = type(layer).from_config({**layer.get_config(), "residual": False})
    plain.build((None, None, X.shape[-1]))
    plain.set_weights(layer.get_weights())
    return plain


def test_each_layer_adds_its_input():
    layer = RNN(SumCell(1), num_layers=2, residual=True, return_sequences=True, return_state=True)
    outputs, (states,) = layer(np.array([[[1.0], [2.0], [4.0]]], "float32"))
    # Layer 0: 1, 3, 7 plus 1, 2, 4. Layer 1 sums that to 2, 7, 18 and adds it again.
    np.testing.assert_array_equal(outputs[0, :, 0], [2 + 2, 7 + 5, 18 + 11])
    # The states are those of the cells, without what was added.
    np.testing.assert_array_equal(states[0, :, 0], [7, 18])


def test_a_masked_step_repeats_what_was_added_too():
    values = np.array([[[9.0], [1.0], [9.0], [2.0], [9.0]]], "float32")  # 9 is masked
    mask = tf.constant(values[:, :, 0] != 9)
    layer = RNN(SumCell(1), residual=True, return_sequences=True)
    np.testing.assert_array_equal(layer(values, mask=mask)[0, :, 0], [0, 2, 2, 5, 5])
    last = RNN(SumCell(1), residual=True)
    np.testing.assert_array_equal(last(values, mask=mask), [[5]])


def test_both_directions_add_their_part_of_the_input():
    # The first feature is summed forward, the second backward; 9 is masked.
    values = np.array([[[9.0, 9.0], [1.0, 10.0], [9.0, 9.0], [2.0, 20.0], [9.0, 9.0]]], "float32")
    mask = tf.constant(values[:, :, 0] != 9)

    class FirstOrSecond(SumCell):
        def call(self, inputs, states, training=False):
            return super().call(inputs[:, self.feature, None], states)

    layer = RNN(FirstOrSecond(1), bidirectional=True, residual=True, return_sequences=True)
    last = RNN(FirstOrSecond(1), bidirectional=True, residual=True)
    for rnn in (layer, last):
        rnn.cells[0].feature, rnn.cells[1].feature = 0, 1
    expected = [[0, 0], [1 + 1, 30 + 10], [0, 0], [3 + 2, 20 + 20], [0, 0]]
    np.testing.assert_array_equal(layer(values, mask=mask)[0], expected)
    # Forward the last real step, backward the first one.
    np.testing.assert_array_equal(last(values, mask=mask), [[5, 40]])


@pytest.mark.parametrize("bidirectional", [False, True])
def test_layers_of_another_size_add_nothing(bidirectional):
    layer = LSTM(4, bidirectional=bidirectional, residual=True, return_sequences=True)
    outputs = layer(X)  # 3 features in, 4 or 8 out
    np.testing.assert_array_equal(outputs, without_residual(layer)(X))


def test_above_the_first_layer_the_input_is_that_of_the_layer():
    layer = GRU(4, num_layers=2, residual=True, return_sequences=True)
    outputs = layer(X, mask=tf.constant(MASK))
    stack = without_residual(layer)
    first = GRU(4, return_sequences=True)
    first.build(X.shape)
    first.set_weights(layer.get_weights()[:3])
    expected = stack(X, mask=tf.constant(MASK)) + first(X, mask=tf.constant(MASK))
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_changes_nothing(bidirectional):
    features = 6 if bidirectional else 3
    layer = LSTM(3, num_layers=2, bidirectional=bidirectional, residual=True)
    x = np.random.default_rng(1).normal(size=(2, 6, features)).astype("float32")
    together = layer(x, mask=tf.constant(MASK))
    for row in range(2):
        alone = layer(x[row : row + 1, MASK[row]])
        np.testing.assert_allclose(together[row], alone[0], atol=1e-6)


def test_what_is_added_has_not_gone_through_dropout():
    x = np.ones((1, 50, 4), "float32")
    options = {"num_layers": 2, "residual": True, "return_sequences": True, "seed": 1}

    class ZeroCell(SumCell):
        def call(self, inputs, states, training=False):
            return 0 * inputs, states

    layer = RNN(ZeroCell(4), dropout=0.9, **options)
    np.testing.assert_array_equal(layer(x, training=True), x)


@pytest.mark.parametrize("variational", [False, True])
def test_variational_dropout_draws_once_for_all_steps(variational):
    class SameCell(SumCell):
        def call(self, inputs, states, training=False):
            return inputs, states

    layer = RNN(
        SameCell(8),
        num_layers=2,
        dropout=0.5,
        variational_dropout=variational,
        return_sequences=True,
        seed=3,
    )
    y = layer(np.ones((4, 20, 8), "float32"), training=True).numpy()
    assert set(np.unique(y)) == {0, 2}
    assert (y == y[:, :1]).all() == variational
    assert not (y[0] == y[1:]).all()


def test_a_seed_makes_dropout_the_same_again():
    def draw(seed):
        constant = keras.initializers.Constant(0.5)
        layer = LSTM(
            3,
            num_layers=2,
            dropout=0.5,
            seed=seed,
            kernel_initializer=constant,
            recurrent_initializer=constant,
        )
        return layer(X, training=True).numpy()

    np.testing.assert_array_equal(draw(7), draw(7))
    assert np.abs(draw(7) - draw(8)).max() > 1e-3
