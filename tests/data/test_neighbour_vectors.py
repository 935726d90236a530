"""Vectors from a corpus's own neighbours, on corpora small enough to count by hand."""

import numpy as np
import pytest

from textlstm.data import EncodedCorpus, own_vectors
from textlstm.data.neighbour_vectors import _count_neighbours
from textlstm.errors import InputError


def corpus_of(*rows):
    lengths = np.array([len(row) for row in rows], "int32")
    ids = np.array([token for row in rows for token in row], "int32")
    return EncodedCorpus(ids, np.cumsum(lengths) - lengths, lengths)


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_neighbours_are_counted_within_rows_by_their_distance(monkeypatch, chunk):
    monkeypatch.setattr("textlstm.data.neighbour_vectors._CHUNK_TOKENS", chunk)
    counts = _count_neighbours(corpus_of([0, 1, 2], [], [2, 0], [1]), 4, window=2).toarray()
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[1, 0] = 1
    expected[1, 2] = expected[2, 1] = 1
    expected[0, 2] = expected[2, 0] = 1 / 2 + 1
    np.testing.assert_allclose(counts, expected)


def test_tokens_used_alike_get_vectors_alike():
    # 1 and 2 stand between the same neighbours, 3 and 4 between others.
    rng = np.random.default_rng(0)
    rows = [[5 + rng.integers(5), rng.integers(1, 3), 5 + rng.integers(5)] for _ in range(300)]
    rows += [[10 + rng.integers(5), rng.integers(3, 5), 10 + rng.integers(5)] for _ in range(300)]
    vectors = own_vectors(corpus_of(*rows), 20, dim=6)
    assert vectors.shape == (20, 6) and vectors.dtype == np.float32

    def likeness(one, other):
        one, other = vectors[one], vectors[other]
        return one @ other / np.linalg.norm(one) / np.linalg.norm(other)

    assert likeness(1, 2) > 0.9 and likeness(3, 4) > 0.9
    assert likeness(1, 3) < 0 and likeness(2, 4) < 0
    assert not vectors[0].any() and not vectors[15:].any()  # not in the corpus
    np.testing.assert_allclose(vectors[1:15].std(), 0.1, rtol=1e-5)
    np.testing.assert_array_equal(own_vectors(corpus_of(*rows), 20, dim=6), vectors)


def test_a_corpus_without_neighbours_gives_zeros():
    assert not own_vectors(corpus_of([1], [2]), 4, dim=2).any()


def test_errors():
    with pytest.raises(InputError, match="the id 3, beyond the 3"):
        own_vectors(corpus_of([1, 3]), 3, dim=2)
    with pytest.raises(InputError, match="vectors of 3 numbers cannot be made for 3 tokens"):
        own_vectors(corpus_of([1, 2]), 3, dim=3)
