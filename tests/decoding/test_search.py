"""Toy models over the letters, small enough to enumerate, whose answers can be read."""

import itertools
import math
import string

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.decoding import NEVER, BeamSearch, Search

# "." ends a word, "^" begins one; nothing stands behind the end.
LETTERS = "_.^" + string.ascii_lowercase
END, BEGIN = 1, 2


def read(ids) -> str:
    """Returns a row of ids as letters, up to the end mark."""
    return "".join(LETTERS[i] for i in np.array(ids)).split(".")[0]


def bigram_model(weights: dict[str, float], otherwise=1e-9):
    """Returns a step whose next letter depends on the last alone: {"ab": 3.0} weighs b behind a."""
    table = np.full((len(LETTERS), len(LETTERS)), otherwise)
    for pair, weight in weights.items():
        table[LETTERS.index(pair[0]), LETTERS.index(pair[1])] = weight
    logits = keras.ops.convert_to_tensor(np.log(table), "float32")
    return lambda ids, states: (keras.ops.take(logits, ids, axis=0), states)


# "ha" begins best, but has to share what follows; "ok" is the best as a whole.
GREEDY_IS_WRONG = {"^h": 0.6, "^o": 0.4, "ha": 0.35, "hi": 0.33, "he": 0.32, "ok": 1.0}
GREEDY_IS_WRONG |= {"a.": 1.0, "i.": 1.0, "e.": 1.0, "k.": 1.0}


def begin(rows=1):
    return keras.ops.full((rows,), BEGIN, dtype="int32")


def test_greedy_takes_the_best_letter_and_a_beam_the_best_word():
    step = bigram_model(GREEDY_IS_WRONG)
    ids, log_probs = Search(END)(step, [], begin(), max_tokens=6)
    assert read(ids[0]) == "ha"
    np.testing.assert_allclose(log_probs, [math.log(0.6 * 0.35)], rtol=1e-5)
    search = BeamSearch(END, beam_size=4, length_penalty=0.0)
    ids, scores = search(step, [], begin(), max_tokens=6)
    assert [read(row) for row in ids[0]] == ["ok", "ha", "hi", "he"]
    np.testing.assert_allclose(scores[0], np.log([0.4, 0.21, 0.198, 0.192]), rtol=1e-5)


def test_an_answer_that_is_too_long_gets_its_end():
    step = bigram_model({"^a": 1.0, "ab": 1.0, "ba": 1.0})
    for search in (Search(END), BeamSearch(END, beam_size=1)):
        ids = search(step, [], begin(), max_tokens=5)[0]
        assert read(np.reshape(ids, (-1,))) == "ababa"
        assert np.reshape(ids, (-1,))[-1] == END


def test_what_is_forbidden_never_comes():
    step = bigram_model(GREEDY_IS_WRONG)
    forbidden = [LETTERS.index("h")]
    for search in (
        Search(END, forbidden_ids=forbidden),
        BeamSearch(END, beam_size=3, forbidden_ids=forbidden),
    ):
        ids = search(step, [], begin(), max_tokens=4)[0]
        assert read(np.reshape(ids, (-1, 5))[0]) == "ok"


def test_a_strategy_is_one_method():
    class LastOfTheAlphabet(Search):
        def choose(self, log_probs, n, ids):
            likely = keras.ops.cast(log_probs > math.log(0.1), "int32")
            return keras.ops.cast(keras.ops.argmax(likely * np.arange(len(LETTERS)), -1), "int32")

    ids, _ = LastOfTheAlphabet(END)(bigram_model(GREEDY_IS_WRONG), [], begin(), max_tokens=4)
    assert read(ids[0]) == "ok"


def test_a_longer_answer_wins_by_the_length_penalty():
    step = bigram_model({"^a": 0.5, "^b": 0.5, "a.": 0.5, "aa": 0.5, "b.": 0.2, "bc": 0.8, "c.": 1})
    short = BeamSearch(END, beam_size=4, length_penalty=0.0)(step, [], begin(), max_tokens=3)
    assert read(short[0][0, 0]) == "bc"  # 0.4 against 0.25 of "a"
    step = bigram_model(
        {"^a": 0.5, "^b": 0.5, "a.": 0.9, "aa": 0.1, "bc": 0.9, "bb": 0.1, "c.": 0.9}
    )
    words = {}
    for penalty in (0.0, 1.0):
        search = BeamSearch(END, beam_size=6, length_penalty=penalty)
        words[penalty] = read(search(step, [], begin(), max_tokens=3)[0][0, 0])
    assert words == {0.0: "a", 1.0: "bc"}


@pytest.mark.parametrize(("size", "expected"), [(1, "abc"), (2, "abab"), (3, "abab")])
def test_no_sequence_comes_twice(size, expected):
    step = bigram_model({"^a": 1.0, "ab": 1.0, "ba": 0.9, "bc": 0.1, "c.": 1.0, "cd": 1e-3})
    search = BeamSearch(END, beam_size=1, no_repeat_ngram=size)
    word = read(search(step, [], begin(), max_tokens=9)[0][0, 0])
    assert word.startswith(expected[:3])
    pieces = [word[at : at + size] for at in range(len(word) - size + 1)]
    assert len(set(pieces)) == len(pieces)
    assert "ab" in word


def random_step(vocabulary, memory, seed):
    """Returns a step with a state: what comes next depends on all that came before."""
    rng = np.random.default_rng(seed)
    kernel = rng.normal(size=(memory, memory)).astype("float32")
    embedding = rng.normal(size=(vocabulary, memory)).astype("float32")
    head = 1.5 * rng.normal(size=(memory, vocabulary)).astype("float32")

    def step(ids, states):
        (h,) = states
        h = keras.ops.tanh(keras.ops.matmul(h, kernel) + keras.ops.take(embedding, ids, axis=0))
        return keras.ops.matmul(h, head), [h]

    return step


def best_of_all(step, state, vocabulary, max_tokens, penalty, end):
    """Enumerates every sequence, and returns them by their score, best first."""
    found = {}

    def follow(prefix, states, last, total):
        logits, states = step(keras.ops.convert_to_tensor([last]), states)
        log_probs = np.array(keras.ops.log_softmax(logits, axis=-1))[0]
        length = len(prefix) + 1
        score = (total + log_probs[end]) / ((5 + length) / 6) ** penalty
        found[(*prefix, end)] = score
        if len(prefix) < max_tokens:
            for token in set(range(vocabulary)) - {end}:
                follow((*prefix, token), states, token, total + log_probs[token])

    follow((), [state], 0, 0.0)
    return sorted(found.items(), key=lambda item: -item[1])


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10_000),
    vocabulary=st.integers(2, 4),
    max_tokens=st.integers(1, 3),
    penalty=st.sampled_from([0.0, 0.6, 1.0]),
)
def test_a_beam_that_is_wide_enough_finds_the_best_of_all(seed, vocabulary, max_tokens, penalty):
    step = random_step(vocabulary, 5, seed)
    state = np.random.default_rng(seed + 1).normal(size=(1, 5)).astype("float32")
    expected = best_of_all(step, state, vocabulary, max_tokens, penalty, end=1)
    beams = vocabulary ** (max_tokens + 1)
    search = BeamSearch(1, beam_size=beams, length_penalty=penalty, pad_id=-1)
    first = keras.ops.zeros((1,), "int32")
    ids, scores = search(step, [state], first, max_tokens=max_tokens)
    count = len(expected)
    np.testing.assert_allclose(scores[0, :count], [score for _, score in expected], atol=1e-4)
    assert np.all(np.array(scores)[0, count:] <= NEVER)
    got = {tuple(int(i) for i in row if i >= 0) for row in np.array(ids)[0, :count]}
    assert got == {sequence for sequence, _ in expected}


@pytest.mark.parametrize("seed", range(8))
def test_one_beam_is_greedy_and_rows_do_not_depend_on_each_other(seed):
    step = random_step(7, 6, seed)
    states = np.random.default_rng(seed).normal(size=(5, 6)).astype("float32")
    first = keras.ops.zeros((5,), "int32")
    greedy, log_probs = Search(1)(step, [states], first, max_tokens=8)
    one, scores = BeamSearch(1, beam_size=1, length_penalty=0.0)(
        step, [states], first, max_tokens=8
    )
    np.testing.assert_array_equal(one[:, 0], greedy)
    np.testing.assert_allclose(scores[:, 0], log_probs, rtol=1e-5)
    search = BeamSearch(1, beam_size=3)
    together, scores = search(step, [states], first, max_tokens=8)
    for row in range(5):
        alone, score = search(step, [states[row : row + 1]], first[:1], max_tokens=8)
        np.testing.assert_array_equal(alone[0], together[row])
        np.testing.assert_allclose(score[0], scores[row], rtol=1e-5)


def test_in_a_graph_that_knows_no_sizes():
    step = random_step(7, 6, 0)
    states = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 6]),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([]),
        ]
    )
    def run(states, beam_size, max_tokens, penalty):
        first = tf.zeros(tf.shape(states)[:1], tf.int32)
        search = BeamSearch(1, beam_size=beam_size, length_penalty=penalty, no_repeat_ngram=2)
        return *search(step, [states], first, max_tokens=max_tokens), *Search(1)(
            step, [states], first, max_tokens=max_tokens
        )

    for beams, width in itertools.product((1, 3), (2, 6)):
        got = run(states, beams, width, 0.6)
        search = BeamSearch(1, beam_size=beams, length_penalty=0.6, no_repeat_ngram=2)
        first = keras.ops.zeros((4,), "int32")
        expected = search(step, [states], first, max_tokens=width)
        np.testing.assert_array_equal(got[0], expected[0])
        np.testing.assert_allclose(got[1], expected[1], rtol=1e-5)
        np.testing.assert_array_equal(got[2], Search(1)(step, [states], first, max_tokens=width)[0])


def test_under_jax(run_under_jax):
    run_under_jax(
        """
import numpy as np
from textlstm.decoding import BeamSearch, Search

table = np.log(np.array([[0.1, 0.2, 0.7], [1, 1, 1], [0.3, 0.6, 0.1]]))
step = lambda ids, states: (keras.ops.take(table, ids, axis=0), states)
first = keras.ops.zeros((2,), "int32")
ids, _ = Search(1, pad_id=9)(step, [], first, max_tokens=3)
assert ids.tolist() == [[2, 1, 9, 9]] * 2
search = BeamSearch(1, beam_size=2, length_penalty=0.0, pad_id=9, no_repeat_ngram=2)
ids, scores = search(step, [], first, max_tokens=3)
assert ids[0].tolist() == [[2, 1, 9, 9], [1, 9, 9, 9]]
np.testing.assert_allclose(scores[1], np.log([0.7 * 0.6, 0.2]), rtol=1e-5)
"""
    )
