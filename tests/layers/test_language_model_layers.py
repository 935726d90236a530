"""What language models are regularised with, and their loss over large vocabularies."""

import numpy as np
import pytest
import tensorflow as tf

from textlstm.layers import (
    ActivationRegularization,
    CarriedStates,
    chunked_surprise,
    smoothed_surprise,
)


def test_activation_regularization_by_hand():
    layer = ActivationRegularization(alpha=2.0, beta=0.5)
    outputs = np.array([[[1.0, 2.0], [3.0, 2.0]]], "float32")
    dropped = 2 * outputs
    got = layer(outputs, dropped, training=True)
    np.testing.assert_array_equal(got, dropped)
    # mean of 4, 16, 36, 16 is 18; the changes are 2 and 0, the mean of their squares 2
    np.testing.assert_allclose(sorted(np.array(layer.losses)), [0.5 * 2, 2 * 18])
    layer(outputs, dropped)
    assert not layer.losses
    layer(outputs[:, :1], training=True)
    np.testing.assert_allclose(sorted(np.array(layer.losses)), [0, 2 * 2.5])
    again = ActivationRegularization.from_config(layer.get_config())
    assert (again.alpha, again.beta) == (2.0, 0.5)
    with pytest.raises(ValueError, match="must be 0 or more"):
        ActivationRegularization(alpha=-1)


def test_carried_states():
    layer = CarriedStates([(1, 2)])
    layer.make_room(True, batch_size=3)
    layer.make_room(False, batch_size=1)
    states = np.arange(6, dtype="float32").reshape(3, 1, 2)
    layer.write(True, [states])
    (read,) = layer.read(True, np.array([[1.0], [0.0], [1.0]]))
    np.testing.assert_array_equal(read, states * np.array([1, 0, 1])[:, None, None])
    np.testing.assert_array_equal(layer.read(False, np.ones((1, 1)))[0], np.zeros((1, 1, 2)))
    layer.clear()
    assert not layer.variables


@pytest.mark.parametrize("tokens", [1, 7, 16, 50])
def test_chunks_give_what_the_whole_gives(tokens, monkeypatch):
    import importlib

    module = importlib.import_module("textlstm.layers.chunked_surprise")
    monkeypatch.setattr(module, "_LOGITS", 30 * 16)  # 16 tokens at a time
    rng = np.random.default_rng(tokens)
    hidden, vectors, bias = (
        tf.constant(rng.normal(size=shape), "float32") for shape in [(tokens, 5), (30, 5), (30,)]
    )
    labels, weights = rng.integers(0, 30, tokens), rng.random(tokens).astype("float32")

    @tf.function
    def run(whole):
        with tf.GradientTape() as tape:
            tape.watch([hidden, vectors, bias])
            if whole:
                logits = tf.matmul(hidden, vectors, transpose_b=True) + bias
                surprise = smoothed_surprise(logits, labels, 0.0)
            else:
                surprise = chunked_surprise(hidden, vectors, bias, labels)
            total = tf.reduce_sum(weights * surprise)
        return surprise, tape.gradient(total, [hidden, vectors, bias])

    expected, gradients = run(True)
    surprise, got = run(False)
    np.testing.assert_allclose(surprise, expected, rtol=1e-5)
    for one, other in zip(got, gradients):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
