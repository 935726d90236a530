"""What language models are regularised with, and their loss over large vocabularies."""

import importlib

import numpy as np
import pytest
import tensorflow as tf

from textlstm.layers import (
    ActivationRegularization,
    CarriedStates,
    LanguageHead,
    TokenEmbedding,
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
    # Of the second row the first step alone is real, of the third none.
    padded = np.concatenate([outputs, [[[1.0, 2.0], [9.0, 9.0]], [[7.0, 7.0], [7.0, 7.0]]]])
    mask = np.array([[True, True], [True, False], [False, False]])
    layer(padded, mask=mask, training=True)
    # mean of 1, 4, 9, 4 and 1, 4 is 23 / 6
    np.testing.assert_allclose(sorted(np.array(layer.losses)), [0.5 * 2, 2 * 23 / 6], rtol=1e-6)
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
    layer.take_away(True)
    assert len(layer.variables) == 1 and not layer.has_room(True)
    layer.take_away(False)
    assert not layer.variables


@pytest.mark.parametrize("tokens", [1, 7, 16, 50])
def test_chunks_give_what_the_whole_gives(tokens, monkeypatch):
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


@pytest.mark.parametrize("count", [0, 5, 16, 40])
def test_only_the_first_tokens_may_count(count, monkeypatch):
    module = importlib.import_module("textlstm.layers.chunked_surprise")
    monkeypatch.setattr(module, "_LOGITS", 30 * 16)
    rng = np.random.default_rng(count)
    hidden, vectors = (tf.constant(rng.normal(size=(n, 5)), "float32") for n in (40, 30))
    bias, labels = tf.zeros(30), rng.integers(0, 30, 40)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([hidden, vectors])
        found = chunked_surprise(hidden, vectors, bias, labels, tf.constant(count))
        first = chunked_surprise(hidden[:count], vectors, bias, labels[:count]) if count else 0.0
        totals = tf.reduce_sum(found), tf.reduce_sum(first)
    np.testing.assert_allclose(found[:count], first, rtol=1e-6)
    np.testing.assert_array_equal(found[count:], 0)
    if count:
        for thing in (hidden, vectors):
            got, expected = (tape.gradient(total, thing) for total in totals)
            np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("cutoffs", [(10,), (4, 20, 29)])
@pytest.mark.parametrize("tie", [True, False])
def test_an_adaptive_softmax_is_a_distribution_and_gives_its_own_surprise(tie, cutoffs):
    embedding = TokenEmbedding(30, 5)
    head = LanguageHead(embedding, tie, cutoffs)
    head.build((None, None, 8 if tie else 5))
    rng = np.random.default_rng(0)
    for variable in head.variables:
        variable.assign(rng.normal(size=variable.shape))
    hidden = tf.constant(rng.normal(size=(3, 40, 8 if tie else 5)), "float32")
    labels = rng.integers(0, 30, (3, 40))
    variables = [v.value for v in head.trainable_variables]

    @tf.function
    def run(whole):
        with tf.GradientTape() as tape:
            tape.watch(hidden)
            if whole:
                surprise = smoothed_surprise(head(hidden), labels, 0.0)
            else:
                surprise = head.surprise(hidden, labels)
            total = tf.reduce_sum(surprise**2)
        return surprise, tape.gradient(total, [hidden, *variables])

    log_probs = head(hidden)
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=-1), 1, rtol=1e-5)
    expected, gradients = run(True)
    surprise, got = run(False)
    np.testing.assert_allclose(surprise, expected, rtol=1e-4)
    for one, other in zip(got, gradients, strict=True):
        if one is None and not tie:  # of the embedding
            continue
        one, other = (tf.convert_to_tensor(gradient) for gradient in (one, other))
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("cutoffs", [(0,), (30,), (5, 5), (9, 4)])
def test_cutoffs_that_do_not_grow_are_named(cutoffs):
    with pytest.raises(ValueError, match="`cutoffs` must grow"):
        LanguageHead(TokenEmbedding(30, 5), cutoffs=cutoffs)
