"""Our Adam beside Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from textlstm.tasks import Adam


def train(optimizer, by_rows="", jit_compile=False):
    """Takes five steps; returns the weights and the optimizer's variables."""
    rng = np.random.default_rng(0)
    weights = [keras.Variable(rng.normal(size=shape), dtype="float32") for shape in [(6, 3), (4,)]]
    gradients = [[rng.normal(size=w.shape).astype("float32") for w in weights] for _ in range(5)]

    @tf.function(jit_compile=jit_compile)
    def step(matrix, vector):
        if by_rows:  # row 4 twice, the others once or not at all
            rows = tf.constant([4, 0, 4])
            matrix = tf.IndexedSlices(tf.gather(matrix, [0, 1, 2]), rows, tf.constant([6, 3]))
        if by_rows == "summed":
            matrix = tf.convert_to_tensor(matrix)
        optimizer.apply([matrix, vector], weights)

    optimizer.build(weights)
    for matrix, vector in gradients:
        step(matrix, vector)
    return [np.array(v) for v in (*weights, *optimizer.variables)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"global_clipnorm": 0.5, "weight_decay": 0.01},
        {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)},
        {"amsgrad": True},
        {"gradient_accumulation_steps": 2},
    ],
)
def test_it_does_what_keras_does(options):
    options = {"learning_rate": 0.1, "beta_1": 0.8, "epsilon": 1e-3, **options}
    ours = train(Adam(**options))
    expected = train(keras.optimizers.Adam(**options))
    assert len(ours) == len(expected)
    for one, other in zip(ours, expected):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_gradient_by_rows_is_added_up():
    options = {"learning_rate": 0.1, "epsilon": 1e-3}
    expected = train(keras.optimizers.Adam(**options), by_rows="summed")
    for one, other in zip(train(Adam(**options), by_rows="rows"), expected):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_under_xla():
    for one, other in zip(train(Adam(0.1), jit_compile=True), train(keras.optimizers.Adam(0.1))):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_by_hand():
    # The first step goes by the rate, whatever the size of the gradient.
    weight = keras.Variable([1.0, 2.0, 3.0])
    Adam(0.5, epsilon=1e-9).apply([tf.constant([1.0, -1e3, 0.0])], [weight])
    np.testing.assert_allclose(weight, [0.5, 2.5, 3.0], rtol=1e-5)


def test_it_is_saved():
    optimizer = Adam(0.25, global_clipnorm=2.0)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is Adam
    assert again.get_config() == optimizer.get_config()
