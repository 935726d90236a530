"""The stacked, bidirectional layer against those of Keras, and its own promises."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.cells import Cell, GRUCell, LSTMCell
from textlstm.layers import GRU, LSTM, RNN, SimpleRNN

PAIRS = {
    "lstm": (LSTM, keras.layers.LSTM),
    "gru": (GRU, keras.layers.GRU),
    "simple": (SimpleRNN, keras.layers.SimpleRNN),
}


@keras.saving.register_keras_serializable(package="textlstm_tests")
class LeakyCell(Cell):
    """A cell as a user would write one: h_t = a · h_{t-1} + (1 - a) · tanh(x_t W), a learned."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = self.output_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], self.units))
        self.leak = self.add_weight(name="leak", shape=(self.units,))

    def project_inputs(self, inputs):
        return keras.ops.tanh(inputs @ self.kernel)

    def step(self, projected, states, training=False):
        keep = keras.ops.sigmoid(self.leak)
        h = keep * states[0] + (1 - keep) * projected
        return h, [h]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def stock_layer(kind, units, bidirectional):
    layer = PAIRS[kind][1](
        units, return_sequences=True, return_state=True, bias_initializer="random_normal"
    )
    return keras.layers.Bidirectional(layer) if bidirectional else layer


def run_with_gradients(layer, x, mask):
    """Outputs, final states (flat), and the gradients of a function of all of them."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs, *states = layer(x, mask=mask)
        if isinstance(states[0], list):  # ours: [batch, layers · directions, size] for each state
            states = [state[:, i] for i in range(states[0][0].shape[1]) for state in states[0]]
        loss = tf.reduce_sum(tf.sin(outputs * 3))
        loss += sum(tf.reduce_sum(tf.cos(state + i)) for i, state in enumerate(states))
    return outputs, states, tape.gradient(loss, [x, *layer.trainable_weights])


@given(
    kind=st.sampled_from(sorted(PAIRS)),
    bidirectional=st.booleans(),
    batch=st.integers(1, 4),
    time=st.integers(1, 7),
    features=st.integers(1, 4),
    units=st.integers(1, 5),
    masked=st.booleans(),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=40)
def test_equals_keras_with_any_mask(
    kind, bidirectional, batch, time, features, units, masked, seed
):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(batch, time, features)).astype("float32")
    mask = tf.constant(rng.random((batch, time)) < 0.6) if masked else None
    theirs = stock_layer(kind, units, bidirectional)
    ours = PAIRS[kind][0](
        units, bidirectional=bidirectional, return_sequences=True, return_state=True
    )
    theirs.build(x.shape)
    ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    outputs, states, gradients = run_with_gradients(ours, x, mask)
    expected, expected_states, expected_gradients = run_with_gradients(theirs, x, mask)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    assert len(states) == len(expected_states)
    for got, want in zip(states, expected_states):
        np.testing.assert_allclose(got, want, atol=1e-5)
    for got, want in zip(gradients, expected_gradients):
        np.testing.assert_allclose(got, want, atol=1e-5)


@pytest.mark.parametrize("kind", PAIRS)
def test_stacking_equals_layers_one_after_the_other(kind):
    x = keras.random.normal((3, 6, 4), seed=0)
    mask = tf.constant([[1, 1, 0, 1, 0, 0], [0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]]) > 0
    ours = PAIRS[kind][0](5, num_layers=3, bidirectional=True, return_sequences=True)
    ours.build(x.shape)
    y, weights = x, ours.get_weights()
    per_layer = len(weights) // 3
    for layer in range(3):
        stock = keras.layers.Bidirectional(PAIRS[kind][1](5, return_sequences=True))
        stock.build(y.shape)
        stock.set_weights(weights[layer * per_layer : (layer + 1) * per_layer])
        y = stock(y, mask=mask)
    np.testing.assert_allclose(ours(x, mask=mask), y, atol=1e-5)


def test_a_masked_step_copies_the_states():
    layer = LSTM(3, return_sequences=True, return_state=True)
    x = np.random.default_rng(0).normal(size=(1, 4, 2)).astype("float32")
    mask = np.array([[True, False, True, False]])
    outputs, states = layer(x, mask=tf.constant(mask))
    short_outputs, short_states = layer(x[:, mask[0]])
    np.testing.assert_allclose(outputs[:, 1], outputs[:, 0])
    np.testing.assert_allclose(outputs.numpy()[:, mask[0]], short_outputs, atol=1e-6)
    for state, short_state in zip(states, short_states):
        np.testing.assert_allclose(state, short_state, atol=1e-6)


def test_states_are_handed_over():
    layer = GRU(4, num_layers=2, return_sequences=True, return_state=True)
    x = keras.random.normal((2, 9, 3), seed=0)
    whole, whole_states = layer(x)
    _, states = layer(x[:, :5])
    rest, rest_states = layer(x[:, 5:], initial_state=states)
    np.testing.assert_allclose(rest, whole[:, 5:], atol=1e-6)
    np.testing.assert_allclose(rest_states[0], whole_states[0], atol=1e-6)


def test_shapes_without_sequences():
    layer = LSTM(4, num_layers=2, bidirectional=True, return_state=True)
    outputs, (h_n, c_n) = layer(keras.random.normal((2, 9, 3)))
    assert outputs.shape == (2, 8)
    assert h_n.shape == c_n.shape == (2, 4, 4)
    # The last layer's hidden states, forward and backward, are what is returned as the output.
    np.testing.assert_allclose(outputs[:, :4], h_n[:, 2])
    np.testing.assert_allclose(outputs[:, 4:], h_n[:, 3])


def test_symbolic_shapes_are_those_of_a_call():
    for options in (
        {"return_sequences": True, "return_state": True, "bidirectional": True, "num_layers": 2},
        {"return_state": True, "residual": True, "proj_size": 3},
        {"return_sequences": True},
        {},
    ):
        layer = LSTM(4, **options)
        x = keras.random.normal((2, 9, 3))
        concrete = [y.shape for y in keras.tree.flatten(layer(x))]
        symbolic = [y.shape for y in keras.tree.flatten(layer(keras.KerasTensor((2, 9, 3))))]
        assert concrete == symbolic


def test_dropout_between_layers_is_on_in_training_only():
    layer = LSTM(8, num_layers=2, dropout=0.5, return_sequences=True)
    x = keras.random.normal((2, 5, 3), seed=0)
    np.testing.assert_array_equal(layer(x, training=False), layer(x, training=False))
    assert np.abs(layer(x, training=True) - layer(x, training=False)).max() > 1e-3


def test_a_cell_of_ones_own_is_stacked_masked_saved(tmp_path):
    inputs = keras.Input((None, 3))
    layer = RNN(LeakyCell(4), num_layers=2, bidirectional=True, return_sequences=True)
    model = keras.Model(inputs, keras.layers.Dense(1)(layer(keras.layers.Masking()(inputs))))
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    x[1, 3:] = 0  # masked
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(model.predict(x[1:, :3], verbose=0), expected[1:, :3], atol=1e-6)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), expected)


def test_a_plain_keras_cell_does():
    layer = RNN(keras.layers.LSTMCell(4), return_sequences=True)
    stock = keras.layers.LSTM(4, return_sequences=True)
    x = keras.random.normal((2, 5, 3), seed=0)
    layer.build(x.shape)
    stock.build(x.shape)
    layer.set_weights(stock.get_weights())
    np.testing.assert_allclose(layer(x), stock(x), atol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        LSTM(4, num_layers=2, bidirectional=True, dropout=0.2, use_bias=False, return_state=True),
        LSTM(4, num_layers=2, dropout=0.2, variational_dropout=True, residual=True, proj_size=2),
        LSTM(4, num_layers=2, peephole=True, coupled_gates=True, zoneout=0.1, seed=5),
        GRU(4, reset_after=False, return_sequences=True, dtype="mixed_bfloat16"),
        SimpleRNN(4, activation="relu", layer_norm=True),
        RNN(LSTMCell(4, unit_forget_bias=False), num_layers=2),
    ],
)
def test_config_makes_the_same_layer(layer):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()


def test_mixed_precision_computes_in_half_and_keeps_weights_whole():
    layer = LSTM(4, num_layers=2, residual=True, return_state=True, dtype="mixed_bfloat16")
    mask = tf.constant([[True, True, False, True, False]] * 2)
    outputs, states = layer(keras.random.normal((2, 5, 4)), mask=mask)
    assert outputs.dtype == states[0].dtype == "bfloat16"
    assert {weight.dtype for weight in layer.weights} == {"float32"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LSTM(4, num_layers=0), "`num_layers` must be an integer of at least 1"),
        (lambda: LSTM(4, dropout=1.0), r"`dropout` must be in \[0, 1\)"),
        (lambda: LSTM(4, colour="red"), "colour"),
        (lambda: RNN("lstm"), "`cell` must be a recurrent cell"),
        (lambda: LSTM(4)(np.zeros((2, 3), "float32")), r"\[batch, time, features\]"),
        (
            lambda: LSTM(4)(np.zeros((1, 2, 3), "float32"), initial_state=[np.zeros((1, 1, 4))]),
            "must be a list of 2 tensors",
        ),
    ],
)
def test_errors_say_what_is_wrong(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_cells_of_a_layer_have_weights_of_their_own():
    layer = RNN(GRUCell(4), num_layers=2, bidirectional=True)
    layer.build((None, None, 3))
    assert len({id(weight) for weight in layer.weights}) == 4 * 3
    assert len({weight.path for weight in layer.weights}) == 4 * 3
