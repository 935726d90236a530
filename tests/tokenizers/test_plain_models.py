"""Tokenizers that write what they read: of bytes, of words, and exact ones."""

import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from textlstm import InputError, SentencePieceTokenizer

TEXTS = ["Roses are red,\n  violets are\tblue.", "你好，世界！\n", "ﬁ ½ Ⅷ", "  two  spaces "]
OF_BYTES = SentencePieceTokenizer.of_bytes()
EXACT = {
    kind: SentencePieceTokenizer.train(TEXTS * 3, 340, kind, exact=True, byte_fallback=True)
    for kind in ("unigram", "bpe", "char")
}


def texts():
    return st.text(st.characters(exclude_categories=["Cs"], exclude_characters="▁\0"), max_size=40)


@settings(max_examples=60)
@given(text=texts())
@example(text=TEXTS[0])
@example(text=TEXTS[2])
def test_texts_come_back_as_they_were(text):
    for tokenizer in (OF_BYTES, *EXACT.values()):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_bytes_are_utf_8():
    ids = OF_BYTES.encode("a é", add_end=False)
    assert [OF_BYTES.pieces[i] for i in ids] == ["<0x61>", "<0x20>", "<0xC3>", "<0xA9>"]
    assert OF_BYTES.vocabulary_size == 260


def test_a_line_break_is_a_piece():
    for tokenizer in EXACT.values():
        pieces = [tokenizer.pieces[i] for i in tokenizer.encode("a\nb", add_end=False)]
        assert "\n" in pieces


@pytest.mark.parametrize("tokenizer", [OF_BYTES, *EXACT.values()], ids=["bytes", *EXACT])
def test_the_graph_gives_the_same(tokenizer):
    hard = [*TEXTS, "", "\n", " ", "a\n\nb", "語 😀", "x" * 50]
    ids, lengths = tokenizer.graph.encode(tf.constant(hard))
    for text, row, length in zip(hard, ids.numpy(), lengths.numpy()):
        assert row[:length].tolist() == tokenizer.encode(text).tolist(), text
    decoded = tokenizer.graph.decode(ids, lengths)
    assert [text.decode() for text in decoded.numpy()] == hard


def test_words():
    tokenizer = SentencePieceTokenizer.of_words(["the", "cat", ",", "<eos>", "cats", "Ünder"])
    ids = tokenizer.encode("the cats , the  cat Ünder", add_end=False)
    assert [tokenizer.pieces[i] for i in ids] == ["▁the", "▁cats", "▁,", "▁the", "▁cat", "▁Ünder"]
    assert tokenizer.decode(ids) == "the cats , the cat Ünder"
    assert tokenizer.unknown_id in tokenizer.encode("the dog")
    graph_ids, lengths = tokenizer.graph.encode(tf.constant(["the cats , dog cat"]))
    expected = tokenizer.encode("the cats , dog cat").tolist()
    assert graph_ids.numpy()[0, : lengths[0]].tolist() == expected


def test_a_line_break_is_a_word_if_it_is_listed_and_else_a_space():
    tokenizer = SentencePieceTokenizer.of_words(["the", "cat", "\n"])
    (ids,) = tokenizer.encode(["the\ncat \n\n the"], add_end=False)
    assert [tokenizer.pieces[id] for id in ids] == ["▁the", "▁\n", "▁cat", "▁\n", "▁\n", "▁the"]
    assert tokenizer.decode(ids) == "the \n cat \n \n the"
    in_graph, _ = tokenizer.graph.encode(tf.constant(["the\ncat \n\n the"]))
    assert in_graph.numpy().tolist() == [[*ids, tokenizer.end_id]]
    plain = SentencePieceTokenizer.of_words(["the", "cat"])
    (ids,) = plain.encode(["the\ncat"], add_end=False)
    assert [plain.pieces[id] for id in ids] == ["▁the", "▁cat"]


@pytest.mark.parametrize("space", ["\t", "\r", "\f", "\u00a0", "\u2028", "\u3000"])
def test_other_white_space_is_a_character_of_words(space):
    words = [f"a{space}b", space, f"{space}a", f"b{space}", "a", "b"]
    tokenizer = SentencePieceTokenizer.of_words(words)
    ids = tokenizer.encode(" ".join(words))
    assert [tokenizer.pieces[id] for id in ids[:-1]] == [f"▁{word}" for word in words]
    assert tokenizer.decode(ids) == " ".join(words)
    in_graph, _ = tokenizer.graph.encode(tf.constant([" ".join(words)]))
    assert in_graph.numpy()[0].tolist() == ids.tolist()


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "no word"),
        (["a", "b", "a"], "word 2 'a'; give every word once"),
        ([""], "word 0 ''"),
        (["a b"], "word 0 'a b', which holds a space"),
        (["a\nb"], "holds a line break"),
        (["a", "▁b"], "word 1 '▁b', which holds U.2581, .*--model-type unigram"),
        (["a\0"], "holds NUL"),
    ],
)
def test_words_that_are_none(words, message):
    with pytest.raises(InputError, match=message):
        SentencePieceTokenizer.of_words(words)
