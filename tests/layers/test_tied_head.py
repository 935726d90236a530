"""The tied head: one matrix for looking up and for the logits."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from textlstm.layers import LSTM, TiedHead, TokenEmbedding

IDS = np.array([[1, 2, 3], [4, 0, 0]])


def make_pair(vocabulary_size=5, dim=2, **options):
    embedding = TokenEmbedding(vocabulary_size, dim, **options)
    return embedding, TiedHead(embedding)


def make_model(dim=4):
    """A small language model with tied weights."""
    ids = keras.Input((None,), dtype="int32")
    embedding, head = make_pair(dim=dim)
    outputs = head(LSTM(4, return_sequences=True)(embedding(ids)))
    return keras.Model(ids, outputs)


def test_by_hand():
    embedding, head = make_pair(vocabulary_size=3)
    head.build((None, None, 2))
    embedding.set_weights([np.array([[1, 0], [0, 2], [3, -1]])])
    head.bias.assign([0, 0, 10])
    np.testing.assert_allclose(head(np.array([[[2.0, 5.0]]])), [[[2, 10, 11]]])
    np.testing.assert_allclose(embedding(np.array([[2.0, 5.0]]), reverse=True), [[2, 10, 1]])


def test_the_gradient_is_the_sum_of_both_uses():
    embedding, head = make_pair(vocabulary_size=3)
    head.build((None, None, 2))
    table = np.array([[1, 0], [0, 2], [3, -1]], "float32")
    embedding.set_weights([table])
    with tf.GradientTape() as tape:
        logits = head(embedding(np.array([[2]])))  # [[[E_2 · E_0, E_2 · E_1, E_2 · E_2]]]
        loss = logits[0, 0, 0] + 10.0 * logits[0, 0, 1]
    gradient = tf.convert_to_tensor(tape.gradient(loss, embedding.embeddings.value))
    np.testing.assert_allclose(gradient, [table[2], 10 * table[2], table[0] + 10 * table[1]])


def test_the_weights_are_counted_trained_and_saved_once(tmp_path):
    model = make_model()
    assert [w.path.split("/")[-1] for w in model.weights].count("embeddings") == 1
    assert model.count_params() == 5 * 4 + 2 * 4 * 16 + 16 + 5
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, run_eagerly=True)
    model.fit(IDS, IDS, epochs=2, verbose=0)

    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(IDS), model(IDS), atol=1e-6)
    assert again.count_params() == model.count_params()
    # Still one variable: training moves what both use.
    before = again.layers[1].embeddings.numpy()
    again.fit(IDS, IDS, verbose=0)
    assert again.layers[-1].embedding is again.layers[1]
    assert np.abs(again.layers[1].embeddings - before).max() > 0


def test_the_mask_goes_through():
    embedding, head = make_pair()
    np.testing.assert_array_equal(
        head(embedding(IDS))._keras_mask, [[True, True, True], [True, False, False]]
    )
    logits = embedding(embedding(IDS), reverse=True)
    np.testing.assert_array_equal(logits._keras_mask, embedding.compute_mask(IDS))


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "float16"])
def test_in_half_precision(dtype):
    embedding, head = make_pair(vocabulary_size=50, dim=8, dtype=dtype)
    hidden = np.random.default_rng(0).normal(size=(2, 3, 8))
    logits = head(hidden)
    assert logits.dtype == head.compute_dtype == embedding.compute_dtype
    expected = hidden @ np.array(embedding.embeddings, "float32").T
    np.testing.assert_allclose(tf.cast(logits, "float32"), expected, atol=0.02)


def test_wrong_arguments():
    embedding, head = make_pair()
    with pytest.raises(ValueError, match=r"hidden states of size 2.* Received: shape=\(4, 3, 7\)"):
        head(np.zeros((4, 3, 7)))
    with pytest.raises(ValueError, match="`embedding` must be a TokenEmbedding"):
        TiedHead(keras.layers.Embedding(3, 2))
    with pytest.raises(ValueError, match="with tied weights"):
        TiedHead(TokenEmbedding(3, 2, tie_weights=False))
