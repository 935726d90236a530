"""Shares of tokens: known ones, where the model is linear, and sums that come out."""

import numpy as np
import pytest

from textlstm import InputError, SimpleRNNCell
from textlstm.insight import attribute, compiling, gradient_of, record
from textlstm.insight.attribution import METHODS

# How much a word adds to the sum of the log-odds of "good".
WORTH = {" good": 2.0, " bad": -3.0, " paper": 0.5}


@pytest.fixture
def linear_classifier(make_classifier):
    """A classifier whose log-odds are the mean of the worth of the words, and 1/4."""
    cell = SimpleRNNCell(1, activation="linear")
    model = make_classifier(cell=cell, embedding_dim=1, bidirectional=False, pooling="mean")
    pieces = [piece.replace("▁", " ") for piece in model.tokenizer.pieces]
    vectors = np.array([[WORTH.get(piece, 0.0)] for piece in pieces], "float32")
    model.embedding.set_weights([vectors])
    model.recurrent.set_weights([np.ones((1, 1)), np.zeros((1, 1)), np.zeros(1)])
    model.head.layers[-1].set_weights([np.array([[0.0, 1.0]]), np.array([0.0, 0.25])])
    return model


@pytest.mark.parametrize("method", METHODS)
def test_a_linear_model_shares_out_what_each_word_adds(linear_classifier, method):
    found = attribute(linear_classifier, "paper good is bad", target="good", method=method)
    assert found.tokens == (" paper", " good", " is", " bad", "</s>")
    np.testing.assert_allclose(found.shares, np.array([0.5, 2, 0, -3, 0]) / 5, atol=1e-6)
    np.testing.assert_allclose([found.value, found.empty_value], [-0.1 + 0.25, 0.25], atol=1e-6)
    if method == "gradients":
        np.testing.assert_allclose(found.gradient_norms, [0.2] * 5, atol=1e-6)


def test_both_methods_agree_on_the_signs_for_the_other_label(linear_classifier):
    for method in METHODS:
        found = attribute(linear_classifier, "good bad", target="bad", method=method)
        np.testing.assert_allclose(found.shares, [-2 / 3, 1, 0], atol=1e-6)
        assert found.answer == "bad" and found.kind == "label"


@pytest.mark.parametrize("options", [{}, {"multi_label": True}, {"cell": "gru"}])
def test_shares_of_a_classifier_add_up(make_classifier, options):
    model = make_classifier(**options)
    found = attribute(model, "good paper is not so dear", steps=64)
    np.testing.assert_allclose(found.shares.sum(), found.value - found.empty_value, atol=1e-4)
    logits = np.asarray(model(model.encode([found.text]).ids(0)[None]))[0]
    index = model.labels.index(found.answer)
    expected = logits[index] if model.multi_label else logits[index] - logits[1 - index]
    np.testing.assert_allclose(found.value, expected, atol=1e-5)


def test_shares_of_a_language_model_are_of_the_token_behind(make_language_model):
    model = make_language_model()
    found = attribute(model, "good paper", target="bad", steps=64)
    assert (found.tokens, found.answer) == (("</s>", " good", " paper"), " bad")
    np.testing.assert_allclose(found.shares.sum(), found.value - found.empty_value, atol=1e-4)
    with_it, without = model.score(["good paper bad", "good paper"])
    ends = [
        attribute(model, text, target="</s>").value for text in ("good paper bad", "good paper")
    ]
    np.testing.assert_allclose(with_it - without, found.value + ends[0] - ends[1], atol=1e-5)


def test_shares_of_a_translation_are_of_all_of_it_or_of_one_token(make_translator):
    model = make_translator()
    whole = attribute(model, "good paper", target="bad is", steps=64)
    np.testing.assert_allclose(whole.shares.sum(), whole.value - whole.empty_value, atol=1e-4)
    parts = [attribute(model, "good paper", target="bad is", position=i) for i in range(3)]
    np.testing.assert_allclose(whole.value, sum(part.value for part in parts), atol=1e-5)
    assert [part.answer for part in parts] == [" bad", " is", "</s>"]
    assert [part.kind for part in parts] == ["piece"] * 3
    for part in parts:  # what is probable is the whole translation
        assert part.answers == whole.answers
    with pytest.raises(InputError, match="position must be from 0 to 2"):
        attribute(model, "good paper", target="bad is", position=3)


def test_a_long_text_is_compiled_and_gives_the_same(make_classifier, monkeypatch):
    model = make_classifier()
    expected, states = attribute(model, "good paper"), record(model, "good paper").traces
    monkeypatch.setattr(compiling, "_LONG", 1)
    found = attribute(model, "good paper")
    np.testing.assert_allclose(found.shares, expected.shares, atol=1e-5)
    np.testing.assert_allclose(found.gradient_norms, expected.gradient_norms, atol=1e-5)
    again = record(model, "good paper").traces["recurrent"]
    for name, array in again.gates.items():
        np.testing.assert_allclose(array, states["recurrent"].gates[name], atol=1e-6)


def test_many_parts_give_what_one_part_gives(make_classifier, monkeypatch):
    model = make_classifier()
    for method in METHODS:
        once = attribute(model, "good paper is not", method=method)
        monkeypatch.setattr("textlstm.insight.attribution._TOKENS_AT_ONCE", 7)
        parts = attribute(model, "good paper is not", method=method)
        monkeypatch.undo()
        np.testing.assert_allclose(parts.shares, once.shares, atol=1e-6)


def test_explain_is_safe_html_and_a_table_of_words(make_classifier):
    found = make_classifier().explain("good <b>&")
    page = found._repr_html_()
    assert "<b>&amp;" not in page and "&lt;b&gt;&amp;" in page
    answer, score, *rows = str(found).splitlines()
    assert found.answer in answer and "without any token" in score
    assert sorted(row.split()[-1] for row in rows) == ["</s>", "<b>&", "good"]


def test_the_text_that_is_cut_is_said_to_be(make_classifier):
    model = make_classifier(max_tokens=3)
    assert attribute(model, "good paper is not").cut
    assert not attribute(model, "good paper").cut


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "method must be one of gradients, occlusion; got 'magic'"),
        ({"steps": 0}, "steps must be a whole number of at least 1; got 0"),
        ({"target": "fine"}, "no label 'fine'; there are bad, good"),
        ({"position": 1}, "position is of a translation"),
    ],
)
def test_options_out_of_range_are_told(make_classifier, options, message):
    with pytest.raises(InputError, match=message):
        attribute(make_classifier(), "good", **options)


def test_the_gradient_of_a_square():
    values, gradient = gradient_of(lambda x: x[:, 0] ** 2, np.array([[3.0, 1.0]], "float32"))
    np.testing.assert_allclose(values, [9])
    np.testing.assert_allclose(gradient, [[6, 0]])
