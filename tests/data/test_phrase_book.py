import json
import re
from importlib import resources
from itertools import islice

import pytest

from textlstm import InputError
from textlstm.data import PhraseBookSource
from textlstm.data.pairs import Pair, PairSource
from textlstm.data.phrase_book import PhraseBook, load_phrase_book

BLOCKS = json.loads(
    resources.files("textlstm.data")
    .joinpath("samples", "phrases_en_zh.json")
    .read_text(encoding="utf-8")
)
TOY = {
    "slots": {
        "animal": [{"en": a, "zh": b} for a, b in (("cat", "猫"), ("dog", "狗"), ("cow", "牛"))],
        "number": [{"en": "two", "zh": "二", "zh_count": "两"}, {"en": "six", "zh": "六"}],
    },
    "frames": [
        {
            "en": "{number} {animal}s see a {animal2}.",
            "zh": "{number.zh_count}只{animal}看{animal2}。",
        }
    ],
    "written": [{"en": "Good.", "zh": "好。"}],
}


def test_a_frame_unfolds():
    parts = ("train", "validation", "test")
    pairs = dict(pair for part in parts for pair in everything(TOY, part))
    assert len(pairs) == 12
    assert pairs["Two cats see a dog."] == "两只猫看狗。"
    assert pairs["Six dogs see a cow."] == "六只狗看牛。"
    assert all(first != second for first, second in (re.findall("cat|dog|cow", en) for en in pairs))


def everything(blocks, part):
    found = []
    with pytest.raises(InputError, match=f"part '{part}'.*hardly more than {'[0-9]+'} different"):
        for pair in PhraseBook(blocks).unfold(part, 1_000):
            found.append(pair)
    return found


def test_the_book_is_large_and_its_parts_do_not_share_a_sentence():
    source = PhraseBookSource()
    parts = {part: list(source.pairs(part)) for part in source.parts}
    counts = {part: len(pairs) for part, pairs in parts.items()}
    assert counts == {"train": 12_000, "validation": 500, "test": 1_000, "written": 230}
    sides = {part: {pair.source for pair in pairs} for part, pairs in parts.items()}
    assert len(set.union(*sides.values())) == sum(counts.values())
    assert source.notes == []
    assert [pair.where for pair in parts["test"][:2]] == ["sample/test:1", "sample/test:2"]


def test_training_never_sees_the_held_back_words_together():
    blocks = {**TOY, "slots": {**TOY["slots"], "animal": []}}
    blocks["slots"]["animal"] = [{"en": f"x{i}y", "zh": f"兽{i}"} for i in range(30)]
    book = PhraseBook(blocks)
    seen = {frozenset(re.findall(r"x\d+y", en)) for en, _ in islice(book.unfold("train", 900), 900)}
    tested = [set(re.findall(r"x\d+y|Two|Six", en)) for en, _ in book.unfold("test", 60)]
    # The pair that is held back is two animals, or a number and an animal.
    new = [words for words in tested if frozenset(words - {"Two", "Six"}) not in seen]
    assert len(new) > 20


def test_the_same_seed_gives_the_same_pairs():
    book = load_phrase_book()
    first = list(book.unfold("train", 50))
    assert list(book.unfold("train", 20)) == first[:20]
    assert list(book.unfold("train", 50, seed=1)) != first


def test_the_blocks_are_whole():
    """Every reference has an entry in every form it asks for, on both sides."""
    reference = re.compile(r"\{([a-z_]+)(\d?)(?:\.([a-z_]+))?\}")
    assert len(BLOCKS["frames"]) >= 60
    assert sum(map(len, BLOCKS["slots"].values())) >= 400
    assert len(BLOCKS["written"]) >= 200
    for frame in BLOCKS["frames"]:
        used = [{m[:2] for m in reference.findall(frame[side])} for side in ("en", "zh")]
        assert used[0] == used[1], frame
        for side in ("en", "zh"):
            for slot, _, form in reference.findall(frame[side]):
                for entry in BLOCKS["slots"][slot]:
                    assert form == "zh_count" or (form or side) in entry, (frame, entry)
    for english, chinese in PhraseBook(BLOCKS).unfold("train", 2_000):
        assert english.isascii() and "{" not in english + chinese
        assert not re.search(r"[ .,?!a-zA-Z0-9]", chinese), chinese
        assert english[-1] in ".?!" and chinese[-1] in "。？！"


class Few(PairSource):
    def __init__(self, rows):
        super().__init__("few", "rows", ("all",))
        self._rows = rows

    def _read(self, part):
        for number, (source, target) in enumerate(self._rows, start=1):
            yield Pair(source, target, f"few:{number}")


def test_pairs_with_an_empty_side_are_left_out_and_noted():
    source = Few([("a", "b"), ("", "c"), ("d", " "), ("e", "f")])
    assert [pair.target for pair in source.pairs("all")] == ["b", "f"]
    assert source.notes == ["left out 2 pairs with an empty side: few:2, few:3"]
    with pytest.raises(InputError, match="few: holds no pair of texts"):
        list(Few([("", "")]).pairs("all"))
    with pytest.raises(InputError, match="no part 'test'; the parts are all"):
        source.pairs("test")
