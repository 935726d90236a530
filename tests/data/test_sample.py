"""The embedded reviews: how frames are filled, and what is promised of the real ones."""

import json
import re
from collections import Counter
from importlib import resources

import pytest

from textlstm.data import Example, SampleSource, open_source, sample_reviews, written_reviews
from textlstm.data.sample import LABELS, load_reviews
from textlstm.errors import InputError


def phrase(text, polarity, kind="clause", domain="general", part="train"):
    return {"domain": domain, "kind": kind, "polarity": polarity, "part": part, "text": text}


def blocks(frames, phrases=(), subjects=(), language="en", written=()):
    return {
        "language": language,
        "about": "",
        "phrases": list(phrases),
        "subjects": [{"domain": domain, "text": text} for domain, text in subjects],
        "frames": [{"part": "train", "device": "plain", **frame} for frame in frames],
        "written": [{"label": label, "text": text} for label, text in written],
    }


def pairs(content, count, part="train", seed=0):
    return {(e.label, e.text) for e in sample_reviews(content, part, count, seed)}


def test_same_and_other_polarity():
    content = blocks(
        [{"text": "{other.clause}, but {same.clause}."}],
        [phrase("it works", "positive"), phrase("it broke", "negative")],
    )
    assert pairs(content, 2) == {
        ("negative", "It works, but it broke."),
        ("positive", "It broke, but it works."),
    }


def test_a_slot_that_comes_twice_gets_two_phrases():
    content = blocks(
        [{"text": "{same.clause}, {same.clause}"}],
        [phrase(t, p) for t, p in [("a", "positive"), ("b", "positive")]]
        + [phrase(t, p) for t, p in [("c", "negative"), ("d", "negative")]],
        language="zh",
    )
    assert pairs(content, 4) == {
        ("positive", "a, b"),
        ("positive", "b, a"),
        ("negative", "c, d"),
        ("negative", "d, c"),
    }


def test_phrases_are_of_the_subjects_domain_or_general():
    content = blocks(
        [{"text": "{subject}: {same.adjective}"}],
        [
            phrase("tasty", "positive", "adjective", "food"),
            phrase("gripping", "positive", "adjective", "film"),
            phrase("good", "positive", "adjective"),
            phrase("bad", "negative", "adjective"),
        ],
        [("food", "soup"), ("film", "plot")],
        language="zh",
    )
    found = {text for label, text in pairs(content, 4) if label == "positive"}
    assert found <= {"soup: tasty", "soup: good", "plot: gripping", "plot: good"}
    assert len(found) == 2


def test_a_domain_without_what_a_frame_needs_is_not_chosen():
    content = blocks(
        [{"text": "{subject} {same.adjective}"}],
        [phrase(p, p, "adjective", "food") for p in ("positive", "negative")],
        [("food", "soup"), ("film", "plot")],
        language="zh",
    )
    assert pairs(content, 2) == {("positive", "soup positive"), ("negative", "soup negative")}


def test_a_frame_with_a_polarity_of_its_own():
    content = blocks(
        [
            {"text": "I regret it: {same.clause}", "polarity": "negative"},
            {"text": "I love it: {same.clause}", "polarity": "positive"},
        ],
        [phrase("x", "positive"), phrase("y", "negative")],
    )
    assert pairs(content, 2) == {("negative", "I regret it: y"), ("positive", "I love it: x")}


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        ("{same.clause}. {same.clause}! {same.clause}? {same.clause}", "A. A! A? A"),
        ('"{same.clause}." {same.clause}; {same.clause}', '"A." A; a'),
        ("so... {same.clause}", "So... a"),
        ("rated 4.5 by {same.clause}", "Rated 4.5 by a"),
        ("'{same.clause}?' they asked. (really!)", "'A?' they asked. (Really!)"),
    ],
)
def test_english_sentences_begin_with_capitals(frame, text):
    phrases = [phrase("a", polarity) for polarity in ("positive", "negative")] * 4
    found = sample_reviews(blocks([{"text": frame}], phrases), "train", 1)
    assert found[0].text == text


def test_parts_share_neither_frames_nor_phrases():
    content = blocks(
        [{"text": "A {same.clause}"}, {"text": "B {same.clause}", "part": "test"}],
        [
            phrase(f"{part} {p}", p, part=part)
            for part in ("train", "test")
            for p in ("positive", "negative")
        ],
    )
    assert pairs(content, 2, "test") == {
        ("positive", "B test positive"),
        ("negative", "B test negative"),
    }


def test_opinions_agree_with_their_aspects():
    content = blocks(
        [{"text": "{subject}: {same.clause}"}],
        [phrase(mark, p, domain="food") for mark, p in (("+", "positive"), ("-", "negative"))],
        [("food", "lunch")],
        language="zh",
    )
    content["aspects"] = [
        {"domain": "food", "text": "the soup", "plural": False},
        {"domain": "food", "text": "the rolls", "plural": True},
    ]
    content["opinions"] = [
        {"polarity": "positive", "part": "train", "text": "{aspect} {is} fine"},
        {"polarity": "negative", "part": "train", "text": "{aspect} fail{s}"},
    ]
    assert pairs(content, 6) == {
        ("positive", "lunch: +"),
        ("positive", "lunch: the soup is fine"),
        ("positive", "lunch: the rolls are fine"),
        ("negative", "lunch: -"),
        ("negative", "lunch: the soup fails"),
        ("negative", "lunch: the rolls fail"),
    }


def test_too_many_are_asked_for():
    content = blocks([{"text": "{same.clause}"}], [phrase(p, p) for p in ("positive", "negative")])
    with pytest.raises(InputError, match="'en', part 'train'.*no more than 2 .* 3 were asked"):
        sample_reviews(content, "train", 3)
    with pytest.raises(InputError, match="no more than 0"):
        sample_reviews(content, "test", 1)


def test_unknown_language():
    with pytest.raises(InputError, match="'de'.*en, zh"):
        sample_reviews("de", "train", 1)


def test_blocks_from_a_file(tmp_path):
    path = tmp_path / "reviews.json"
    path.write_text(json.dumps(blocks([], written=[("positive", "Good.")])), encoding="utf-8")
    assert written_reviews(path) == [Example("Good.", "positive", "sample/en/written-test:1")]


# ---- the reviews that are embedded -------------------------------------------------------------

LANGUAGES = ["en", "zh"]


@pytest.fixture(scope="module", params=LANGUAGES)
def language(request):
    return request.param


@pytest.fixture(scope="module")
def raw(language):
    file = resources.files("textlstm.data").joinpath("samples", f"reviews_{language}.json")
    return json.loads(file.read_text(encoding="utf-8"))


def test_thousands_of_different_balanced_reviews(language):
    reviews = sample_reviews(language, "train", 6_000)
    assert len({review.text for review in reviews}) == 6_000
    assert Counter(review.label for review in reviews) == {"negative": 3_000, "positive": 3_000}
    assert not [review for review in reviews if re.search(r"[{}]|\s\s|^\s|\s$", review.text)]


def test_a_seed_gives_the_same_reviews_and_fewer_are_the_first(language):
    reviews = sample_reviews(language, "train", 200)
    assert sample_reviews(language, "train", 50) == reviews[:50]
    assert sample_reviews(language, "train", 50, seed=1) != reviews[:50]


def test_test_reviews_share_no_frame_no_phrase_and_no_text_with_train(language, raw):
    for kind in ("frames", "phrases", "opinions"):
        texts = [row["text"] for row in raw[kind]]
        assert len(set(texts)) == len(texts)  # so the parts have none in common
        assert {row["part"] for row in raw[kind]} == {"train", "validation", "test"}
    parts = [("train", 6_000), ("validation", 600), ("test", 600)]
    texts = [{e.text for e in sample_reviews(language, part, count)} for part, count in parts]
    assert [len(part) for part in texts] == [6_000, 600, 600]
    assert len(set.union(*texts)) == 7_200


def test_there_are_as_many_blocks_as_promised(raw):
    assert len(raw["phrases"]) + len(raw["opinions"]) >= 1_000
    assert len(raw["frames"]) >= 75
    devices = {"negation", "contrast", "intensity"}
    assert devices <= {frame["device"] for frame in raw["frames"]}


def test_every_frame_can_be_filled(raw):
    for frame in raw["frames"]:
        # A frame for positive reviews only fills no negative ones, so each is tried as if for both.
        only = load_reviews(raw | {"frames": [{**frame, "polarity": p} for p in LABELS]})
        found = [label for label, _ in only.reviews(frame["part"], 2)]
        assert found == list(LABELS)


def test_written_reviews_are_many_balanced_and_different(language):
    parts = {part: written_reviews(language, part) for part in ("train", "test")}
    for written in parts.values():
        assert len(written) >= 200
        labels = Counter(review.label for review in written)
        assert labels["negative"] == labels["positive"]
    texts = [review.text for written in parts.values() for review in written]
    assert len(set(texts)) == len(texts)


def test_the_source_takes_the_languages_in_turn():
    source = open_source("sample")
    assert (source.name, source.parts) == ("sample", ("train", "validation", "test", "written"))
    small = list(SampleSource({"train": 3}).examples("train"))
    assert [e.where for e in small][:6] == [
        f"sample/{language}/train:{row}" for row in (1, 2, 3) for language in LANGUAGES
    ]
    freely = [e for language in LANGUAGES for e in written_reviews(language, "train")]
    assert len(freely) >= 3_000
    assert Counter(small[6:]) == {example: 3 for example in freely}
    assert sum(1 for _ in source.examples("test")) == 1_200
    written = sum(len(written_reviews(language)) for language in LANGUAGES)
    assert sum(1 for _ in source.examples("written")) == written


@pytest.mark.parametrize("name", LANGUAGES)
def test_one_language_alone(name):
    source = open_source(f"sample-{name}")
    both = [e for e in SampleSource().examples("test") if e.where.startswith(f"sample/{name}/")]
    assert list(source.examples("test")) == both
    assert source.name == f"sample-{name}" and f"reviews, {name}," in source.description
