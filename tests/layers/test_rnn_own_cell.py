"""A cell that a user writes gets everything else by itself: to the exported folder."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import textlstm
from textlstm import RNN, TextClassifier
from textlstm.cells import Cell


@keras.saving.register_keras_serializable(package="textlstm_tests")
class MinimalGate(Cell):
    """h_t = (1 - f_t) ⊙ h_{t-1} + f_t ⊙ tanh(x_t W), f_t = σ(x_t W + h_{t-1} V)."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = self.output_size = units

    def build(self, input_shape):
        self.w = self.add_weight(name="w", shape=(input_shape[-1], self.units))
        self.v = self.add_weight(name="v", shape=(self.units, self.units))

    def project_inputs(self, inputs):
        return inputs @ self.w

    def step(self, projected, states, training=False):
        f = keras.ops.sigmoid(projected + states[0] @ self.v)
        h = (1 - f) * states[0] + f * keras.ops.tanh(projected)
        return h, [h]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="textlstm_tests")
class PlainKerasCell(keras.layers.Layer):
    """The same, as a plain cell of Keras: the whole step in `call`."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    build = MinimalGate.build

    def call(self, inputs, states, training=False):
        return MinimalGate.step(self, inputs @ self.w, states)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


CELLS = [MinimalGate, PlainKerasCell]
X = np.random.default_rng(0).normal(size=(3, 6, 4)).astype("float32")
MASK = np.array([[1, 0, 1, 1, 0, 1], [1, 1, 1, 0, 0, 0], [0, 0, 1, 0, 1, 0]]) > 0


@pytest.mark.parametrize("cell_class", CELLS)
def test_it_is_stacked_masked_and_saved(cell_class, tmp_path):
    inputs, mask = keras.Input((None, 4)), keras.Input((None,), dtype="bool")
    layer = RNN(cell_class(2), num_layers=2, bidirectional=True, residual=True, return_state=True)
    outputs, (states,) = layer(inputs, mask=mask)
    model = keras.Model([inputs, mask], [outputs, states])
    got = model([X, MASK])
    assert [y.shape for y in got] == [(3, 4), (3, 4, 2)]
    for row in range(3):
        short = X[row : row + 1, MASK[row]]
        alone = model([short, np.ones(short.shape[:2], bool)])
        for y, want in zip(got, alone):
            np.testing.assert_allclose(y[row], want[0], atol=1e-6)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for y, want in zip(again([X, MASK]), got):
        np.testing.assert_array_equal(y, want)


def test_both_forms_of_a_cell_compute_the_same():
    layers = [RNN(cell_class(3), num_layers=2, bidirectional=True) for cell_class in CELLS]
    for layer in layers:
        layer.build(X.shape)
    layers[1].set_weights(layers[0].get_weights())
    mask = tf.constant(MASK)
    np.testing.assert_allclose(layers[0](X, mask=mask), layers[1](X, mask=mask), atol=1e-6)


def test_it_is_exported_in_a_classifier(tokenizer, reviews, tmp_path):
    model = TextClassifier(
        tokenizer,
        ["negative", "positive"],
        cell=MinimalGate(6),
        embedding_dim=6,
        max_tokens=30,
    )
    texts = reviews[0][:8]
    version = textlstm.export(model, tmp_path / "own")
    served = tf.saved_model.load(str(version)).signatures["serving_default"]
    expected = model.predict(texts, verbose=0)
    np.testing.assert_allclose(
        served(text=tf.constant(texts))["probabilities"], expected, atol=1e-5
    )
    np.testing.assert_array_equal(textlstm.load(version).predict(texts, verbose=0), expected)
