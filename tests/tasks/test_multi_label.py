"""A classifier that gives a text any number of labels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import textlstm
from textlstm import InputError
from textlstm.data import Example

WORDS = ("red", "green", "blue")
SETS = [(), ("red",), ("green",), ("blue",), ("red", "blue"), ("red", "green", "blue")]
LABELS = SETS * 6
TEXTS = [f"{' '.join(labels)} thing" for labels in LABELS]
TARGETS = np.array([[word in labels for word in WORDS] for labels in LABELS], "float32")


@pytest.fixture(scope="module")
def colours(make_classifier):
    """A classifier that tells which of three words are in a text; do not train it on."""
    model = make_classifier(WORDS, multi_label=True, dropout=0.0, token_dropout=0.0)
    model.compile(keras.optimizers.Adam(0.03))
    model.fit(TEXTS, LABELS, epochs=25, batch_size=12, validation_split=0, verbose=0)
    return model


def test_learns_which_labels_a_text_has(colours):
    assert colours.classify(TEXTS[:6]) == SETS
    assert colours.classify(TEXTS[:1], threshold=0.0) == [WORDS]
    probabilities = colours.predict(TEXTS[:6], verbose=0)
    assert probabilities[0].sum() < 0.5 and probabilities[5].sum() > 2.5
    scores = colours.evaluate(TEXTS, LABELS, return_dict=True, verbose=0)
    assert scores["f1"] == pytest.approx(1)


def test_every_form_of_labels_is_the_same(colours):
    expected = colours.evaluate(TEXTS, LABELS, verbose=0)
    numbers = [tuple(WORDS.index(label) for label in labels) for labels in LABELS]
    for labels in (numbers, TARGETS, TARGETS.astype(int)):
        np.testing.assert_allclose(colours.evaluate(TEXTS, labels, verbose=0), expected, rtol=1e-5)
    examples = [Example(text, labels, "here") for text, labels in zip(TEXTS, LABELS)]
    dataset = tf.data.Dataset.from_tensor_slices((TEXTS, TARGETS)).batch(12)
    for x in (colours.encode(examples), colours.encode(TEXTS, LABELS), dataset):
        np.testing.assert_allclose(colours.evaluate(x, verbose=0), expected, rtol=1e-5)


def test_is_saved_exported_and_trained_on(colours, tmp_path):
    version = textlstm.export(colours, tmp_path / "colours")
    assert "of which a text may have any number" in (tmp_path / "colours/README.md").read_text()
    served = tf.saved_model.load(str(version)).signatures["serving_default"]
    answer = served(text=tf.constant(TEXTS[:6]))
    expected = colours.predict(TEXTS[:6], verbose=0)
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)
    np.testing.assert_allclose(answer["score"], expected.max(axis=1), atol=1e-6)
    assert answer["label"].numpy()[1:4].tolist() == [b"red", b"green", b"blue"]
    twin = textlstm.load(version)
    assert twin.multi_label
    np.testing.assert_array_equal(twin.predict(TEXTS[:6], verbose=0), expected)
    twin.fit(TEXTS, LABELS, epochs=1, verbose=0)


def test_new_labels_and_fewer_labels(make_classifier, capsys):
    model = make_classifier(WORDS, multi_label=True)
    model.fit(TEXTS[:6], [("red",), (), ("blue",)] * 2, epochs=1, verbose=0)
    assert "New labels" not in capsys.readouterr().out
    model.fit(TEXTS[:6], [("x", "y"), (), ("y",)] * 2, epochs=1, verbose=0)
    assert "New labels x, y instead of red, green, blue" in capsys.readouterr().out
    assert model.evaluate(TEXTS[:1], [("x",)], return_dict=True, verbose=0)["f1"] <= 1


def test_label_smoothing_draws_to_one_half(make_classifier):
    model = make_classifier(WORDS, multi_label=True)
    model.compile(label_smoothing=0.2)
    loss = model.loss(np.array([[1.0, 0.0, 1.0]]), np.array([[2.0, 2.0, -1.0]], "float32"))
    p = 1 / (1 + np.exp(-np.array([2.0, 2.0, -1.0])))
    q = np.array([0.9, 0.1, 0.9])
    np.testing.assert_allclose(loss, -np.mean(q * np.log(p) + (1 - q) * np.log(1 - p)), rtol=1e-6)


def test_mistakes_are_named(colours, make_classifier):
    with pytest.raises(InputError, match="class_weight weighs rows by their one label"):
        colours.fit(TEXTS, LABELS, class_weight="balanced", verbose=0)
    with pytest.raises(InputError, match="row 0: a multi-label model takes a tuple"):
        colours.fit(["a"], ["red"], verbose=0)
    with pytest.raises(InputError, match="the dataset's labels are names"):
        colours.evaluate(tf.data.Dataset.from_tensor_slices((["a"], ["red"])).batch(1), verbose=0)
    single = make_classifier()
    with pytest.raises(InputError, match="the model gives one; make it with multi_label=True"):
        single.evaluate(colours.encode(TEXTS, LABELS), verbose=0)
    with pytest.raises(InputError, match="a multi-label model takes tuples"):
        colours.evaluate(single.encode(["a"], ["negative"]), verbose=0)
