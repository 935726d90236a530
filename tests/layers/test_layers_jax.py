"""The layers give under JAX, with TensorFlow absent, what they give under TensorFlow."""

import keras
import numpy as np

import textlstm

IDS = np.array([[5, 2, 3, 0, 0], [4, 4, 1, 2, 5]])
SCRIPT = f"""
import keras, numpy as np, textlstm.layers as layers

keras.utils.set_random_seed(0)
ids = keras.Input((None,), dtype="int32")
embedding = layers.TokenEmbedding(6, 4)
vectors = embedding(ids)
front = layers.ConvolutionFront(4, pool_size=2)(vectors)
dropped = layers.WordDropout(0.5)(layers.WordDropout(0.5, vocabulary_size=6)(front, ids[:, ::2]))
hidden = layers.LSTM(4, return_sequences=True)(dropped)
model = keras.Model(ids, layers.TiedHead(embedding)(hidden))
model.compile("adam", "mse")
rows = np.array({IDS.tolist()})
model.train_on_batch(rows, np.zeros((2, 3, 6)))
assert model.count_params() == 6 * 4 + (3 * 4 * 4 + 4) + (2 * 4 * 16 + 16) + 6
model.save("model.keras")
np.save("outputs.npy", np.asarray(model(rows)))
"""


def test_what_jax_trained_goes_on_under_tensorflow(tmp_path, run_under_jax):
    run_under_jax(SCRIPT)
    model = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(model.layers[1], textlstm.layers.TokenEmbedding)
    np.testing.assert_allclose(model(IDS), np.load(tmp_path / "outputs.npy"), atol=1e-5)
