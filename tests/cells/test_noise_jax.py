"""Noise under JAX, whose loops may not draw random numbers: a process without TensorFlow."""

SCRIPT = """
import keras, numpy as np
from textlstm.cells import LSTMCell
from textlstm.layers import RNN

cell = LSTMCell(
    4, peephole=True, coupled_gates=True, proj_size=3, layer_norm=True,
    recurrent_dropout=0.5, zoneout=(0.1, 0.2), seed=1,
)
layer = RNN(cell, bidirectional=True)
inputs, mask = keras.Input((None, 3)), keras.Input((None,), dtype="bool")
model = keras.Model([inputs, mask], layer(inputs, mask=mask))
model.compile(keras.optimizers.SGD(0.1), "mse")
rng = np.random.default_rng(0)
x = [rng.normal(size=(4, 6, 3)).astype("float32"), rng.random((4, 6)) < 0.8]
before, y = model.get_weights(), model.predict(x, verbose=0)
np.testing.assert_array_equal(model.predict(x, verbose=0), y)
losses = [float(model.train_on_batch(x, y)) for _ in range(2)]
assert losses[0] > 1e-4  # its own answers without noise are not those with noise
assert np.all(np.isfinite(losses))
for old, weight in zip(before, model.weights):
    new = np.asarray(weight.value)
    assert np.all(np.isfinite(new)) and not np.array_equal(old, new), weight.path
"""


def test_trains_under_jax(run_under_jax):
    run_under_jax(SCRIPT)
