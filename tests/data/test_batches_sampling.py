"""Batches whose rows are sampled anew: the same texts, repeatable, and Keras takes their shapes."""

import keras
import numpy as np
import pytest

from textlstm.data import BucketedBatches, EncodedCorpus
from textlstm.data.batches import bucket_widths
from textlstm.tokenizers import SentencePieceTokenizer

TEXTS = [" ".join(["river", "mountain", "teacher"][: 1 + i % 3] * (1 + i // 9)) for i in range(45)]


@pytest.fixture(scope="module")
def tokenizer():
    return SentencePieceTokenizer.train(TEXTS, 60, "bpe")


@pytest.fixture
def make(tokenizer):
    """Makes batches of `TEXTS` that are sampled; the label of a row is its number."""

    def make(batch_size=8, max_tokens=None, texts=TEXTS, alpha=0.5, **options):
        corpus = EncodedCorpus.build(texts, tokenizer, max_tokens=max_tokens)
        corpus.labels = np.arange(len(texts), dtype=np.int32)
        return BucketedBatches(
            corpus,
            batch_size,
            pad_id=tokenizer.pad_id,
            sample=lambda rows, seed: tokenizer.resample(rows, alpha=alpha, seed=seed),
            **options,
        )

    return make


def epoch_of(batches):
    return [batches[index] for index in range(len(batches))]


def ids_of(epoch):
    return [ids.tolist() for ids, _ in epoch]


def test_every_row_is_its_text_in_other_pieces(make, tokenizer):
    batches = make()
    seen, changed = [], 0
    for ids, labels in epoch_of(batches):
        assert ids.dtype == np.int32
        assert tokenizer.decode(ids) == [TEXTS[label] for label in labels]
        seen += labels.tolist()
        lengths = (ids != tokenizer.pad_id).sum(axis=1)
        changed += (lengths != batches.corpus.lengths[labels]).sum()
        assert (ids[np.arange(len(ids)), lengths - 1] == tokenizer.end_id).all()
    assert sorted(seen) == list(range(len(TEXTS)))
    assert changed > len(TEXTS) / 2


def test_a_batch_is_no_wider_than_its_longest_row_needs(make, tokenizer):
    batches = make()
    for _ in range(4):
        widths = []
        for index, (ids, _) in enumerate(epoch_of(batches)):
            longest = (ids != tokenizer.pad_id).sum(axis=1).max()
            widths.append(ids.shape[1])
            least = bucket_widths(longest)[-1]
            # The second may be one wider, to differ from the first.
            assert widths[-1] == least or (index == 1 and widths[0] == least)
        assert widths[0] != widths[1]
        batches.epoch += 1


def test_long_rows_are_cut_and_keep_their_end_mark(make, tokenizer):
    batches = make(max_tokens=6, alpha=1.0)
    for ids, labels in epoch_of(batches):
        assert ids.shape[1] in (8, 10)
        for row, label in zip(ids, labels, strict=True):
            assert row[5] == tokenizer.end_id  # every text has more characters than that
            assert TEXTS[label].startswith(tokenizer.decode(row))


def test_a_resumed_run_draws_what_the_first_one_drew(make):
    batches = make(seed=3)
    epochs = []
    for _ in range(3):
        epochs.append(ids_of(epoch_of(batches)))
        batches.epoch += 1
    assert epochs[0] != epochs[1] != epochs[2]
    resumed = make(seed=3)
    resumed.epoch = 2
    assert ids_of(resumed[index] for index in range(len(resumed))) == epochs[2]
    # A batch is drawn by its number, not by what was asked for before.
    assert resumed[1][0].tolist() == epochs[2][1]
    assert ids_of(epoch_of(make(seed=4))) != epochs[0]


def test_equal_rows_are_drawn_one_by_one(make, tokenizer):
    ids, _ = make(texts=["mountain river"] * 20, batch_size=10)[0]
    assert len({tuple(row) for row in ids.tolist()}) > 5


@pytest.mark.parametrize("texts", [TEXTS, ["river"] * 20, ["river"] * 16])
def test_keras_fits_several_epochs(make, tokenizer, texts):
    batches = make(texts=texts)
    batches.corpus.labels %= 2
    model = keras.Sequential(
        [
            keras.layers.Embedding(tokenizer.vocabulary_size, 2),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(2),
        ]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(batches, epochs=4, shuffle=False, verbose=0)
    assert batches.epoch == 4


def test_a_single_batch_is_refused(make):
    with pytest.raises(ValueError, match="two batches or more.* 45 rows, batch_size=64"):
        make(batch_size=64)
