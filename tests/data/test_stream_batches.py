"""Windows over one long text, small enough to be read."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.data import EncodedCorpus, StreamBatches, TextBatches

PAD, END = 0, 3
MARKS = {"pad_id": PAD, "end_id": END}


def make_corpus(rows):
    lengths = np.array([len(row) for row in rows], "int32")
    starts = np.cumsum(lengths) - lengths
    return EncodedCorpus(np.concatenate(rows).astype("int32"), starts, lengths)


TEXTS = make_corpus([[5, 6, END], [7, END], [8, 9, 10, END]])


def test_by_hand():
    batches = StreamBatches(TEXTS, 2, window=3, vary=False, shuffle=False, **MARKS)
    assert len(batches) == 2
    first, second = batches[0], batches[1]
    np.testing.assert_array_equal(first[0]["ids"], [[END, 5, 6], [END, 8, 9]])
    np.testing.assert_array_equal(first[1], [[5, 6, END], [8, 9, 10]])
    np.testing.assert_array_equal(second[0]["ids"], [[END, 7], [10, END]])
    np.testing.assert_array_equal(second[0]["labels"], [[7, END], [END, PAD]])
    np.testing.assert_array_equal(second[2], [[1, 1], [1, 0]])
    np.testing.assert_array_equal(first[0]["keep"], [[0], [0]])
    np.testing.assert_array_equal(second[0]["keep"], [[1], [1]])
    assert first[0]["ids"].dtype == np.int32 and second[2].dtype == np.float32


def test_windows_that_do_not_vary_are_alike():
    corpus = make_corpus([[5] * 202])
    batches = StreamBatches(corpus, 1, window=100, vary=False, **MARKS)
    widths = [batches[index][1].shape[1] for index in range(len(batches))]
    assert sorted(widths) == [67, 67, 68]


@settings(max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=20),
    batch_size=st.integers(1, 9),
    window=st.integers(1, 30),
    vary=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_token_is_foretold_once_behind_the_one_before(
    lengths, batch_size, window, vary, seed
):
    number = iter(range(10, 10_000))
    corpus = make_corpus([[next(number) for _ in range(n - 1)] + [END] for n in lengths])
    batch_size = min(batch_size, corpus.tokens)
    options = {"window": window, "vary": vary, "seed": seed, **MARKS}
    batches = StreamBatches(corpus, batch_size, **options)
    shapes = None
    for epoch in range(2):
        batches.epoch = epoch
        read = [batches[index] for index in range(len(batches))]
        ids, labels = (
            np.concatenate([batch[0][name] for batch in read], axis=1) for name in ("ids", "labels")
        )
        weights = np.concatenate([batch[2] for batch in read], axis=1) > 0
        told = sorted(labels[weights])
        assert told == sorted(np.concatenate([corpus.ids(row) for row in range(len(corpus))]))
        np.testing.assert_array_equal(ids[:, 1:], labels[:, :-1])
        np.testing.assert_array_equal(ids[1:, 0], labels[:-1, -1])  # part behind part
        assert ids[0, 0] == END
        widths = sorted(batch[1].shape for batch in read)
        assert shapes is None or widths == shapes
        shapes = widths
        if len(set(widths)) > 1:
            assert read[0][1].shape != read[1][1].shape


def test_an_epoch_follows_from_its_number_and_texts_move_as_a_whole():
    corpus = make_corpus([[10 * n, 10 * n + 1, END] for n in range(1, 30)])
    one, other = (StreamBatches(corpus, 3, window=7, seed=4, **MARKS) for _ in range(2))
    other.epoch = one.epoch = 5
    for index in range(len(one)):
        np.testing.assert_array_equal(one[index][1], other[index][1])
    one.epoch = 6
    labels = np.concatenate([one[i][1] for i in range(len(one))], axis=1).ravel()
    for n in range(1, 30):
        (at,) = np.flatnonzero(labels == 10 * n)
        assert labels[at + 1] == 10 * n + 1
    assert [n for n in labels if n % 10 == 0 and n] != [10 * n for n in range(1, 30)]


def test_some_rows_begin_anew():
    corpus = make_corpus([np.full(9_999, 5).tolist() + [END]])
    batches = StreamBatches(corpus, 10, window=10, reset=0.25, **MARKS)
    keep = np.concatenate([batches[index][0]["keep"] for index in range(1, len(batches))])
    assert set(keep.ravel()) == {0.0, 1.0} and abs(keep.mean() - 0.75) < 0.05


def test_what_cannot_be_read():
    with pytest.raises(ValueError, match="9 tokens in all, fewer than the 10 parts"):
        StreamBatches(TEXTS, 10, **MARKS)
    with pytest.raises(ValueError, match="window=0"):
        StreamBatches(TEXTS, 2, window=0, **MARKS)


def test_whole_texts():
    batches = TextBatches(TEXTS, 2, shuffle=False, **MARKS)
    seen = []
    for index in range(len(batches)):
        inputs, labels, weights = batches[index]
        for ids, row, real in zip(inputs["ids"], labels, weights > 0):
            seen.append(row[real].tolist())
            assert ids[0] == END
            np.testing.assert_array_equal(ids[1:], row[:-1])
        np.testing.assert_array_equal(inputs["labels"], labels)
    assert sorted(seen) == [[5, 6, END], [7, END], [8, 9, 10, END]]
