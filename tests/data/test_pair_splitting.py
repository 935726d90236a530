"""Splits of pairs: equal source texts on one side, parts of the data's own, more data."""

import pytest

from textlstm import InputError
from textlstm.data import Pair, PairSource, part_of, split_pairs


class Listed(PairSource):
    """A source of given pairs: `part=[(source, target), …]`."""

    def __init__(self, name="listed", **parts):
        super().__init__(name, "given pairs", tuple(parts))
        self._pairs = parts

    def _read(self, part):
        for row, sides in enumerate(self._pairs[part], start=1):
            yield Pair(*sides, f"{self.name}/{part}:{row}")


def numbered(count, copies=1):
    return [(f"text {n}", f"翻译 {n}.{c}") for n in range(count) for c in range(copies)]


def sides(split, part):
    return [(pair.source, pair.target) for pair in split.pairs(part)]


def test_all_translations_of_a_text_stand_in_one_part():
    split = split_pairs(Listed(all=numbered(300, copies=3)), test_size=0.2, validation_size=0.1)
    assert split.parts == ("train", "validation", "test")
    texts = {part: {source for source, _ in sides(split, part)} for part in split.parts}
    assert sum(map(len, texts.values())) == 300  # no text in two parts
    assert split.counts == {part: 3 * len(texts[part]) for part in split.parts}
    assert sum(split.counts.values()) == 900
    shares = {"test": 0.2, "validation": 0.1}
    assert all(part_of(text, shares=shares) == part for part in texts for text in texts[part])


def test_a_number_of_pairs_may_be_held_out():
    split = split_pairs(Listed(all=numbered(1000)), test_size=100, validation_size=50, seed=3)
    assert split.counts == {"train": 850, "validation": 50, "test": 100}
    copies = split_pairs(Listed(all=numbered(500, copies=2)), test_size=101, validation_size=0)
    assert copies.counts == {"train": 900, "test": 100}
    assert copies.parts == ("train", "test")


def test_own_parts_are_used_whole_and_leaks_can_be_removed():
    source = Listed(
        train=[*numbered(5), ("shared", "a"), ("shared", "b")],
        validation=[("v", "w")],
        test_2016=[("shared ", "c")],
    )
    kept = split_pairs(source, test_part="test_2016")
    assert kept.counts == {"train": 7, "validation": 1, "test": 1}
    assert kept.notes == [
        "kept 2 pairs of train with a source that also stands in a held-out part, as the data "
        "brings its own parts"
    ]
    removed = split_pairs(source, test_part="test_2016", remove_leaks=True)
    assert removed.counts["train"] == 5
    assert removed.notes == [
        "left out 2 pairs of train with a source that also stands in a held-out part"
    ]


def test_more_data_is_for_training_and_brings_nothing_that_is_held_out():
    base = Listed(all=numbered(100))
    alone = split_pairs(base, test_size=0.2)
    held = [pair.source for pair in alone.pairs("test")]
    more = Listed("captions", train=[("new", "neu"), *((text, "x") for text in held)], test=[])
    split = split_pairs(base, more=[more], test_size=0.2)
    assert split.counts == {**alone.counts, "train": alone.counts["train"] + 1}
    assert sides(split, "train")[-1] == ("new", "neu")
    assert sides(split, "test") == sides(alone, "test")
    assert split.notes == [
        f"left out {len(held)} pairs of captions with a source that also stands in a held-out part"
    ]


def test_a_limit_takes_as_much_of_further_data():
    source, more = (
        Listed(all=numbered(1000)),
        Listed("more", all=[(f"more {n}", "多") for n in range(1000)]),
    )
    split = split_pairs(source, more=[more], test_size=0.4, validation_size=0.1, limit=300)
    taken = sum(text.startswith("text") for text, _ in sides(split, "train"))
    assert 70 < taken < 130  # of 500 and 1,000


def test_what_is_tested_on_does_not_validate():
    source = Listed(train=numbered(100), validation=[(f"held {n}", "v") for n in range(10)])
    split = split_pairs(source, test_part="validation", validation_size=20)
    assert split.counts == {"train": 80, "validation": 20, "test": 10}
    assert all(text.startswith("text") for text, _ in sides(split, "validation"))


def test_a_limit_takes_rows_from_all_over_each_part():
    split = split_pairs(Listed(all=numbered(1000)), test_size=0.3, limit=40)
    assert split.counts == {"train": 40, "validation": 40, "test": 40}
    numbers = [int(source.split()[1]) for source, _ in sides(split, "train")]
    assert len(numbers) == 40 and max(numbers) > 800


@pytest.mark.parametrize(
    "options, message",
    [
        ({"test_size": -1}, "the size of test is -1; give a share below 1, or a whole number"),
        ({"test_size": 1.5}, "the size of test is 1.5"),
        ({"test_size": 0.6, "validation_size": 0.4}, "leave no pairs to train on"),
        ({"test_size": 12}, "12 pairs are too few: none is left for train"),
        ({"limit": 0}, "limit is 0"),
        ({"test_part": "dev"}, "listed: there is no part 'dev' to test on; the parts are all"),
    ],
)
def test_mistakes_are_said(options, message):
    with pytest.raises(InputError, match=message):
        split_pairs(Listed(all=numbered(12)), **{"validation_size": 0, **options})


def test_a_part_that_is_not_there():
    split = split_pairs(Listed(all=numbered(50)), test_size=0)
    with pytest.raises(InputError, match="there is no 'test' part; there is train, validation"):
        split.pairs("test").__next__()
