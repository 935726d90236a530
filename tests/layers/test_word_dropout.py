"""Dropout of whole words: what is dropped together, how often, and the scale of the rest."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from textlstm.layers import WordDropout

# Powers of two: what they are multiplied by comes out exactly.
VECTORS = 2.0 ** np.random.default_rng(0).integers(0, 3, (50, 40, 3)).astype("float32")
IDS = np.random.default_rng(1).integers(0, 20, (50, 40))


def factors_of(outputs):
    """What each vector was multiplied by, having checked that it is one number for all of it."""
    factors = np.asarray(outputs) / VECTORS
    np.testing.assert_array_equal(factors, np.broadcast_to(factors[:, :, :1], factors.shape))
    return factors[:, :, 0]


def test_tokens_are_dropped_whole_and_the_rest_is_scaled():
    factors = factors_of(WordDropout(0.2, seed=0)(VECTORS, training=True))
    dropped = factors == 0
    np.testing.assert_allclose(factors[~dropped], 1 / 0.8, rtol=1e-6)
    # 2,000 draws: the standard deviation of the share is 0.009.
    assert abs(dropped.mean() - 0.2) < 0.04
    assert abs(factors.mean() - 1) < 0.05
    # Each token has a draw of its own: equal ids are not dropped together.
    assert any(0 < dropped[word == IDS].mean() < 1 for word in range(20))


def test_words_of_the_vocabulary_are_dropped_everywhere():
    layer = WordDropout(0.3, vocabulary_size=20, seed=0)
    shares = []
    for _ in range(40):
        factors = factors_of(layer(VECTORS, IDS, training=True))
        by_word = [np.unique(factors[word == IDS]) for word in range(20)]
        assert all(len(values) == 1 for values in by_word)
        values = np.concatenate(by_word)
        np.testing.assert_allclose(values[values > 0], 1 / 0.7, rtol=1e-6)
        shares.append((values == 0).mean())
    assert abs(np.mean(shares) - 0.3) < 0.07  # 800 draws, standard deviation 0.016
    with pytest.raises(ValueError, match="ids=None"):
        layer(VECTORS, training=True)


@pytest.mark.parametrize("options", [{}, {"vocabulary_size": 20}])
def test_off_unless_training(options):
    layer = WordDropout(0.5, **options)
    np.testing.assert_array_equal(layer(VECTORS, IDS), VECTORS)
    np.testing.assert_array_equal(WordDropout(0.0, **options)(VECTORS, IDS, training=True), VECTORS)


def test_draws_are_new_each_time_and_follow_the_seed():
    layer, again = WordDropout(0.5, seed=7), WordDropout(0.5, seed=7)
    first, second = layer(VECTORS, training=True), layer(VECTORS, training=True)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(again(VECTORS, training=True), first)


def test_in_a_graph_and_in_half_precision():
    layer = WordDropout(0.5, vocabulary_size=20, dtype="mixed_bfloat16")

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, 3]), tf.TensorSpec([None, None], "int64")]
    )
    def run(vectors, ids):
        return layer(vectors, ids, training=True)

    outputs = run(VECTORS, IDS)
    assert outputs.dtype == "bfloat16" and outputs.shape == VECTORS.shape
    assert not np.array_equal(outputs, run(VECTORS, IDS))


def test_config_and_mask():
    layer = WordDropout(0.5, vocabulary_size=9, seed=3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    mask = tf.constant([[True, False]])
    assert layer.compute_mask(VECTORS, mask) is mask
    with pytest.raises(ValueError, match=r"`rate` must be in \[0, 1\). Received: 1"):
        WordDropout(1)
