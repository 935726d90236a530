"""Pairs as two corpora with the same rows, and batches of both sides."""

import keras
import numpy as np
import pytest
from letter_tokenizer import LetterTokenizer

from textlstm import InputError
from textlstm.data import EncodedPairs, PairBatches

BEGIN = 1
LETTERS = LetterTokenizer()


def encode(sources, targets, **options):
    return EncodedPairs.build(sources, targets, LETTERS, LETTERS, **options)


def batches_of(pairs, batch_size=2, **options):
    return PairBatches(
        pairs, batch_size, source_pad_id=0, target_pad_id=0, begin_id=BEGIN, **options
    )


def test_what_the_decoder_reads_is_one_token_behind_what_it_says():
    (batch,) = batches_of(encode(["ab", "abcdefgh"], ["xyz", "z"]))
    inputs, labels, weights = batch
    # Rows of like length come by the longer side; both sides get the width of a bucket.
    assert inputs["source"].shape == inputs["target"].shape == labels.shape == (2, 10)
    np.testing.assert_array_equal(inputs["source"][0, :4], [3, 4, 2, 0])
    np.testing.assert_array_equal(inputs["target"][0, :5], [BEGIN, 26, 27, 28, 2])
    np.testing.assert_array_equal(labels[0, :5], [26, 27, 28, 2, 0])
    np.testing.assert_array_equal(weights[0, :5], [1, 1, 1, 1, 0])
    np.testing.assert_array_equal(labels[1, :3], [28, 2, 0])


def test_a_translation_as_wide_as_its_batch_is_read_from_the_begin_mark():
    ((inputs, labels, weights),) = batches_of(encode(["a"], ["bcdefgh"]))
    np.testing.assert_array_equal(inputs["target"][0], [BEGIN, *labels[0, :-1]])
    assert labels[0, -1] == 2 and weights.all()


def test_every_pair_comes_once_in_an_epoch_with_its_own_translation():
    letters = "abcdefghijklmnopqrstuvwxyz"
    sources = [letters[: n % 23 + 1] for n in range(150)]
    targets = [letters[n % 7] * (n % 17 + 1) for n in range(150)]
    pairs = encode(sources, targets)
    batches = batches_of(pairs, 8, shuffle=True, max_batch_tokens=100)
    seen = []
    for index in range(len(batches)):
        inputs, labels, _ = batches[index]
        assert labels.size <= 100
        for row, place in zip(batches.rows(index), range(len(labels)), strict=True):
            seen.append(int(row))
            for ids, corpus in ((inputs["source"], pairs.source), (labels, pairs.target)):
                np.testing.assert_array_equal(ids[place][ids[place] > 0], corpus.ids(row))
    assert sorted(seen) == list(range(150))


def test_both_sides_are_drawn_anew_in_every_epoch():
    pairs = encode(["ab", "abc", "abcdefghij"], ["z", "zy", "zyxwvutsr"])

    def doubled(rows, seed):
        return [np.concatenate([row[:-1], row]) if seed[1] else row for row in rows]

    batches = batches_of(pairs, sample=(doubled, lambda rows, seed: rows), shuffle=False)
    first = [batches[i] for i in range(len(batches))]
    batches.epoch = 1
    second = [batches[i] for i in range(len(batches))]
    for old, new in zip(first, second, strict=True):
        for a, b in zip(old[0]["source"], new[0]["source"], strict=True):
            np.testing.assert_array_equal(b[b > 0], [*a[a > 2], *a[a > 0]])
        assert new[0]["source"].shape == new[1].shape
        np.testing.assert_array_equal(new[1][new[1] > 0], old[1][old[1] > 0])


def test_keras_takes_them():
    pairs = encode(
        ["ab", "abc", "abcdefghij", "abcdefghijklmnop"] * 3, ["z", "zy", "x" * 9, "y"] * 3
    )
    source, target = (keras.Input((None,), dtype="int32", name=n) for n in ("source", "target"))
    embed = keras.layers.Embedding(30, 4)
    hidden = embed(target) + keras.ops.mean(embed(source), axis=1, keepdims=True)
    model = keras.Model({"source": source, "target": target}, keras.layers.Dense(30)(hidden))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(batches_of(pairs), epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_long_and_lopsided_pairs_are_left_out_and_counted():
    pairs = encode(["abc", "a" * 30, "a" * 12, "a" * 8], ["abc", "b", "b", "b"])
    kept, notes = pairs.filtered(max_tokens=20, max_ratio=4)
    assert len(kept) == 2
    assert kept.lengths.tolist() == [4, 9]  # short pairs are not judged by their ratio
    assert notes == [
        "left out 1 pair with a side of more than 20 tokens",
        "left out 1 pair with one side over 4 times as long as the other",
    ]
    assert pairs.filtered(max_tokens=40)[1] == []
    with pytest.raises(InputError, match="all 4 pairs are left out: left out 4 pairs with a side"):
        pairs.filtered(max_tokens=2)


def test_on_disk_and_back(tmp_path):
    pairs = encode(["ab", "c"], ["x", "yz"], folder=tmp_path / "pairs")
    again = EncodedPairs.open(tmp_path / "pairs")
    for side, other in ((pairs.source, again.source), (pairs.target, again.target)):
        assert [side.ids(row).tolist() for row in range(2)] == [
            other.ids(row).tolist() for row in range(2)
        ]


def test_a_text_without_a_translation_is_told():
    with pytest.raises(InputError, match="there are 2 texts and 1 translations"):
        encode(["a", "b"], ["x"])
