"""The classifier as a user meets it: strings in, Keras through and through."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import HARD_TEXTS, rewinder

import textlstm
from textlstm import InputError, TextClassifier
from textlstm.cells import LSTMCell
from textlstm.data import BucketedBatches, Example
from textlstm.tasks.texts import held_out, pick


def test_learns_what_is_easy(make_classifier):
    texts = [f"{word} {i}" for i in range(30) for word in ("red", "green", "blue")]
    labels = [text.split()[0] for text in texts]
    model = make_classifier(labels=("red", "green", "blue"))
    model.compile(optimizer=keras.optimizers.Adam(0.03))
    model.fit(texts, labels, epochs=8, batch_size=16, verbose=0)
    assert model.classify(["blue 77", "red 77", "green 77"]) == ["blue", "red", "green"]


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "gru", "pooling": "mean", "bidirectional": True},
        {"cell": "lstm", "num_layers": 2, "pooling": "last"},
        {"cell": LSTMCell(5, use_bias=False), "pooling": "attention"},
        {"pooling": "max", "dropout": 0.0, "dtype": "mixed_bfloat16"},
        {"convolution": 3, "convolution_pool": 4, "dtype": "mixed_float16"},
        {"num_layers": 2, "residual": True, "convolution": 2, "convolution_filters": 16},
        {"read_end_mark": False, "pooling": "last"},
    ],
)
def test_every_shape_trains_predicts_and_saves(make_classifier, reviews, tmp_path, options):
    model = make_classifier(**options)
    texts, labels = reviews[0][:32], reviews[1][:32]
    model.fit(texts, labels, epochs=1, validation_split=0, verbose=0)
    probabilities = model.predict(texts, verbose=0)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    (ids,) = model.tokenizer.encode(texts[:1])
    np.testing.assert_array_equal(again(ids[None]), model(ids[None]))
    assert again.get_config() == model.get_config()


def test_a_convolution_without_filters_is_refused(make_classifier):
    with pytest.raises(ValueError, match="`filters`.*Received: 0"):
        make_classifier(convolution=3, convolution_filters=0)


@pytest.mark.parametrize("cell", ["gru", LSTMCell(8, dtype="mixed_bfloat16")])
def test_a_model_trained_in_mixed_precision_answers_in_float32(make_classifier, reviews, cell):
    model = make_classifier(cell=cell, dtype="mixed_bfloat16")
    model.compile(label_smoothing=0.2)
    model.fit(reviews[0][:40], reviews[1][:40], epochs=1, validation_split=0, verbose=0)
    precise = model.with_options(dtype="float32")
    assert precise.dtype_policy.name == precise.recurrent.cell.dtype_policy.name == "float32"
    ids = model.tokenizer.encode(reviews[0][:1])[0][None]
    expected = make_classifier(cell="gru" if cell == "gru" else LSTMCell(8))
    expected.set_weights(model.get_weights())
    np.testing.assert_array_equal(precise(ids), expected(ids))
    np.testing.assert_allclose(precise(ids), model(ids), atol=0.02)
    assert precise.loss.label_smoothing == 0.2 and not precise.optimizer.built
    assert precise.get_config() != model.get_config()
    again = precise.with_options(dtype="mixed_bfloat16")
    assert again.compute_dtype == "bfloat16" and again.get_config() == model.get_config()
    np.testing.assert_array_equal(again(ids), model(ids))


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
    model = make_classifier()
    rewind = rewinder(model)
    for x, y in (
        (texts, labels),
        (tuple(texts), np.array(labels)),
        (np.array(texts), np.array(numbers)),
        (np.array(texts, dtype=object), np.array(numbers, "float32")),
        ([text.encode() for text in texts], numbers),
    ):
        rewind()
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
    of_rows = [0.0 if label == "negative" else 1.0 for label in labels]
    model = make_classifier()
    model.compile(optimizer=keras.optimizers.Adam(0.02))
    rewind = rewinder(model)
    for weights in (
        {"sample_weight": of_rows},
        {"class_weight": {0: 0.0, 1: 1.0}},
        {"class_weight": {"negative": 0.0}},
        {"class_weight": {"positive": 2.0}, "sample_weight": of_rows},
    ):
        rewind()
        model.fit(texts, labels, epochs=8, validation_split=0, verbose=0, **weights)
        assert model.classify(["one", "two"]) == ["positive", "positive"]


def test_sample_weights_that_do_not_fit_are_named(make_classifier):
    model = make_classifier()
    corpus = model.encode(["one", "two"], [0, 1])
    with pytest.raises(InputError, match="the labels come with a corpus"):
        model.evaluate(corpus, [1, 0])
    with pytest.raises(InputError, match="the labels come with a corpus"):
        model.fit(model.encode(["one", "two"]), [1, 0])
    for x, y in ((["one", "two"], [0, 1]), (corpus, None)):
        with pytest.raises(InputError, match=r"2 rows and a sample_weight of shape \(3,\)"):
            model.fit(x, y, sample_weight=[1, 2, 3], verbose=0)
    even, odd = (model.evaluate(corpus, sample_weight=w, verbose=0)[0] for w in ([1, 0], [0, 1]))
    assert even != odd
    batches = BucketedBatches(corpus, 2, pad_id=0)
    with pytest.raises(InputError, match="batches and datasets bring their weights"):
        model.evaluate(batches, sample_weight=[1, 1])


def test_weights_count_in_the_validation_slice(make_classifier):
    texts = [f"{word} {i}" for i in range(20) for word in ("one", "two")]
    model = make_classifier()
    model.compile(keras.optimizers.SGD(0.0))
    rewind = rewinder(model)

    def validated(weights):
        rewind()
        options = {"epochs": 1, "validation_split": 0.3, "verbose": 0}
        history = model.fit(texts, [0, 1] * 20, sample_weight=weights, **options)
        return history.history["val_loss"][0]

    held = held_out(texts, 0.3, 0)
    rows = model.encode(pick(texts, held), pick(np.array([0, 1] * 20), held))
    weights = np.linspace(0, 2, 40)
    expected = model.evaluate(rows, sample_weight=weights[held], verbose=0)[0]
    assert validated(weights) == pytest.approx(expected, rel=1e-5)
    assert validated(None) != pytest.approx(expected, rel=1e-2)


def test_a_mistake_in_class_weights_leaves_the_labels_as_they_were(make_classifier):
    model = make_classifier()
    texts, labels = ["one", "two"] * 8, ["red", "blue"] * 8
    other = make_classifier(labels=("red", "blue")).encode(texts, labels)
    for x, y in ((texts, labels), (other, None)):
        with pytest.raises(InputError, match="'green' is none of the labels"):
            model.fit(x, y, class_weight={"green": 2.0}, verbose=0)
        assert model.labels == ("negative", "positive")
    # To be predicted, a corpus needs no labels, so it may have others.
    np.testing.assert_allclose(model.predict(other), model.predict(texts), atol=1e-6)


def test_what_is_encoded_keeps_its_labels_on_disk_and_in_order(make_classifier, tmp_path):
    model = make_classifier()
    model.encode(["one", "two"], ["positive", "negative"], folder=tmp_path / "corpus")
    corpus = textlstm.EncodedCorpus.open(tmp_path / "corpus")
    assert corpus.labels.tolist() == [1, 0] and corpus.label_names == model.labels
    other = make_classifier(labels=("positive", "negative"))
    with pytest.raises(InputError, match="number their labels by negative, positive, the model by"):
        other.evaluate(BucketedBatches(corpus, 2, pad_id=0), verbose=0)


def test_balanced_class_weights_are_the_same_in_every_form(make_classifier):
    texts, labels = ["one", "two two", "three", "four"] * 6, ["negative"] * 6 + ["positive"] * 18
    weights = [24 / (2 * 6) if label == "negative" else 24 / (2 * 18) for label in labels]

    model = make_classifier(dropout=0.0, token_dropout=0.0)
    rewind = rewinder(model)

    def fitted(x, y=None, **options):
        rewind()
        model.fit(x, y, epochs=1, batch_size=8, validation_split=0, verbose=0, **options)
        return model.get_weights()

    corpus = model.encode(texts, labels)
    batches = BucketedBatches(corpus, 8, pad_id=model.tokenizer.pad_id)
    expected = fitted(texts, labels, sample_weight=weights)
    for got in (
        fitted(texts, labels, class_weight="balanced"),
        fitted(texts, labels, class_weight="balanced", sample_weight=np.ones(24)),
        fitted(corpus, class_weight="balanced"),
        fitted(batches, class_weight="balanced"),
    ):
        for one, other in zip(expected, got):
            np.testing.assert_allclose(other, one, atol=1e-6)


def test_label_smoothing_keeps_the_model_in_doubt(make_classifier, tmp_path):
    texts, labels = ["one", "two"] * 10, ["negative", "positive"] * 10
    model = make_classifier(dropout=0.0, token_dropout=0.0)
    model.compile(keras.optimizers.Adam(0.05), label_smoothing=0.4)
    model.fit(texts, labels, epochs=20, validation_split=0, verbose=0)
    # The loss asks for 1 - 0.4 + 0.4 / 2 = 0.8.
    np.testing.assert_allclose(model.predict(["two"], verbose=0)[0, 1], 0.8, atol=0.05)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.evaluate(texts, labels, verbose=0) == model.evaluate(texts, labels, verbose=0)
    with pytest.raises(InputError, match="label_smoothing is of the default loss"):
        model.compile(loss="mse", label_smoothing=0.1)
    with pytest.raises(InputError, match=r"label_smoothing must be in \[0, 1\); got 1"):
        model.compile(label_smoothing=1)


def test_long_texts_come_in_smaller_batches(make_classifier, monkeypatch):
    shapes = []
    getitem = BucketedBatches.__getitem__

    def noting(self, index):
        batch = getitem(self, index)
        shapes.append(batch[0].shape)
        return batch

    monkeypatch.setattr(BucketedBatches, "__getitem__", noting)
    texts, labels = ["a", "b " * 30] * 16, ["negative", "positive"] * 16
    options = {"epochs": 1, "batch_size": 16, "validation_split": 0, "verbose": 0}
    make_classifier().fit(texts, labels, max_batch_tokens=160, **options)
    assert {rows for rows, width in shapes if width == 40} == {4}
    assert {rows for rows, width in shapes if width == 8} == {16}


def test_subword_sampling_trains_on_other_pieces(make_classifier, reviews, monkeypatch):
    model = make_classifier()
    seeds, resample = [], type(model.tokenizer).resample

    def noting(self, rows, *, alpha, seed):
        seeds.append((alpha, seed))
        return resample(self, rows, alpha=alpha, seed=seed)

    monkeypatch.setattr(type(model.tokenizer), "resample", noting)
    model.fit(*reviews, epochs=2, subword_sampling=0.3, seed=5, verbose=0)
    assert {alpha for alpha, _ in seeds} == {0.3}
    assert {seed[:2] for _, seed in seeds} >= {(5, 0), (5, 1)}


def test_the_average_of_the_weights_is_validated_and_left(make_classifier, reviews):
    model = make_classifier()
    rewind = rewinder(model)
    options = {"epochs": 3, "early_stopping": None, "verbose": 0}
    model.fit(*reviews, **options)
    raw = model.get_weights()
    rewind()
    history = model.fit(*reviews, average_weights=0.9, **options).history
    assert not np.allclose(raw[0], model.get_weights()[0], atol=1e-4)
    texts = reviews[0]
    held = held_out(texts, 0.1, 0)
    labels = np.array(reviews[1])[held]
    scores = model.evaluate(pick(texts, held), labels, return_dict=True, verbose=0)
    assert scores["loss"] == pytest.approx(history["val_loss"][-1], rel=1e-5)


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


def test_losses_and_metrics_of_one_s_own_go_with_new_labels_and_into_float32(make_classifier):
    def loss(y_true, y_pred):
        return keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)

    def surest(y_true, y_pred):
        return keras.ops.max(y_pred, axis=-1)

    model = make_classifier(dtype="mixed_bfloat16")
    accuracy = keras.metrics.SparseTopKCategoricalAccuracy(2, name="first_two")
    model.compile(keras.optimizers.SGD(0.3), loss=loss, metrics=[surest, accuracy])
    texts, labels = ["one", "two", "three"] * 4, ["a", "b", "c"] * 4
    history = model.fit(texts, labels, epochs=1, verbose=0)
    for again in (model, model.with_options(dtype="float32")):
        assert {"loss", "surest", "first_two"} <= set(history.history)
        assert float(again.optimizer.learning_rate) == pytest.approx(0.3)
        history = again.fit(texts, labels, epochs=1, verbose=0)


def test_a_layer_that_does_not_train_stays_so(make_classifier, reviews, tmp_path):
    model = make_classifier(num_layers=2)
    model.embedding.trainable = False
    model.recurrent.cells[1].trainable = False
    texts, labels = reviews[0][:32], reviews[1][:32]
    model.fit(texts, labels, epochs=1, validation_split=0, verbose=0)
    model.save(tmp_path / "model.keras")
    folder = textlstm.export(model, tmp_path / "folder")
    names = [v.path.split("/", 1)[1] for v in model.trainable_variables]
    assert "embedding/embeddings" not in names and len(names) == 5
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for again in (loaded, model.with_options(dtype="float32"), textlstm.load(folder)):
        assert [v.path.split("/", 1)[1] for v in again.trainable_variables] == names
        again.fit(texts, labels, epochs=1, validation_split=0, verbose=0)
        np.testing.assert_array_equal(again.embedding.embeddings, model.embedding.embeddings)
    assert int(loaded.optimizer.iterations) == 2 * int(model.optimizer.iterations)
    loaded.embedding.trainable = True
    assert len(loaded.trainable_variables) == 6


def test_an_optimizer_keeps_its_state_of_a_layer_that_was_frozen_later(
    make_classifier, reviews, tmp_path
):
    model = make_classifier()
    texts, labels = reviews[0][:32], reviews[1][:32]
    model.fit(texts, labels, epochs=1, validation_split=0, verbose=0)
    model.embedding.trainable = False
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.trainable_variables) == len(model.trainable_variables)
    for one, other in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, other)


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
    model = make_classifier(dropout=0.3)
    rewind = rewinder(model)

    def train(epochs, checkpoint=None):
        rewind()
        model.fit(
            *reviews,
            epochs=epochs,
            batch_size=16,
            early_stopping=2,
            checkpoint=checkpoint,
            verbose=0,
        )
        return model.get_weights()

    whole = train(6)
    train(2, tmp_path / "state")
    train(4, tmp_path / "state")
    resumed = train(6, tmp_path / "state")
    for expected, got in zip(whole, resumed):
        np.testing.assert_allclose(got, expected, atol=1e-5)
    # It had ended: nothing is trained on.
    again = train(6, tmp_path / "state")
    for expected, got in zip(resumed, again):
        np.testing.assert_array_equal(got, expected)


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


def test_a_front_that_pools_gives_a_row_the_same_in_any_batch(make_classifier, reviews):
    model = make_classifier(convolution=3, convolution_pool=3)
    texts = [*reviews[0][:20], *HARD_TEXTS]
    together = model.predict(texts, verbose=0)
    for row in (0, 7, 20, 25):
        alone = model.predict(texts[row : row + 1], verbose=0)
        np.testing.assert_allclose(alone[0], together[row], atol=1e-6)


@pytest.mark.parametrize("front", [{}, {"convolution": 3, "convolution_pool": 2}])
@pytest.mark.parametrize("pooling", ["concat", "attention"])
def test_an_end_mark_that_is_not_read_changes_nothing(make_classifier, front, pooling):
    model = make_classifier(read_end_mark=False, pooling=pooling, **front)
    end = model.tokenizer.end_id
    without = model(np.array([[20, 30, 40]]))
    np.testing.assert_allclose(model(np.array([[20, 30, 40, end]])), without, atol=1e-6)
    assert np.abs(model(np.array([[20, 30, 40, 50]])) - without).max() > 1e-4
    reads = make_classifier(pooling=pooling, **front)
    difference = reads(np.array([[20, 30, 40, end]])) - reads(np.array([[20, 30, 40]]))
    assert np.abs(difference).max() > 1e-4
    # An empty text is all padding then: states and pooled vectors are zeros, the rest is the bias.
    assert model.tokenizer.encode("").tolist() == [end]
    np.testing.assert_allclose(model(np.array([[end]])), [[0.0, 0.0]], atol=1e-6)


def test_dropout_reaches_what_the_convolution_gives(make_classifier):
    model = make_classifier(convolution=3, convolution_filters=50, dropout=0.5)
    seen = []
    model.recurrent.call = lambda vectors, **_: seen.append(np.array(vectors)) or vectors
    model.front.convolution.bias.assign(np.ones(50))  # so that no filter is zero by itself
    model.pooling.pool = lambda sequence, mask: keras.ops.zeros((1, 24))
    model(np.full((1, 40), 20), training=True)
    assert 0.4 < (seen[0] == 0).mean() < 0.6


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bidirectional": True}, "a bidirectional LSTM of 8 units over 700 SentencePiece tokens"),
        (
            {"num_layers": 2, "residual": True, "cell": "gru"},
            "a 2-layer residual GRU of 8 units over",
        ),
        (
            {"cell": LSTMCell(6, peephole=True, layer_norm=True, proj_size=3)},
            "LSTM of 6 units (peephole, layer norm) over",
        ),
        (
            {"convolution": 5, "convolution_pool": 2},
            "over a convolution of width 5 and 8 filters, pooled by 2, over 700 SentencePiece",
        ),
        ({"multi_label": True}, "`negative`, `positive`, of which a text may have any number: a"),
    ],
)
def test_the_description_says_what_the_model_is(make_classifier, options, words):
    assert words in make_classifier(**options).describe()


def test_is_a_keras_model(make_classifier):
    model = make_classifier()
    assert isinstance(model, TextClassifier) and isinstance(model, keras.Model)
    model.summary(print_fn=lambda line: None)
    ids = np.array([[5, 6, 3, 0], [7, 3, 0, 0]])
    logits = model(ids)
    assert logits.shape == (2, 2)
    np.testing.assert_allclose(model(ids[1:, :2])[0], logits[1], atol=1e-6)
    assert model.count_params() == sum(int(np.prod(w.shape)) for w in model.weights)


def test_other_options_keep_the_weights(make_classifier, reviews):
    model = make_classifier(dropout=0.0)
    other = model.with_options(dropout=0.4, token_dropout=0.3)
    assert (other.get_config()["dropout"], other.get_config()["token_dropout"]) == (0.4, 0.3)
    assert model.get_config()["dropout"] == 0.0
    answers = (each.predict(reviews[0][:4], verbose=0) for each in (model, other))
    np.testing.assert_array_equal(*answers)
    with pytest.raises(textlstm.InputError, match="speed: a TextClassifier has no such options"):
        model.with_options(speed=2)
    with pytest.raises(textlstm.InputError, match="units: would change the shapes of the weights"):
        model.with_options(units=5)
