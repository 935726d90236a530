"""Sampling from distributions small enough to write down."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import chisquare, kstest

from textlstm.decoding import Sampler, Search, uniform_noise

END, ROWS = 0, 20_000
P = np.array([0.02, 0.5, 0.25, 0.15, 0.08])  # of the end mark and of tokens 1 to 4


def draw(rows=ROWS, step=0, p=P, ids=None, **options):
    """Draws one token for each of many rows; returns how often each came."""
    sampler = Sampler(END, seeds=options.pop("seeds", np.arange(rows)), **options)
    log_probs = keras.ops.convert_to_tensor(np.tile(np.log(p), (rows, 1)), "float32")
    ids = np.zeros((rows, 3), "int32") if ids is None else ids
    tokens = np.array(sampler.choose(log_probs, step, keras.ops.convert_to_tensor(ids)))
    return np.bincount(tokens, minlength=len(p))


def check(counts, p):
    """Checks by a chi-square test that counts are those of a distribution, and no others."""
    p = np.array(p) / np.sum(p)
    assert not counts[p == 0].any()
    if (p > 0).sum() > 1:
        assert chisquare(counts[p > 0], counts.sum() * p[p > 0]).pvalue > 1e-4


@pytest.mark.parametrize(
    "options, kept",
    [
        ({}, P),
        ({"temperature": 0.5}, P**2),
        ({"temperature": 2.0}, P**0.5),
        ({"top_k": 2}, [0, 0.5, 0.25, 0, 0]),
        ({"top_k": 0}, P),
        ({"top_p": 0.7}, [0, 0.5, 0.25, 0, 0]),
        ({"top_p": 0.76}, [0, 0.5, 0.25, 0.15, 0]),
        ({"top_p": 1e-6}, [0, 1, 0, 0, 0]),
        ({"top_k": 3, "top_p": 0.8}, [0, 0.5, 0.25, 0, 0]),  # of 0.9: 0.5 + 0.25 are 0.83
        ({"min_p": 0.29}, [0, 0.5, 0.25, 0.15, 0]),
        ({"min_p": 0.29, "temperature": 0.5}, [0, 0.25, 0, 0, 0]),  # 0.0625 is a quarter
        ({"top_p": 1.0, "top_k": 5, "min_p": 0.0}, P),
    ],
)
def test_frequencies(options, kept):
    check(draw(**options), kept)


def test_every_step_draws_by_itself():
    for step in (1, 2, 9_999):
        check(draw(step=step), P)
    together = np.array(uniform_noise(np.arange(ROWS), 3)), np.array(uniform_noise([5] * ROWS, 3))
    assert kstest(together[0], "uniform").pvalue > 1e-4
    assert len(set(together[1])) == 1
    steps = np.concatenate([np.array(uniform_noise([12], n)) for n in range(2_000)])
    assert kstest(steps, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(steps[1:], steps[:-1])[0, 1]) < 0.08
    assert abs(np.corrcoef(together[0][1:], together[0][:-1])[0, 1]) < 0.03
    assert 0 < steps.min() and steps.max() < 1


def test_options_of_each_row():
    rows = 4 * 3_000
    log_probs = keras.ops.convert_to_tensor(np.tile(np.log(P), (rows, 1)), "float32")
    sampler = Sampler(
        END,
        seeds=np.arange(rows),
        temperature=np.tile(np.array([0.0, 1.0, 1.0, 1.0], "float32"), 3_000),
        top_k=np.tile(np.array([0, 1, 2, 0]), 3_000),
        top_p=np.tile(np.array([1.0, 1.0, 1.0, 0.76], "float32"), 3_000),
    )
    tokens = np.array(sampler.choose(log_probs, 0, np.zeros((rows, 2), "int32")))
    assert (tokens[0::4] == 1).all() and (tokens[1::4] == 1).all()
    check(np.bincount(tokens[2::4], minlength=5), [0, 0.5, 0.25, 0, 0])
    check(np.bincount(tokens[3::4], minlength=5), [0, 0.5, 0.25, 0.15, 0])


def test_a_repetition_costs():
    said = np.tile([[1, 4, 0]], (ROWS, 1))  # 0 is padding here, and the end mark
    expected = P**2
    expected[[2, 3]] = P[[2, 3]]
    check(draw(ids=said, repetition_penalty=2.0), expected)
    prompt = np.full((ROWS, 1), 2)
    expected[2] = P[2] ** 2
    check(draw(ids=said, repetition_penalty=2.0, prompt_ids=prompt), expected)


def walk(ids, states):
    """A step over six tokens whose next one depends on the last, and on how far it is."""
    count = states[0] + 1
    towards = (ids + keras.ops.cast(count[:, 0], "int32")) % 6
    return 2.0 * keras.ops.one_hot(towards, 6), [count]


def sample(seeds, **options):
    rows = len(seeds)
    search = Sampler(END, seeds=np.array(seeds), **options)
    first, states = np.full((rows,), 1, "int32"), [keras.ops.zeros((rows, 1))]
    ids, log_probs = search(walk, states, keras.ops.convert_to_tensor(first), max_tokens=12)
    return np.array(ids), np.array(log_probs)


def test_a_row_alone_and_in_a_batch_and_in_a_graph():
    ids, log_probs = sample([3, 14, 15, 92], top_p=0.95)
    assert len({tuple(row) for row in ids}) > 2
    for row, seed in enumerate([3, 14, 15, 92]):
        alone = sample([seed], top_p=0.95)
        np.testing.assert_array_equal(alone[0][0], ids[row])
        np.testing.assert_allclose(alone[1][0], log_probs[row], rtol=1e-5)
    in_graph = tf.function(lambda: sample_in_graph([3, 14, 15, 92]))()
    np.testing.assert_array_equal(in_graph, ids)


def sample_in_graph(seeds):
    search = Sampler(END, seeds=tf.constant(seeds), top_p=tf.constant(0.95))
    return search(walk, [tf.zeros((4, 1))], tf.fill([4], 1), max_tokens=12)[0]


def test_the_score_is_that_of_the_model_whatever_the_options():
    search = Search(END)
    start = [keras.ops.zeros((1, 1))], keras.ops.ones((1,), "int32")
    greedy = [np.array(a) for a in search(walk, *start, max_tokens=12)]
    for options in ({"temperature": 0.0}, {"top_k": 1}, {"top_p": 1e-9, "temperature": 3.0}):
        ids, log_probs = sample([8], **options)
        np.testing.assert_array_equal(ids, greedy[0])
        np.testing.assert_allclose(log_probs, greedy[1], rtol=1e-5)


def test_what_is_forbidden_is_never_drawn():
    ids, _ = sample(range(200), forbidden_ids=[2, 4], temperature=5.0)
    assert {1, 3, 5} <= set(ids.ravel()) <= {0, 1, 3, 5}
