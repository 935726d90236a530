"""The Keras layer: training, reading, writing, and its Python side."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from textlstm.errors import InputError
from textlstm.tokenizers import SentencePieceTokenizer


@pytest.fixture(scope="module")
def tokenizer(trained_pair):
    return trained_pair("unigram").tokenizer


class TestTraining:
    @pytest.mark.parametrize("model_type", ["unigram", "bpe", "char"])
    def test_small_texts_give_a_small_vocabulary(self, model_type):
        tokenizer = SentencePieceTokenizer.train(["a small text"], 8000, model_type)
        assert tokenizer.vocabulary_size < 100
        assert (tokenizer.pad_id, tokenizer.unknown_id) == (0, 1)
        assert (tokenizer.begin_id, tokenizer.end_id) == (2, 3)
        assert tokenizer.decode(tokenizer.encode("a small text")) == "a small text"

    @pytest.mark.parametrize("model_type", ["unigram", "bpe", "char"])
    def test_odd_texts_do_no_harm(self, model_type, texts):
        odd = ["two\nlines", "a\ttab", "a\0nul", "", " ", "\x01", "\ud800 \udc00", "▅", "▁", "好"]
        tokenizer = SentencePieceTokenizer.train(iter([*odd, *texts[:50]]), 300, model_type)
        assert tokenizer.decode(tokenizer.encode("two lines")) == "two lines"

    def test_same_texts_same_tokenizer(self, texts):
        first, second = (
            SentencePieceTokenizer.train(iter(texts), 200, max_sentences=200, seed=3)
            for _ in range(2)
        )
        assert first.get_config()["model"] == second.get_config()["model"]

    def test_long_texts_are_not_dropped(self):
        text = "好" * 20_000 + "z" + "x " * 9000
        tokenizer = SentencePieceTokenizer.train([text], 50, "char", character_coverage=1.0)
        assert {"好", "x", "z"} <= set(tokenizer.pieces)

    def test_exact_vocabulary_size(self, texts):
        for model_type in ("unigram", "bpe"):
            tokenizer = SentencePieceTokenizer.train(texts, 200, model_type)
            assert tokenizer.vocabulary_size == len(tokenizer.pieces) == 200

    def test_errors(self, texts):
        for nothing in ([], ["", " \n"]):
            with pytest.raises(InputError, match="holds no text"):
                SentencePieceTokenizer.train(nothing)
        with pytest.raises(InputError, match="`vocabulary_size` is 10"):
            SentencePieceTokenizer.train(texts, 10)
        with pytest.raises(InputError, match="'word'"):
            SentencePieceTokenizer.train(texts, 100, "word")
        with pytest.raises(InputError, match="one text"):
            SentencePieceTokenizer.train("a text")
        with pytest.raises(InputError, match="text 1 a int"):
            SentencePieceTokenizer.train(["a", 1])


class TestModels:
    @pytest.mark.parametrize("model", [b"", b"no model", b"\0" * 30, "abc", None])
    def test_no_model(self, model):
        with pytest.raises(InputError, match="`model`"):
            SentencePieceTokenizer(model)

    def test_word_model(self, make_model):
        with pytest.raises(InputError, match="'word'"):
            SentencePieceTokenizer(make_model([("▁a", -1.0, 1)], model_type=3))

    def test_files(self, tokenizer, tmp_path):
        tokenizer.save_model(tmp_path / "x.model")
        copy = SentencePieceTokenizer.from_file(tmp_path / "x.model")
        assert copy.get_config()["model"] == tokenizer.get_config()["model"]
        with pytest.raises(InputError, match="missing.model"):
            SentencePieceTokenizer.from_file(tmp_path / "missing.model")
        (tmp_path / "bad.model").write_bytes(b"bad")
        with pytest.raises(InputError, match=r"bad\.model"):
            SentencePieceTokenizer.from_file(tmp_path / "bad.model")

    def test_missing_marks_are_added(self, make_model):
        tokenizer = SentencePieceTokenizer(make_model([("a", -1.0, 1)], specials=False))
        assert tokenizer.pieces == ["<unk>", "a", "</s>", "<pad>"]
        assert tokenizer.begin_id is None
        assert tokenizer.encode("a").tolist() == [0, 1, 2]
        assert tokenizer.decode([1, 3, 2, 1]) == "aa"


class TestEncodeDecode:
    def test_one_or_many(self, tokenizer):
        one = tokenizer.encode("the old river")
        assert one.dtype == np.int32 and one[-1] == tokenizer.end_id
        for many in (["the old river", b""], np.array(["the old river", ""])):
            rows = tokenizer.encode(many)
            np.testing.assert_array_equal(rows[0], one)
            assert rows[1].tolist() == [tokenizer.end_id]
        assert tokenizer.encode([]) == []
        assert tokenizer.encode("", add_end=False).tolist() == []
        rows[0][0] = 5  # arrays may be written to

    def test_decode(self, tokenizer):
        ids = tokenizer.encode(["the old river", "好！"])
        assert tokenizer.decode(ids) == ["the old river", "好!"]
        assert tokenizer.decode(ids[0]) == "the old river"
        assert tokenizer.decode([tokenizer.begin_id, *ids[0], 0, 0]) == "the old river"
        padded = np.zeros([2, 99], np.int64)
        padded[0, : len(ids[0])] = ids[0]
        assert tokenizer.decode(padded) == ["the old river", ""]
        assert tokenizer.decode([]) == ""
        assert tokenizer.decode([[]]) == [""]
        assert tokenizer.decode(np.zeros([0, 3], np.int32)) == []

    def test_surrogates(self, tokenizer):
        same = [("a\ud800b", "a\ufffdb"), ("\udc00", "\ufffd"), ("\ud83d\ude00", "\U0001f600")]
        for surrogates, clean in same:
            for texts in (surrogates, ["x", surrogates]):
                other = clean if isinstance(texts, str) else ["x", clean]
                np.testing.assert_equal(tokenizer.encode(texts), tokenizer.encode(other))

    def test_malformed_bytes(self, tokenizer):
        np.testing.assert_array_equal(
            tokenizer.encode(b"a\xffb", add_end=False),
            tokenizer._processor.encode(b"a\xffb"),
        )

    def test_errors(self, tokenizer):
        with pytest.raises(InputError, match=r"texts\[1\]. is of type int"):
            tokenizer.encode(["a", 1])
        with pytest.raises(InputError, match=r"-1 in row 1 at place 2"):
            tokenizer.decode([[4], [4, 4, -1]])
        with pytest.raises(InputError, match="99999 in row 0"):
            tokenizer.decode([99999])
        with pytest.raises(InputError, match="float64"):
            tokenizer.decode([1.5])


class TestLayer:
    def test_in_a_model(self, tokenizer, tmp_path):
        inputs = keras.Input((), dtype="string")
        ids, lengths = tokenizer(inputs)
        assert ids.shape == (None, None) and lengths.shape == (None,)
        assert ids.dtype == lengths.dtype == "int32"
        built = keras.Model(inputs, [ids, lengths])
        built.save(tmp_path / "x.keras")
        loaded = keras.models.load_model(tmp_path / "x.keras")
        texts = tf.constant(["the old river", ""])
        for got, want in zip(loaded(texts), tokenizer(texts), strict=True):
            np.testing.assert_array_equal(got, want)

    def test_call_gives_what_encode_gives(self, tokenizer):
        texts = ["the old river", "夜來風雨聲", ""]
        ids, lengths = tokenizer(tf.constant(texts))
        for row, length, want in zip(ids, lengths, tokenizer.encode(texts), strict=True):
            np.testing.assert_array_equal(row[:length], want)

    def test_config_round_trip(self, tokenizer):
        copy = SentencePieceTokenizer.from_config(tokenizer.get_config())
        assert copy.name == tokenizer.name
        np.testing.assert_array_equal(copy.encode("a river"), tokenizer.encode("a river"))

    def test_other_backends(self, tokenizer, monkeypatch):
        monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
        with pytest.raises(InputError, match="'jax'"):
            tokenizer.call(["a"])


def test_the_suggested_size_follows_the_amount_of_text():
    from textlstm.tokenizers import suggest_vocabulary_size

    assert suggest_vocabulary_size([]) == 2_000
    assert suggest_vocabulary_size(["abcd" * 375_000]) == 2_500
    assert suggest_vocabulary_size(["abcd" * 2_500_000]) == 16_000
    # 4,000 different characters, equally frequent, nearly all of which are covered.
    assert suggest_vocabulary_size(chr(0x4E00 + i) for i in range(4_000)) == 5_997
