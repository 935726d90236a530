"""The split follows from the text alone, and stays the same for ever."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlstm.data import Example, Source, open_source, part_of, split_examples
from textlstm.data.splitting import draw
from textlstm.errors import InputError

SHARES = {"test": 0.1, "validation": 0.1}


class ListSource(Source):
    """A source of given (text, label) pairs for each part."""

    def __init__(self, **parts):
        super().__init__("list", "pairs", tuple(parts))
        self._pairs = parts

    def _read(self, part):
        for row, (text, label) in enumerate(self._pairs[part], start=1):
            yield Example(text, label, f"{part}:{row}")


def numbered(count, prefix="text"):
    return [(f"{prefix} {i}", "ab"[i % 2]) for i in range(count)]


def texts(split, part):
    return [example.text for example in split.examples(part)]


# Published splits rest on these numbers: they must never change.
@pytest.mark.parametrize(
    ("text", "seed", "number"),
    [
        ("", 0, 0.8099804779449095),
        ("Clean and quiet.", 0, 0.3917643908640299),
        ("Clean and quiet.", 1, 0.4531337401771426),
        ("很干净，也很安静。", 0, 0.08897263026585978),
    ],
)
def test_golden_numbers(text, seed, number):
    assert draw(text, seed) == number


def test_golden_parts():
    parts = [part_of(f"text {i}", shares=SHARES)[:2] for i in range(40)]
    assert " ".join(parts) == (
        "tr tr tr va va tr tr tr tr tr tr tr tr tr te tr tr te tr tr "
        "tr tr tr tr va va tr tr va tr tr tr tr tr tr te tr tr tr tr"
    )


@given(st.text(), st.text(alphabet=" \t\n\u3000\xa0"), st.integers(-5, 5))
def test_white_space_around_does_not_count(text, space, seed):
    assert draw(text, seed) == draw(space + text + space, seed)
    assert 0 <= draw(text, seed) < 1


def test_lone_surrogates_do_not_stop_it():
    assert 0 <= draw("\ud800") < 1


def test_shares_are_kept_and_nested():
    rows = [f"text {i}" for i in range(20_000)]
    parts = [part_of(row, shares=SHARES) for row in rows]
    for part in SHARES:
        # Four standard deviations of a binomial count.
        assert abs(parts.count(part) - 2_000) < 4 * math.sqrt(20_000 * 0.1 * 0.9)
    # What is test at one share is test at a larger one.
    larger = [part_of(row, shares={"test": 0.2}) for row in rows]
    assert all(b == "test" for a, b in zip(parts, larger, strict=True) if a == "test")
    assert parts != [part_of(row, shares=SHARES, seed=1) for row in rows]


@pytest.mark.parametrize("shares", [{"test": -0.1}, {"test": 1.0}, {"test": 0.5, "b": 0.5}])
def test_impossible_shares(shares):
    with pytest.raises(InputError, match="share"):
        part_of("x", shares=shares)


def test_undivided_source_is_divided_without_overlap():
    rows = numbered(1_000)
    split = split_examples(ListSource(all=rows + rows[:300]))
    parts = {part: texts(split, part) for part in ("train", "validation", "test")}
    assert split.parts == tuple(parts)
    assert split.counts == {part: len(found) for part, found in parts.items()}
    assert sorted(sum(parts.values(), [])) == sorted(text for text, _ in rows + rows[:300])
    assert not set(parts["train"]) & set(parts["test"]) | set(parts["validation"]) & set(
        parts["test"]
    )
    assert split.labels == ("a", "b")
    assert split.notes == []


def test_own_parts_are_used_whole_and_repeated_texts_are_noted():
    train, test = numbered(500), numbered(20, "test") + numbered(3)
    split = split_examples(ListSource(train=train, test=test))
    assert texts(split, "test") == [text for text, _ in test]
    assert sorted(texts(split, "train") + texts(split, "validation")) == sorted(
        text for text, _ in train
    )
    in_train = len({"text 0", "text 1", "text 2"} & set(texts(split, "train")))
    assert in_train
    assert split.notes == [
        f"{in_train} of the 23 test texts are also in train (kept, as the data brings its own "
        "parts)"
    ]


def test_own_validation_leaves_train_whole():
    source = ListSource(train=numbered(50), validation=numbered(5, "v"), test=numbered(5, "t"))
    split = split_examples(source)
    assert split.counts == {"train": 50, "validation": 5, "test": 5}


def test_missing_test_is_taken_from_train():
    split = split_examples(ListSource(train=numbered(300), validation=numbered(5, "v")))
    assert split.counts["validation"] == 5
    assert split.counts["train"] + split.counts["test"] == 300
    assert split.counts["test"] > 10


def test_no_share_means_no_part():
    split = split_examples(ListSource(all=numbered(10)), test_share=0, validation_share=0)
    assert split.parts == ("train",)
    assert split.counts == {"train": 10}
    with pytest.raises(InputError, match="no 'test' part; there is train"):
        split.examples("test").__next__()


def test_limit_draws_from_all_over_the_rows():
    rows = [(f"text {i}", "a" if i < 500 else "b") for i in range(1_000)]
    split = split_examples(ListSource(all=rows), limit=50)
    assert split.counts == {"train": 50, "validation": 50, "test": 50}
    train = list(split.examples("train"))
    assert len(train) == 50
    assert 10 < sum(example.label == "a" for example in train) < 40
    whole = split_examples(ListSource(all=rows))
    assert {example.text for example in train} <= set(texts(whole, "train"))
    assert split_examples(ListSource(all=rows), limit=10_000).counts == whole.counts


def test_equal_texts_never_exceed_the_limit():
    rows = numbered(100) * 3
    split = split_examples(ListSource(all=rows), limit=10)
    assert all(1 <= count <= 10 for count in split.counts.values())


def test_a_text_that_repeats_beyond_the_limit_is_not_lost():
    source = ListSource(train=numbered(100), test=[("text", "a")] * 8 + [("other", "b")] * 8)
    split = split_examples(source, limit=5)
    assert split.counts["test"] == len(list(split.examples("test"))) == 8


def test_numbers_as_labels_are_sorted_as_numbers():
    rows = [(f"text {i}", str(i % 11 - 1)) for i in range(500)]
    split = split_examples(ListSource(all=rows))
    assert split.labels == tuple(str(i) for i in range(-1, 10))


@pytest.mark.parametrize("rows", [2, 5])
def test_too_few_rows(rows):
    with pytest.raises(InputError, match=rf"list: {rows} rows are too few.*at least \d+ rows"):
        split_examples(ListSource(all=numbered(rows)))


def test_enough_rows_as_the_message_says_are_enough():
    with pytest.raises(InputError, match="at least 66 rows"):
        split_examples(ListSource(all=numbered(2)))
    for seed in range(20):
        assert split_examples(ListSource(all=numbered(66)), seed=seed).counts["test"]


@pytest.mark.parametrize("setting", [{"test_share": 1.0}, {"validation_share": -1}, {"limit": 0}])
def test_wrong_settings(setting):
    with pytest.raises(InputError):
        split_examples(ListSource(all=numbered(10)), **setting)


def test_train_of_one_class_after_the_split():
    rows = [(f"text {i}", "a") for i in range(300)]
    in_test = next(text for text, _ in rows if part_of(text, shares=SHARES) == "test")
    rows = [(text, "b" if text == in_test else "a") for text, _ in rows]
    with pytest.raises(InputError, match="part 'train'.*'a'.*two classes"):
        split_examples(ListSource(all=rows))


def test_the_sample_can_be_split():
    split = split_examples(open_source("sample"), limit=100)
    # 99: the three copies of a text that was written freely stay together.
    assert split.counts == {"train": 99, "validation": 100, "test": 100}


def whole(source, **settings):
    return split_examples(source, test_share=0, validation_share=0, **settings)


def test_deduplicate_uses_the_first_row_and_leaves_contradictions_out():
    rows = [("a", "x"), ("b", "y"), (" a\n", "x"), ("c", "x"), ("c", "y"), ("a", "x"), ("d", "y")]
    split = whole(ListSource(all=rows), deduplicate=True)
    assert [e.where for e in split.examples("train")] == ["all:1", "all:2", "all:7"]
    assert split.counts == {"train": 3}
    assert split.notes == [
        "left out 1 text (2 rows) that stand there with different labels",
        "left out 2 rows that repeat an earlier text",
    ]
    assert whole(ListSource(all=rows)).counts == {"train": 7}


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("xyz")), min_size=1))
def test_deduplicate_keeps_the_order(rows):
    labels = {text: {label for t, label in rows if t == text} for text, _ in rows}
    expected = list(dict.fromkeys(row for row in rows if len(labels[row[0]]) == 1))
    if len({label for _, label in expected}) < 2:
        return
    split = whole(ListSource(all=rows), deduplicate=True)
    assert [(e.text, e.label) for e in split.examples("train")] == expected


def test_deduplicate_does_not_change_sides():
    rows = numbered(500)
    once = split_examples(ListSource(all=rows))
    twice = split_examples(ListSource(all=rows + rows), deduplicate=True)
    assert {p: texts(once, p) for p in once.parts} == {p: texts(twice, p) for p in twice.parts}


def test_deduplicate_looks_at_each_part_by_itself():
    source = ListSource(train=[("a", "x"), ("b", "y"), ("b", "y")], test=[("a", "y"), ("c", "x")])
    split = split_examples(source, validation_share=0, deduplicate=True)
    assert (texts(split, "train"), texts(split, "test")) == (["a", "b"], ["a", "c"])
    assert split.notes == [
        "train: left out 1 row that repeats an earlier text",
        "1 of the 2 test texts are also in train (kept, as the data brings its own parts)",
    ]


def test_labels_are_those_of_the_rows_that_are_used():
    rows = [("a", "x"), ("b", "y"), ("c", "z"), ("c", "x")]
    assert whole(ListSource(all=rows), deduplicate=True).labels == ("x", "y")
    with pytest.raises(InputError, match="'train'.*'x'.*two classes"):
        whole(ListSource(all=[rows[0], rows[2], rows[3]]), deduplicate=True)


def test_remove_leaks_of_all_parts():
    source = ListSource(
        train=numbered(5) + [("v 0", "a"), ("t 0", "a"), ("t 0", "b"), ("t 1 ", "a")],
        validation=numbered(2, "v") + [("t 1", "b")],
        test=numbered(3, "t"),
    )
    split = split_examples(source, remove_leaks=True)
    assert texts(split, "train") == [f"text {i}" for i in range(5)]
    assert texts(split, "validation") == ["v 0", "v 1"]
    assert texts(split, "test") == ["t 0", "t 1", "t 2"]
    assert split.counts == {"train": 5, "validation": 2, "test": 3}
    assert split.notes == [
        "left out 1 validation text that also stand in test",
        "left out 2 training texts (3 rows) that also stand in test",
        "left out 1 training text that also stand in validation",
    ]


def test_remove_leaks_of_rows_drawn_for_validation():
    source = ListSource(train=numbered(300), test=numbered(200))
    split = split_examples(source, remove_leaks=True)
    held_out = set(texts(split, "test"))
    assert len(held_out) == 200
    assert not held_out & {*texts(split, "train"), *texts(split, "validation")}
    assert split.counts["train"] + split.counts["validation"] == 100


def test_remove_leaks_from_own_validation_of_rows_drawn_for_test():
    source = ListSource(train=numbered(400), validation=numbered(300))
    split = split_examples(source, remove_leaks=True, test_share=0.5)
    parts = [set(texts(split, part)) for part in split.parts]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 400
    assert min(map(len, parts)) > 0


def test_nothing_left():
    source = ListSource(train=numbered(5), test=numbered(5))
    with pytest.raises(InputError, match="list, part 'train': nothing is left.*remove_leaks"):
        split_examples(source, remove_leaks=True)


def test_limit_counts_the_rows_that_are_used():
    split = whole(ListSource(all=numbered(100) * 3), deduplicate=True, limit=50)
    assert len(set(texts(split, "train"))) == split.counts["train"] == 50


def test_several_labels():
    rows = [("a", ("x", "10")), ("a", ("10", "x")), ("b", ()), ("c", ("9",))]
    split = whole(ListSource(all=rows), deduplicate=True)
    assert split.multi_label is True
    assert split.labels == ("10", "9", "x")
    assert [e.label for e in split.examples("train")] == [("x", "10"), (), ("9",)]
    assert whole(ListSource(all=numbered(2))).multi_label is False


def test_more_sources_are_for_training_only():
    source = ListSource(train=numbered(5), validation=numbered(2, "v"), test=numbered(3, "t"))
    more = ListSource(all=numbered(4, "more") + [("v 0", "a"), ("t 1", "b"), ("text 0", "b")])
    split = split_examples(source, more=[more])
    own = [f"text {i}" for i in range(5)]
    assert texts(split, "train") == [*own, "more 0", "more 1", "more 2", "more 3", "text 0"]
    assert texts(split, "validation") == ["v 0", "v 1"]
    assert split.counts == {"train": 10, "validation": 2, "test": 3}
    assert split.notes == [
        "list: left out 1 training text that also stand in test",
        "list: left out 1 training text that also stand in validation",
    ]


def test_more_sources_leave_the_parts_that_are_drawn_as_they_are():
    source, more = ListSource(all=numbered(300)), ListSource(all=numbered(400))
    alone, beside = split_examples(source), split_examples(source, more=[more])
    for part in ("validation", "test"):
        assert texts(alone, part) == texts(beside, part)
    assert not set(texts(beside, "train")) & {*texts(beside, "test"), *texts(beside, "validation")}
    assert beside.counts["train"] == len(texts(beside, "train")) > 500
    few = split_examples(source, more=[more], limit=40)
    assert few.counts["train"] == len(texts(few, "train"))
    assert set(texts(few, "train")) <= set(texts(beside, "train"))
    # Of 240 and 340 rows or so: as much of each.
    more = ListSource(all=numbered(400, "more"))
    few = texts(split_examples(source, more=[more], limit=200), "train")
    assert 60 < sum(text.startswith("text") for text in few) < 110


def test_more_sources_must_fit():
    source = ListSource(all=numbered(100))
    with pytest.raises(InputError, match="has the label 'bad'.*do not have; theirs are a, b"):
        split_examples(source, more=[ListSource(all=[("x", "good"), ("y", "bad")])])
    with pytest.raises(InputError, match="a text has a list of labels, in list it has one label"):
        split_examples(source, more=[ListSource(all=[("x", ("a",)), ("y", ("b",))])])
    more = ListSource(all=[("x", "1"), ("y", "0"), ("z", "a")])
    source.label_names = more.label_names = {"0": "a", "1": "b"}
    renamed = [e.label for e in split_examples(source, more=[more]).examples("train")]
    assert renamed[-3:] == ["b", "a", "a"]
    more.label_names = {"2": "b"}
    with pytest.raises(InputError, match="no row has the label '2'.*labels are 0, 1, a, b"):
        split_examples(source, more=[more])
    source = ListSource(all=numbered(100))
    only = split_examples(source, more=[ListSource(all=[("x", "a")])])
    assert texts(only, "train")[-1] == "x"
    with pytest.raises(InputError, match="nothing is left"):
        held_out = [(example.text, example.label) for example in whole_test(source)]
        split_examples(source, more=[ListSource(all=held_out)])


def whole_test(source):
    split = split_examples(source)
    return [*split.examples("test"), *split.examples("validation")]
