"""Sampled segmentations: which, how often, and that they can be repeated."""

import collections
import math
import os
import subprocess
import sys

import numpy as np
import pytest

from textlstm.errors import InputError
from textlstm.tokenizers import SentencePieceTokenizer

# "abc" as ▁|a|b|c and pieces of it; scores are logarithms of probabilities.
PIECES = [("▁", -1.0, 1), ("a", -2.0, 1), ("b", -2.5, 1), ("c", -3.0, 1), ("ab", -3.5, 1)]
PIECES += [("bc", -4.0, 1), ("abc", -9.0, 1)]
SCORES = {
    ("▁", "a", "b", "c"): -8.5,
    ("▁", "ab", "c"): -7.5,
    ("▁", "a", "bc"): -7.0,
    ("▁", "abc"): -10.0,
}
DRAWS = 20_000


def pieces_of(tokenizer, ids):
    assert ids.dtype == np.int32 and ids[-1] == tokenizer.end_id
    return tuple(tokenizer.pieces[i] for i in ids[:-1])


def shares(tokenizer, rows):
    """How often each segmentation was drawn."""
    counts = collections.Counter(pieces_of(tokenizer, row) for row in rows)
    return {pieces: count / len(rows) for pieces, count in counts.items()}


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_unigram_probabilities(make_model, alpha):
    tokenizer = SentencePieceTokenizer(make_model(PIECES))
    drawn = shares(tokenizer, tokenizer.sample(["abc"] * DRAWS, alpha=alpha, seed=0))
    weights = {pieces: math.exp(alpha * score) for pieces, score in SCORES.items()}
    for pieces, weight in weights.items():
        # The standard deviation of a share is at most 0.0036.
        assert drawn[pieces] == pytest.approx(weight / sum(weights.values()), abs=0.015)
    assert set(drawn) == set(weights)


def test_bpe_dropout_probabilities(make_model):
    pieces = [("a", -9.0, 1), ("b", -9.0, 1), ("c", -9.0, 1)]
    pieces += [("ab", -0.0, 1), ("bc", -1.0, 1), ("abc", -2.0, 1)]
    tokenizer = SentencePieceTokenizer(make_model(pieces, model_type=2, prefix=False))
    drawn = shares(tokenizer, tokenizer.sample(["abc"] * DRAWS, alpha=0.2, seed=0))
    expected = {
        ("abc",): 0.8 * 0.8 + 0.2 * 0.8 * 0.8,  # ab and then abc, or not ab, bc and then abc
        ("ab", "c"): 0.8 * 0.2,
        ("a", "bc"): 0.2 * 0.8 * 0.2,
        ("a", "b", "c"): 0.2 * 0.2,
    }
    assert sum(expected.values()) == pytest.approx(1)
    for pieces, share in expected.items():
        assert drawn[pieces] == pytest.approx(share, abs=0.015)
    assert set(drawn) == set(expected)


@pytest.mark.parametrize(("kind", "alpha"), [("unigram", 0.1), ("bpe", 0.5)])
def test_draws_as_the_package_does(trained_pair, kind, alpha):
    pair = trained_pair(kind)
    text = "春眠不覺曉"
    drawn = shares(pair.tokenizer, pair.tokenizer.sample([text] * DRAWS, alpha=alpha, seed=0))
    draw = {"enable_sampling": True, "nbest_size": -1, "alpha": alpha, "num_threads": 1}
    rows = [[*row, pair.tokenizer.end_id] for row in pair.processor.encode([text] * DRAWS, **draw)]
    theirs = shares(pair.tokenizer, [np.array(row, np.int32) for row in rows])
    assert len(theirs) > 5
    for pieces in set(drawn) | set(theirs):
        assert drawn.get(pieces, 0) == pytest.approx(theirs.get(pieces, 0), abs=0.02)


class TestAllVariants:
    def test_every_draw_decodes_to_the_same_text(self, variant, trained_pair, make_odd_texts):
        tokenizer = trained_pair(variant).tokenizer
        texts = make_odd_texts(200, seed=4)
        if variant.startswith("char"):
            with pytest.raises(InputError, match="'char' has one segmentation"):
                tokenizer.sample(texts, seed=0)
            return
        plain = tokenizer.encode(texts)
        for alpha in (0.0, 0.1, 1.0):
            drawn = tokenizer.sample(texts, alpha=alpha, seed=0)
            assert tokenizer.decode(drawn) == tokenizer.decode(plain)
        nearly_all = tokenizer.sample(texts, alpha=0.3, seed=0)
        assert any(not np.array_equal(a, b) for a, b in zip(nearly_all, plain, strict=True))

    def test_at_one_end_of_alpha_stands_what_encode_gives(
        self, variant, trained_pair, make_odd_texts
    ):
        if variant.startswith("char"):
            return
        tokenizer = trained_pair(variant).tokenizer
        texts = make_odd_texts(200, seed=5)
        alpha = 0.0 if variant.startswith("bpe") else 1e4
        drawn = tokenizer.sample(texts, alpha=alpha, seed=0)
        for row, expected in zip(drawn, tokenizer.encode(texts), strict=True):
            np.testing.assert_array_equal(row, expected)


def test_what_is_no_ordinary_piece_stays(make_model):
    pieces = [("▁", -1.0, 1), ("a", -1.0, 1), ("b", -1.0, 1), ("ab", -1.0, 1), ("aba", -1.0, 4)]
    tokenizer = SentencePieceTokenizer(make_model([*pieces, ("ba", -1.0, 5)]))
    rows = tokenizer.sample(["abaab好好ba"] * 200, alpha=0.0, seed=0)
    drawn = {pieces_of(tokenizer, row) for row in rows}
    end = ("<unk>", "b", "a")  # "ba" is an unused piece
    assert drawn == {("▁", "aba", "ab", *end), ("▁", "aba", "a", "b", *end)}


def test_added_marks_and_empty_texts(make_model):
    tokenizer = SentencePieceTokenizer(make_model([("a", -1.0, 1)], prefix=False, specials=False))
    rows = tokenizer.sample(["aa", "", "a"], seed=0)
    assert [row.tolist() for row in rows] == [[1, 1, 2], [2], [1, 2]]
    assert tokenizer.sample("aa", seed=0).tolist() == [1, 1, 2]
    assert tokenizer.sample([], seed=0) == []


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_the_seed_decides(trained_pair, texts, kind):
    tokenizer = trained_pair(kind).tokenizer
    first = np.concatenate(tokenizer.sample(texts, seed=[3, 1]))
    tokenizer.sample(texts[:5], seed=9)  # whatever was drawn before
    np.testing.assert_array_equal(np.concatenate(tokenizer.sample(texts, seed=[3, 1])), first)
    rows = tokenizer.encode(texts)
    again = tokenizer.resample(rows, seed=[3, 1])
    np.testing.assert_array_equal(np.concatenate(again), first)
    other = np.concatenate(tokenizer.sample(texts, seed=[3, 2]))
    assert not np.array_equal(other, first)


def test_another_process_draws_the_same(trained_pair, tmp_path):
    """The generator of the package itself does not give this, whatever its seed."""
    script = """
        import sys
        from textlstm.tokenizers import SentencePieceTokenizer
        for path in sys.argv[1:]:
            tokenizer = SentencePieceTokenizer.from_file(path)
            print([row.tolist() for row in tokenizer.sample(["the old river"] * 9, seed=1)])
    """
    paths, expected = [], []
    for kind in ("unigram", "bpe"):
        tokenizer = trained_pair(kind).tokenizer
        paths.append(str(tmp_path / kind))
        tokenizer.save_model(paths[-1])
        expected.append(str([r.tolist() for r in tokenizer.sample(["the old river"] * 9, seed=1)]))
    code = "import sys\nsys.path[:0] = " + repr([p for p in sys.path if p])
    code += script.replace("\n        ", "\n")
    done = subprocess.run(
        [sys.executable, "-c", code, *paths],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == expected


def test_alpha_out_of_range(trained_pair):
    with pytest.raises(InputError, match=r"`alpha` is -0.1; give 0 or more .*'unigram'"):
        trained_pair("unigram").tokenizer.sample(["a"], alpha=-0.1, seed=0)
    with pytest.raises(InputError, match=r"`alpha` is 1.5; give from 0 to 1 .*'bpe'"):
        trained_pair("bpe").tokenizer.sample(["a"], alpha=1.5, seed=0)
    with pytest.raises(InputError, match="`alpha` is nan"):
        trained_pair("bpe").tokenizer.sample(["a"], alpha=math.nan, seed=0)


def test_rows_without_end_mark(trained_pair):
    tokenizer = trained_pair("unigram").tokenizer
    for row in (tokenizer.encode("the", add_end=False), np.zeros(0, np.int32)):
        with pytest.raises(InputError, match=r"`rows\[1\]` does not end with the end mark 3"):
            tokenizer.resample([tokenizer.encode("the"), row], seed=0)
