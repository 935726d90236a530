"""The text of tokens that come one by one: what they are together, and no piece too early."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlstm import InputError, SentencePieceTokenizer
from textlstm.tasks.writing import checked_options, cut_at, in_pieces, row_seeds

TEXTS = ["a cat sat", "a mat  and a cat", "c", "cat mat"] * 20
BYTES = SentencePieceTokenizer.train(TEXTS, 300, "bpe", byte_fallback=True)
CHARS = SentencePieceTokenizer.train(TEXTS, 40, "char")


def spelled(tokenizer, *pieces):
    return [tokenizer.pieces.index(piece) for piece in pieces]


def as_bytes(data: bytes):
    return spelled(BYTES, *(f"<0x{byte:02X}>" for byte in data))


def check(tokenizer, ids, stops=(), before=()):
    """Checks that the pieces are the text behind `before`, cut at the stops."""
    pieces = list(in_pieces(iter(ids), tokenizer, stops, before=before))
    whole = tokenizer.decode([*before, *ids])[len(tokenizer.decode(list(before))) :]
    assert "".join(pieces) == cut_at(whole, stops)
    assert all(pieces)
    return pieces


def test_a_character_comes_whole_behind_bytes_that_are_none():
    assert check(BYTES, as_bytes("é你😀".encode())) == ["é", "你", "😀"]
    assert check(BYTES, as_bytes(b"\x80\x80" + "你".encode()))[-1].endswith("你")
    assert check(BYTES, as_bytes(b"\xe4\xbd\xe4\xbd\xa0\xf0\x9f"))[-1].endswith("\ufffd")


def test_a_stop_string_counts_at_the_end_too():
    check(BYTES, as_bytes(b"\xed"), stops=("\ufffd",))
    check(BYTES, as_bytes(b"a\xed"), stops=("a\ufffd",))


def test_a_space_stays_behind_a_space():
    ids = spelled(CHARS, "c", "▁", "▁", "m")
    assert "".join(check(CHARS, ids)) == "c  m"
    check(CHARS, ids[1:])
    check(CHARS, ids[2:], before=ids[:2])
    check(CHARS, ids[1:], before=ids[1:3])


@given(st.lists(st.sampled_from([*as_bytes("é你😀".encode()), *range(4, 50), *range(260, 280)])))
def test_any_tokens_are_what_they_are_together(ids):
    check(BYTES, ids)
    check(BYTES, ids[2:], before=ids[:2])


@given(
    st.text("abc", max_size=12),
    st.lists(st.text("abc", min_size=1, max_size=3), max_size=3),
)
def test_any_stop_strings(text, stops):
    tokenizer = SentencePieceTokenizer.train(["a b c abc"] * 9, 9, "char", exact=True)
    check(tokenizer, tokenizer.encode([text], add_end=False)[0].tolist(), tuple(stops))


def test_the_stop_string_that_is_complete_first_ends_a_text():
    assert cut_at("xabc", ("abc", "b")) == "xa"
    assert cut_at("xabc", ("abc", "bc")) == "x"
    assert cut_at("xabc", ("d",)) == "xabc"


def test_options_out_of_range_are_named():
    for options in ({"temperature": np.inf}, {"temperature": np.nan}, {"top_p": 0}):
        given = {"temperature": 1.0, "top_k": None, "top_p": None, "min_p": None, **options}
        with pytest.raises(InputError, match=next(iter(options))):
            checked_options(9, repetition_penalty=None, **given)
    with pytest.raises(InputError, match=r"2 prompts and seeds of shape \(3,\)"):
        row_seeds([1, 2, 3], 2)
    assert row_seeds(5, 3).tolist() == [5, 6, 7]
