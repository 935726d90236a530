"""Parts of running text: many texts by their hashes, few by their ends."""

import pytest

from textlstm import InputError, split_texts
from textlstm.data import Text, TextSource


class Listed(TextSource):
    def __init__(self, name="book", **parts):
        super().__init__(name, "a list", tuple(parts))
        self._texts = parts

    def _read(self, part):
        return (Text(text, f"{part}:{n}") for n, text in enumerate(self._texts[part], start=1))


def texts(split, part):
    return [row.text for row in split.texts(part)]


def test_of_one_long_text_the_end_is_held_out():
    text = "".join(chr(0x4E00 + n) for n in range(100))
    split = split_texts(Listed(all=[text]), test_size=0.1, validation_size=0.05)
    assert split.parts == ("train", "validation", "test")
    assert texts(split, "train") == [text[:85]]
    assert texts(split, "validation") == [text[85:90]]
    assert texts(split, "test") == [text[90:]]
    assert split.counts == {"train": 1, "validation": 1, "test": 1}
    assert split.notes == ["held out for test and validation: the end of each text"]


def test_of_each_of_several_long_texts_the_end_is_held_out():
    split = split_texts(Listed(all=["a" * 10, "b" * 20]), test_size=0.1, validation_size=0.2)
    assert texts(split, "train") == ["a" * 7, "b" * 14]
    assert texts(split, "validation") == ["aa", "bbbb"]
    assert texts(split, "test") == ["a", "bb"]


def test_own_parts_are_used_whole_and_the_rest_is_cut():
    source = Listed(train=["abcdefghij"], test=["xyz"])
    split = split_texts(source, validation_size=0.2)
    assert [texts(split, part) for part in split.parts] == [["abcdefgh"], ["ij"], ["xyz"]]
    whole = split_texts(Listed(train=["abc"], validation=["d"], test=["e"]))
    assert [texts(whole, part) for part in whole.parts] == [["abc"], ["d"], ["e"]]


def test_many_texts_are_told_apart_by_their_hashes():
    numbered = [f"text {n}" for n in range(1000)]
    split = split_texts(Listed(all=numbered + numbered[:500]), test_size=0.2, validation_size=100)
    found = {part: texts(split, part) for part in split.parts}
    assert sum(map(len, found.values())) == 1500
    assert not set(found["train"]) & (set(found["test"]) | set(found["validation"]))
    assert 240 < len(found["test"]) < 360 and 95 <= len(found["validation"]) <= 100
    # Adding texts moves none.
    more = split_texts(Listed(all=["new", *numbered]), test_size=0.2)
    assert set(found["test"]) - {"new"} == set(texts(more, "test")) - {"new"}


def test_more_texts_are_for_training_and_leaks_are_left_out():
    numbered = [f"text {n}" for n in range(100)]
    held = texts(split_texts(Listed(all=numbered)), "test")
    more = Listed("more", all=["new", held[0]])
    split = split_texts(Listed(all=numbered), more=[more])
    assert texts(split, "train")[-1] == "new"
    assert split.notes == ["left out 1 text of more found in a held-out part, too"]
    own = Listed(train=[*numbered, "same"], test=["same"])
    kept = split_texts(own, validation_size=0)
    assert "same" in texts(kept, "train")
    assert kept.notes[0].startswith("kept 1 text of train found in a held-out part, too, as")
    assert "same" not in texts(split_texts(own, validation_size=0, remove_leaks=True), "train")


def test_of_few_texts_leaks_are_left_out_too():
    source = Listed(train=["abcdefghij", "same text!"], test=["same text!"])
    more = Listed("more", all=["new", "abcdefghij", "same text!"])
    split = split_texts(source, more=[more], validation_size=0.2)
    assert texts(split, "train") == ["abcdefgh", "same tex", "new"]
    assert split.counts["train"] == 3
    kept = "kept 1 text of train found in a held-out part, too, as the data brings its own parts"
    assert split.notes[1:] == [kept, "left out 2 texts of more found in a held-out part, too"]
    split = split_texts(source, validation_size=0.2, remove_leaks=True)
    assert texts(split, "train") == ["abcdefgh"]
    assert split.notes[1:] == ["left out 1 text of train found in a held-out part, too"]


def test_a_limit_is_of_each_part():
    split = split_texts(Listed(all=[f"text {n}" for n in range(500)]), limit=10)
    assert set(split.counts.values()) == {10}
    assert split_texts(Listed(all=["a" * 40] * 3), limit=2).counts["train"] == 2


@pytest.mark.parametrize(
    "found, options, message",
    [
        (["abc"], {}, "book: the texts are too short: nothing is left for"),
        (["abc" * 99], {"test_size": 5}, "fewer than 50 texts the end of each is held out"),
        (["abc"] * 60, {"test_size": 0.6, "validation_size": 0.4}, "leave no texts to train on"),
        (["abc"], {"test_part": "2017"}, "there is no part '2017' to test on"),
        (["abc"], {"limit": 0}, "limit is 0; give 1 or more texts"),
    ],
)
def test_what_cannot_be_split_is_named(found, options, message):
    with pytest.raises(InputError, match=message):
        split_texts(Listed(all=found), **options)
