"""The token embedding and its mask."""

import keras
import numpy as np

from textlstm.layers import LSTM, TokenEmbedding


def test_looks_up_and_masks_the_padding():
    layer = TokenEmbedding(vocabulary_size=5, dim=2, pad_id=3)
    layer.build((None, None))
    layer.set_weights([np.arange(10).reshape(5, 2)])
    ids = np.array([[4, 0, 3], [1, 3, 3]])
    np.testing.assert_array_equal(layer(ids)[0], [[8, 9], [0, 1], [6, 7]])
    np.testing.assert_array_equal(layer.compute_mask(ids), [[1, 1, 0], [1, 0, 0]])


def test_the_mask_reaches_the_recurrent_layer():
    embedding, recurrent = TokenEmbedding(5, 2, pad_id=3), LSTM(4)
    padded = recurrent(embedding(np.array([[4, 0, 3, 3]])))
    np.testing.assert_allclose(padded, recurrent(embedding(np.array([[4, 0]]))), atol=1e-6)


def test_config_makes_the_same_layer():
    layer = TokenEmbedding(5, 2, pad_id=3, embeddings_initializer="ones")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    assert (again.input_dim, again.output_dim, again.pad_id) == (5, 2, 3)
