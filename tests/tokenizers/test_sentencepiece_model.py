"""The tables that a graph looks things up in."""

import numpy as np
import pytest

from textlstm.errors import InputError
from textlstm.tokenizers.sentencepiece_model import (
    CharacterTable,
    NormalizationRules,
    PairTable,
    SentencePieceTables,
    Trie,
)


def look_up(table: PairTable, row: int, label: int) -> int:
    slot = table.base[row] + label
    return int(table.values[slot]) if table.owners[slot] == row else 0


def test_character_table():
    table = CharacterTable("bé好a\U0001f600")
    codes = np.array([ord(c) for c in "abé好\U0001f600z"])
    numbers = table.numbers[table.pages[codes >> 8] * 256 + (codes & 255)]
    assert numbers.tolist() == [*table.encode("abé好\U0001f600"), 0]
    assert table.size == 6


def test_pair_table_holds_every_entry_and_no_other():
    rng = np.random.default_rng(0)
    rows = [
        {int(label): int(rng.integers(1, 99)) for label in rng.choice(40, size=size, replace=False)}
        for size in rng.integers(0, 12, size=300)
    ]
    table = PairTable(rows, num_labels=40)
    for r, row in enumerate(rows):
        assert [look_up(table, r, label) for label in range(40)] == [
            row.get(label, 0) for label in range(40)
        ]


def test_trie():
    trie = Trie([((1, 2), 7), ((1,), 5), ((2, 2, 2), 9)], num_characters=3)
    node = look_up(trie.transitions, 0, 1)
    assert trie.values[node] == 5
    assert trie.values[look_up(trie.transitions, node, 2)] == 7
    assert look_up(trie.transitions, node, 1) == 0
    assert trie.values[look_up(trie.transitions, 0, 2)] == -1


def test_normalization_rules(trained_pair):
    rules = trained_pair("unigram").tokenizer._tables.rules

    def longest(text: str) -> str | None:
        state, found = rules.start, None
        for byte in text.encode():
            slot = state ^ byte
            if rules.labels[slot] != byte:
                break
            state = rules.jumps[slot]
            if rules.values[slot] >= 0:
                found = int(rules.values[slot])
        if found is None:
            return None
        start, size = rules.starts[found], rules.lengths[found]
        return "".join(map(chr, rules.codes[start : start + size]))

    assert longest("Ａ") == "A"
    assert longest("e\u0301") == "é"
    assert longest("\t") == " "
    assert longest("\x01") == ""
    assert longest("ﷺ") == "صلى الله عليه وسلم"
    assert longest("a") is None


@pytest.mark.parametrize("blob", [b"\0", b"\x04\0\0\0abcd", b"\xff\xff\xff\x7f" + b"a" * 99])
def test_damaged_rules(blob):
    with pytest.raises(InputError, match="normalization rules"):
        NormalizationRules(blob)


def test_scores_as_they_count(make_model):
    pieces = [("abc", 0.0, 4), ("a", -2.0, 1), ("b", -5.0, 1), ("c", -9.0, 5)]
    tables = SentencePieceTables(make_model(pieces))
    np.testing.assert_array_equal(tables.scores[4], np.float32(0.1) * np.float32(2))
    assert tables.unknown_score == -15.0
