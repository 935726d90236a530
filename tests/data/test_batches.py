"""Batches of like length: nothing lost, shapes the same in every epoch, and Keras takes them."""

import os
import subprocess
import sys
import textwrap
import time
from collections import Counter

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlstm.data import BucketedBatches, EncodedCorpus
from textlstm.data.batches import bucket_widths

PAD = 0


def corpus_of(lengths, labels=True):
    """A corpus whose row i holds the ids i+1, i+1, ...: batches show which rows they hold."""
    lengths = np.array(lengths, np.int32)
    numbers = np.arange(len(lengths), dtype=np.int32)
    return EncodedCorpus(
        np.repeat(numbers + 1, lengths),
        np.cumsum(lengths, dtype=np.int64) - lengths,
        lengths,
        numbers * 10 if labels else None,
    )


def epoch_of(batches):
    return [batches[i] for i in range(len(batches))]


def shapes(batches):
    return [batches[i][0].shape for i in range(len(batches))]


def check_epoch(corpus, batches):
    """Checks what holds of every epoch, and returns the rows in the order they came."""
    came = []
    for ids, labels in epoch_of(batches):
        assert ids.dtype == labels.dtype == np.int32
        rows = ids[:, 0] - 1
        lengths = corpus.lengths[rows]
        expected = np.where(np.arange(ids.shape[1]) < lengths[:, None], ids[:, :1], PAD)
        np.testing.assert_array_equal(ids, expected)  # each row whole, padded at the right only
        np.testing.assert_array_equal(labels, rows * 10)
        assert ids.shape[1] in bucket_widths(int(corpus.lengths.max()))
        came += rows.tolist()
    assert sorted(came) == list(range(len(corpus)))
    assert batches.order.tolist() == came
    return came


def check_first_two(all_shapes):
    for axis in (0, 1):
        if len({shape[axis] for shape in all_shapes}) > 1:
            assert all_shapes[0][axis] != all_shapes[1][axis]


lengths_lists = st.one_of(
    st.lists(st.integers(1, 60), min_size=1, max_size=60),
    # Most rows short, one very long, so that rows left over travel through empty buckets.
    st.lists(st.sampled_from([1, 3, 8, 9, 200]), min_size=1, max_size=40),
)


@given(lengths_lists, st.integers(1, 9), st.booleans(), st.none() | st.integers(1, 100))
def test_any_corpus(lengths, batch_size, shuffle, max_batch_tokens):
    corpus = corpus_of(lengths)
    batches = BucketedBatches(
        corpus, batch_size, pad_id=PAD, shuffle=shuffle, max_batch_tokens=max_batch_tokens
    )
    first = Counter(shapes(batches))
    for _ in range(3):
        check_epoch(corpus, batches)
        check_first_two(shapes(batches))
        assert Counter(shapes(batches)) == first
        batches.epoch += 1

    if max_batch_tokens is not None:
        assert all(n * w <= max_batch_tokens or n == 1 for n, w in first)
        assert all(n <= batch_size for n, _ in first)


@given(lengths_lists, st.integers(1, 9))
def test_a_batch_is_no_wider_than_the_rows_of_its_bucket_need(lengths, batch_size):
    corpus = corpus_of(lengths)
    batches = BucketedBatches(corpus, batch_size, pad_id=PAD)
    widths = bucket_widths(max(lengths))
    for index in range(len(batches)):
        ids, _ = batches[index]
        longest = int(corpus.lengths[batches.rows(index)].max())
        needed = int(widths[np.searchsorted(widths, longest)])
        # Rows left over are too few to fill a batch, so each batch has a row of its own bucket.
        assert ids.shape[1] == needed
        # A batch is at most twice as wide as its narrowest bucket.
        shortest = int(corpus.lengths[batches.rows(index)].min())
        assert ids.shape[1] <= 2 * widths[np.searchsorted(widths, shortest)]


def test_a_long_row_does_not_widen_those_that_are_left_over():
    batches = BucketedBatches(corpus_of([3] * 5 + [12] * 3 + [1000]), 4, pad_id=PAD, shuffle=False)
    assert sorted(shapes(batches)) == [(1, 1024), (4, 8), (4, 12)]
    batches = BucketedBatches(corpus_of([3] * 6 + [12] * 3 + [30]), 4, pad_id=PAD, shuffle=False)
    # Two of the shortest join the next, and one of that is left over.
    assert sorted(shapes(batches)) == [(1, 12), (1, 32), (4, 8), (4, 12)]


def test_bucket_widths_grow_by_four_a_doubling():
    assert bucket_widths(1).tolist() == [8]
    assert bucket_widths(8).tolist() == [8]
    assert bucket_widths(9).tolist() == [8, 10]
    assert bucket_widths(65).tolist() == [8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80]
    assert len(bucket_widths(1_024)) == 29


def test_shapes_of_a_corpus_that_can_be_counted_by_hand():
    # 5 rows of width 8, 4 of width 10, 3 of width 16; batches of 4.
    batches = BucketedBatches(corpus_of([3] * 5 + [9] * 4 + [15] * 3), 4, pad_id=PAD)
    # One short row is left over, joins the four of width 10, one of those joins the three of 16.
    assert sorted(shapes(batches)) == [(4, 8), (4, 10), (4, 16)]
    batches = BucketedBatches(
        corpus_of([3] * 5 + [9] * 4 + [15] * 3), 4, pad_id=PAD, max_batch_tokens=32
    )
    # Sizes 4, 3, 2, 2, 2 for widths 8, 10, 12, 14, 16. Of the 1 + 4 rows that reach width 10, two
    # are left over, and they fill a batch of width 12.
    assert sorted(shapes(batches)) == [(1, 16), (2, 12), (2, 16), (3, 10), (4, 8)]


def test_epochs_differ_and_are_functions_of_seed_and_number():
    corpus = corpus_of(np.random.default_rng(0).integers(1, 40, 500))
    batches = BucketedBatches(corpus, 16, pad_id=PAD, seed=5)
    orders = []
    for number in range(3):
        assert batches.epoch == number
        orders.append(batches.order.tolist())
        batches.epoch += 1
    assert len({tuple(order) for order in orders}) == 3
    resumed = BucketedBatches(corpus, 16, pad_id=PAD, seed=5)
    resumed.epoch = 2
    assert resumed.order.tolist() == orders[2]
    assert BucketedBatches(corpus, 16, pad_id=PAD, seed=6).order.tolist() != orders[0]


def test_rows_meet_other_rows_in_every_epoch():
    corpus = corpus_of([5] * 256)
    batches = BucketedBatches(corpus, 16, pad_id=PAD)
    mates = [{frozenset(batches.rows(i).tolist()) for i in range(len(batches))}]
    batches.epoch += 1
    mates.append({frozenset(batches.rows(i).tolist()) for i in range(len(batches))})
    assert not mates[0] & mates[1]


def test_golden_order():
    batches = BucketedBatches(corpus_of([3, 9, 4, 20, 5, 9, 2, 1]), 2, pad_id=PAD, seed=1)
    assert batches.order.tolist() == [7, 5, 1, 3, 2, 6, 0, 4]


def test_without_shuffle_rows_come_by_length_and_can_be_put_back():
    lengths = np.random.default_rng(1).integers(1, 50, 100)
    batches = BucketedBatches(corpus_of(lengths), 8, pad_id=PAD, shuffle=False)
    rows = [batches.rows(i) for i in range(len(batches))]
    widths = [width for _, width in shapes(batches)]
    assert widths[2:] == sorted(widths[2:])
    assert all((np.diff(lengths[batch]) >= 0).all() for batch in rows)
    placed = np.zeros(100, int)
    placed[batches.order] = np.concatenate([ids[:, 0] for ids, _ in epoch_of(batches)])
    assert placed.tolist() == list(range(1, 101))
    before = batches.order
    batches.epoch += 1
    assert (batches.order == before).all()


def test_batches_without_labels_and_with_weights():
    corpus = corpus_of([3, 4, 5], labels=False)
    ids = BucketedBatches(corpus, 4, pad_id=PAD, with_labels=False)[0]
    assert isinstance(ids, np.ndarray) and ids.shape == (3, 8)
    weights = [0.5, 1.0, 2.0]
    batches = BucketedBatches(corpus_of([3, 4, 5]), 4, pad_id=PAD, sample_weights=weights)
    ids, labels, given = batches[0]
    assert given.dtype == np.float32
    assert given.tolist() == [weights[row] for row in ids[:, 0] - 1]


def test_batches_of_rows_with_several_labels():
    corpus = corpus_of([3, 9, 4])
    corpus.labels = np.eye(3, dtype=np.float32)
    batches = BucketedBatches(corpus, 2, pad_id=PAD, sample_weights=[0.5, 1.0, 2.0])
    for ids, labels, weights in epoch_of(batches):
        assert labels.dtype == np.float32
        assert labels.tolist() == np.eye(3)[ids[:, 0] - 1].tolist()
        assert weights.shape == (len(ids),)


def test_a_subset_of_a_corpus():
    corpus = corpus_of([3, 9, 4, 20, 5]).subset([3, 1, 4])
    batches = BucketedBatches(corpus, 2, pad_id=PAD, shuffle=False)
    assert sorted(label for _, labels in epoch_of(batches) for label in labels) == [10, 30, 40]


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"max_batch_tokens": 0}, "max_batch_tokens=0"),
        ({"sample_weights": [1.0]}, "3 rows"),
        ({"sample_weights": [1.0] * 3, "with_labels": False}, "need labels"),
    ],
)
def test_wrong_settings(settings, word):
    with pytest.raises(ValueError, match=word):
        BucketedBatches(corpus_of([3, 4, 5]), pad_id=PAD, **settings)


def test_wrong_corpora():
    with pytest.raises(ValueError, match="no rows"):
        BucketedBatches(corpus_of([]), pad_id=PAD)
    with pytest.raises(ValueError, match="no labels"):
        BucketedBatches(corpus_of([3], labels=False), pad_id=PAD)


class Watched(BucketedBatches):
    """Notes the batches that Keras asks for."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.asked = []

    def __getitem__(self, index):
        self.asked.append((self.epoch, self.rows(index).tolist()))
        return super().__getitem__(index)


AWKWARD = {
    "one row": ([5], {}),
    "one batch": ([5, 9, 30], {}),
    "all of one length": ([7] * 11, {}),
    "two widths, the last not full": ([5] * 8 + [30], {}),
    "many widths": (list(range(1, 80)), {}),
    "sizes that vary": (list(range(1, 80)), {"max_batch_tokens": 100}),
}


@pytest.mark.parametrize("case", AWKWARD)
def test_keras_fits_three_epochs_and_sees_every_row_once_in_each(case):
    lengths, settings = AWKWARD[case]
    corpus = corpus_of(lengths)
    corpus.labels = corpus.labels // 10 % 2
    model = keras.Sequential(
        [
            keras.layers.Embedding(len(lengths) + 1, 2),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(2),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=False)
    train = Watched(corpus, 4, pad_id=PAD, **settings)
    validation = BucketedBatches(corpus, 4, pad_id=PAD, shuffle=False, **settings)
    model.fit(train, validation_data=validation, epochs=3, shuffle=False, verbose=0)
    assert train.epoch == 3
    # Keras looks at batches 0 and 1 before it begins.
    asked = train.asked[min(2, len(train)) :]
    for epoch in range(3):
        rows = [row for number, batch in asked if number == epoch for row in batch]
        assert sorted(rows) == list(range(len(lengths)))
    # Another fit goes on where this one ended.
    train.asked.clear()
    model.fit(train, initial_epoch=3, epochs=4, shuffle=False, verbose=0)
    assert {number for number, _ in train.asked} == {3}
    assert train.epoch == 4

    predictions = np.zeros((len(lengths), 2), np.float32)
    predictions[validation.order] = model.predict(validation, verbose=0)
    for row in {0, len(lengths) // 2, len(lengths) - 1}:
        alone = corpus.padded(np.array([row]), _width_of(validation, row), PAD)
        np.testing.assert_allclose(predictions[row], model(alone)[0], rtol=1e-4)


def _width_of(batches, row):
    index = next(i for i in range(len(batches)) if row in batches.rows(i))
    return batches[index][0].shape[1]


def test_everything_works_on_jax_without_tensorflow():
    script = """
        import sys
        sys.modules["tensorflow"] = None  # importing it fails
        import keras
        import numpy as np
        from letter_tokenizer import LetterTokenizer
        from textlstm.data import BucketedBatches, EncodedCorpus, open_source, split_examples

        split = split_examples(open_source("sample"), limit=60)
        rows = list(split.examples("train"))
        corpus = EncodedCorpus.build(
            [type(row)(row.text[:1].lower() * len(row.text), row.label, "") for row in rows
             if row.text[:1].isascii()],
            LetterTokenizer(), labels=split.labels)
        batches = BucketedBatches(corpus, 4, pad_id=0, seed=1)
        model = keras.Sequential([
            keras.layers.Embedding(64, 2), keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(2)])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(batches, epochs=2, shuffle=False, verbose=0)
        print(keras.backend.backend(), batches.epoch)
    """
    path = [place for place in sys.path if place]
    code = f"import sys; sys.path[:0] = {path!r}\n{textwrap.dedent(script)}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["jax", "2"]


def test_a_million_rows_are_shuffled_well_under_a_second():
    lengths = np.random.default_rng(0).integers(1, 300, 1_000_000).astype(np.int32)
    starts = np.zeros(len(lengths), np.int64)
    corpus = EncodedCorpus(np.ones(300, np.int32), starts, lengths, lengths)
    begin = time.process_time()
    batches = BucketedBatches(corpus, pad_id=PAD)
    batches.epoch += 1
    assert time.process_time() - begin < 1
    assert len(batches) == 15_625
