"""The classifier as a user meets it: strings in, Keras through and through."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import HARD_TEXTS

from textlstm import InputError, TextClassifier
from textlstm.cells import LSTMCell
from textlstm.data import BucketedBatches, Example


def test_learns_what_is_easy(make_classifier):
    texts = [f"{word} {i}" for i in range(40) for word in ("yes", "no")]
    labels = ["positive" if text.startswith("yes") else "negative" for text in texts]
    model = make_classifier()
    model.compile(optimizer=keras.optimizers.Adam(0.02), loss="auto", metrics="auto")
    model.fit(texts, labels, epochs=6, batch_size=16, verbose=0)
    assert model.classify(["yes 100", "no 100"]) == ["positive", "negative"]


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "gru", "pooling": "mean"},
        {"cell": "lstm", "num_layers": 2, "bidirectional": False, "pooling": "last"},
        {"cell": LSTMCell(5, use_bias=False), "pooling": "attention"},
        {"pooling": "max", "dropout": 0.0, "dtype": "mixed_bfloat16"},
    ],
)
def test_every_shape_trains_predicts_and_saves(make_classifier, reviews, tmp_path, options):
    model = make_classifier(**options)
    texts, labels = reviews[0][:32], reviews[1][:32]
    model.fit(texts, labels, epochs=1, verbose=0)
    probabilities = model.predict(texts, verbose=0)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(texts, verbose=0), probabilities)
    assert again.get_config() == model.get_config()


def test_a_row_is_predicted_the_same_alone_and_in_any_batch(trained, reviews):
    texts = [*reviews[0][:20], *HARD_TEXTS]
    together = trained.predict(texts, verbose=0)
    for row in (0, 7, 19, 20, 25, len(texts) - 1):
        alone = trained.predict(texts[row : row + 1], verbose=0)
        np.testing.assert_allclose(alone[0], together[row], atol=1e-6)
    np.testing.assert_allclose(
        trained.predict(texts[::-1], batch_size=4, verbose=0)[::-1], together, atol=1e-6
    )


def test_every_form_of_texts_and_labels_is_the_same(make_classifier, reviews):
    texts, labels = reviews[0][:40], reviews[1][:40]
    numbers = [("negative", "positive").index(label) for label in labels]
    expected = None
    for x, y in (
        (texts, labels),
        (tuple(texts), np.array(labels)),
        (np.array(texts), np.array(numbers)),
        (np.array(texts, dtype=object), np.array(numbers, "float32")),
        ([text.encode() for text in texts], numbers),
    ):
        model = make_classifier()
        model.fit(x, y, epochs=1, verbose=0)
        predicted = model.predict(x, verbose=0)
        expected = predicted if expected is None else expected
        np.testing.assert_allclose(predicted, expected, atol=1e-6)


def test_encoded_corpora_batches_and_datasets_are_taken(make_classifier, reviews):
    texts, labels = reviews[0][:40], reviews[1][:40]
    model = make_classifier()
    examples = [Example(text, label, "here") for text, label in zip(texts, labels)]
    corpus = model.encode(examples)
    batches = BucketedBatches(corpus, 8, pad_id=model.tokenizer.pad_id)
    dataset = tf.data.Dataset.from_tensor_slices((texts, labels)).batch(8)
    for x in (corpus, batches, dataset):
        model.fit(x, validation_data=x, epochs=1, verbose=0)
    expected = model.evaluate(texts, labels, verbose=0)
    for x in (corpus, batches, dataset):
        np.testing.assert_allclose(model.evaluate(x, verbose=0), expected, atol=1e-4)
    expected = model.predict(texts, verbose=0)
    np.testing.assert_allclose(model.predict(corpus, verbose=0), expected, atol=1e-6)
    np.testing.assert_allclose(
        model.predict(dataset.map(lambda text, _: text), verbose=0), expected, atol=1e-5
    )


def test_sample_and_class_weights_count(make_classifier):
    texts, labels = ["one", "two"] * 10, ["negative", "positive"] * 10
    for weights in (
        {"sample_weight": [0.0 if label == "negative" else 1.0 for label in labels]},
        {"class_weight": {0: 0.0, 1: 1.0}},
    ):
        model = make_classifier()
        model.compile(optimizer=keras.optimizers.Adam(0.02))
        model.fit(texts, labels, epochs=8, validation_split=0, verbose=0, **weights)
        assert model.classify(["one", "two"]) == ["positive", "positive"]


def test_the_validation_slice_stops_the_training_at_its_best(make_classifier, reviews):
    model = make_classifier()
    history = model.fit(*reviews, epochs=30, batch_size=16, early_stopping=1, verbose=0).history
    losses = history["val_loss"]
    assert len(losses) < 30
    assert min(losses) == losses[-2]
    # Equal texts fall on one side, so that what is held out stays unseen.
    twice = model.fit(reviews[0] * 2, reviews[1] * 2, epochs=1, verbose=0)
    assert "val_loss" in twice.history


def test_new_labels_get_a_new_head_and_the_rest_is_kept(make_classifier, reviews, capsys):
    model = make_classifier()
    model.fit(*reviews, epochs=1, verbose=0)
    kept = model.embedding.get_weights()[0].copy()
    model.compile(optimizer=keras.optimizers.SGD(0.25))
    model.embedding.trainable = False
    model.fit(reviews[0][:30], ["x", "y", "z"] * 10, epochs=1, verbose=0)
    assert "New labels x, y, z instead of negative, positive" in capsys.readouterr().out
    assert model.labels == ("x", "y", "z")
    assert model.predict(["a"], verbose=0).shape == (1, 3)
    np.testing.assert_array_equal(model.embedding.get_weights()[0], kept)
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert float(model.optimizer.learning_rate) == 0.25


def test_the_same_labels_or_some_of_them_continue(make_classifier, reviews, capsys):
    model = make_classifier()
    head = model.head.get_weights()
    model.optimizer.learning_rate = 0.0
    model.fit(reviews[0][:10], ["positive"] * 10, epochs=1, verbose=0)
    model.fit(reviews[0][:10], [1, 0] * 5, epochs=1, verbose=0)
    assert "New labels" not in capsys.readouterr().out
    for before, after in zip(head, model.head.get_weights()):
        np.testing.assert_array_equal(before, after)


def test_hard_texts_get_an_answer(trained):
    probabilities = trained.predict([*HARD_TEXTS, "long " * 30_000], verbose=0)
    assert np.isfinite(probabilities).all()
    assert trained.predict([], verbose=0).shape == (0, 2)
    assert trained.classify([]) == []


def test_resuming_is_as_if_nothing_had_happened(make_classifier, reviews, tmp_path):
    def train(epochs, checkpoint=None):
        model = make_classifier(dropout=0.3)
        model.fit(
            *reviews,
            epochs=epochs,
            batch_size=16,
            early_stopping=2,
            checkpoint=checkpoint,
            verbose=0,
        )
        return model

    whole = train(6)
    train(2, tmp_path / "state")
    train(4, tmp_path / "state")
    resumed = train(6, tmp_path / "state")
    for expected, got in zip(whole.get_weights(), resumed.get_weights()):
        np.testing.assert_allclose(got, expected, atol=1e-5)
    # It had ended: nothing is trained on.
    again = train(6, tmp_path / "state")
    for expected, got in zip(resumed.get_weights(), again.get_weights()):
        np.testing.assert_array_equal(got, expected)


def test_resuming_with_another_model_is_refused(make_classifier, reviews, tmp_path):
    make_classifier().fit(*reviews, epochs=1, checkpoint=tmp_path, verbose=0)
    with pytest.raises(InputError, match="was of another model"):
        make_classifier(units=9).fit(*reviews, epochs=2, checkpoint=tmp_path, verbose=0)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ("a text", ["positive"], "texts must be a list of strings; got str"),
        (["a", None], ["positive", "negative"], "row 1: a text must be a string; got None"),
        (["a", "b"], None, "texts need labels"),
        (["a", "b"], ["positive"], r"2 texts and labels of shape \(1,\)"),
        (["a", "b"], ["positive", None], "row 1: a label must be a name or a number; got None"),
        (["a", "b"], [0, -1], "numbers from 0; got -1"),
        (["a", "b"], ["x", "x"], "every row has the label 'x'"),
        ([], [], "there is no text"),
    ],
)
def test_mistakes_are_named(make_classifier, x, y, message):
    with pytest.raises(InputError, match=message):
        make_classifier().fit(x, y, verbose=0)


def test_unknown_labels_in_evaluation_are_named(trained):
    with pytest.raises(InputError, match="row 1: the label 'maybe' is none of the model's"):
        trained.evaluate(["a", "b"], ["positive", "maybe"], verbose=0)


def test_an_unbatched_dataset_is_named(trained):
    with pytest.raises(InputError, match=r"batch it: dataset.batch\(64\)"):
        trained.evaluate(tf.data.Dataset.from_tensor_slices((["a"], [1])), verbose=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ["one"]}, "at least two different names"),
        ({"labels": ["one", "one"]}, "at least two different names"),
        ({"cell": "rnn"}, "must be one of .* Received: 'rnn'"),
        ({"max_tokens": 1}, "`max_tokens` must be at least 2"),
        ({"pooling": "sum"}, "`pooling` must be one of"),
    ],
)
def test_arguments_out_of_range_are_named(make_classifier, options, message):
    with pytest.raises(ValueError, match=message):
        make_classifier(**options)


def test_more_labels_than_two(make_classifier):
    texts = [f"{word} {i}" for i in range(30) for word in ("red", "green", "blue")]
    labels = [text.split()[0] for text in texts]
    model = make_classifier(labels=("red", "green", "blue"))
    model.compile(optimizer=keras.optimizers.Adam(0.03))
    model.fit(texts, labels, epochs=8, batch_size=16, verbose=0)
    assert model.classify(["blue 77", "red 77", "green 77"]) == ["blue", "red", "green"]


def test_is_a_keras_model(make_classifier):
    model = make_classifier()
    assert isinstance(model, TextClassifier) and isinstance(model, keras.Model)
    model.summary(print_fn=lambda line: None)
    ids = np.array([[5, 6, 3, 0], [7, 3, 0, 0]])
    logits = model(ids)
    assert logits.shape == (2, 2)
    np.testing.assert_allclose(model(ids[1:, :2])[0], logits[1], atol=1e-6)
    assert model.count_params() == sum(int(np.prod(w.shape)) for w in model.weights)
