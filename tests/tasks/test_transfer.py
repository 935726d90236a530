"""From a language model to a classifier: the same layers, trained from the top down."""

import keras
import numpy as np
import pytest

import textlstm
from textlstm import InputError, LanguageModel, SentencePieceTokenizer, TextClassifier
from textlstm.tasks import (
    DiscriminativeAdam,
    GradualUnfreezing,
    SlantedTriangularSchedule,
    discriminative_adam,
)

TEXTS = ["a good film", "a bad film", "what a good book", "what a bad book"] * 4
LABELS = ["good", "bad"] * 8


@pytest.fixture(scope="module")
def language_model():
    keras.utils.set_random_seed(0)
    tokenizer = SentencePieceTokenizer.train(TEXTS, 40)
    return LanguageModel(tokenizer, units=6, num_layers=2, embedding_dim=4, weight_drop=0.2)


def make_classifier(language_model, **options):
    return TextClassifier.from_language_model(language_model, ["bad", "good"], **options)


def test_a_classifier_reads_as_the_language_model_does(language_model):
    classifier = make_classifier(language_model, language_loss=0.5)
    ids = np.array([[5, 9, 7, 3], [8, 6, 11, 3]])
    read, _ = language_model.read(ids)
    vectors = classifier.embedding(ids)
    np.testing.assert_allclose(classifier.recurrent(vectors), read, atol=1e-6)
    np.testing.assert_allclose(classifier.language_head(read), language_model.head(read), atol=1e-6)
    assert classifier.recurrent.cell.get_config()["weight_drop"] == 0.2
    # It shares nothing: what is trained here is not trained there.
    before = language_model.get_weights()
    classifier.fit(TEXTS, LABELS, epochs=1, verbose=0)
    for was, now in zip(before, language_model.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


def test_the_second_loss_is_that_of_the_language_model(language_model):
    classifier = make_classifier(language_model, language_loss=0.5, dropout=0.0, token_dropout=0.0)
    classifier.recurrent.cell.weight_drop = 0.0
    ids = np.array([[5, 9, 7, 3], [8, 3, 0, 0]])
    outputs = classifier.recurrent(classifier.embedding(ids), mask=ids != 0)
    loss = classifier._language_loss(outputs, ids, ids != 0)
    log_probs = keras.ops.log_softmax(classifier.language_head(outputs))
    log_probs = keras.ops.convert_to_numpy(log_probs)
    wanted = [log_probs[0, 0, 9], log_probs[0, 1, 7], log_probs[0, 2, 3], log_probs[1, 0, 3]]
    np.testing.assert_allclose(loss, -0.5 * np.mean(wanted), rtol=1e-5)
    plain = make_classifier(language_model)
    plain.set_weights([w for w in plain.get_weights()])
    with_second = classifier.fit(TEXTS, LABELS, epochs=1, verbose=0, validation_split=0)
    without = plain.fit(TEXTS, LABELS, epochs=1, verbose=0, validation_split=0)
    assert with_second.history["loss"][0] > without.history["loss"][0] + 1.0  # log 40 is 3.7


def test_it_is_saved_with_its_second_loss_and_exported(language_model, tmp_path):
    classifier = make_classifier(language_model, language_loss=0.5)
    classifier.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(TEXTS), classifier.predict(TEXTS), atol=1e-6)
    again = textlstm.load(textlstm.export(classifier, tmp_path / "folder"))
    np.testing.assert_allclose(again.predict(TEXTS), classifier.predict(TEXTS), atol=1e-6)


def test_one_layer_more_joins_in_after_every_epoch(language_model):
    class Weights(keras.callbacks.Callback):
        seen = []

        def on_epoch_end(self, epoch, logs=None):
            groups = self.model.layer_groups
            self.seen.append([np.concatenate([np.ravel(v) for v in group]) for group in groups])

    classifier = make_classifier(language_model)
    first = [np.concatenate([np.ravel(v) for v in group]) for group in classifier.layer_groups]
    assert len(first) == 4  # labels, two recurrent layers, embedding
    weights = Weights()
    options = {"verbose": 0, "early_stopping": None, "epochs": 5}
    classifier.fit(TEXTS, LABELS, callbacks=[GradualUnfreezing(), weights], **options)
    for before, after, free in zip([first, *weights.seen], weights.seen, [1, 2, 3, 4, 4]):
        moved = [not np.array_equal(x, y) for x, y in zip(before, after)]
        assert moved == [group < free for group in range(4)]
    assert len(classifier.trainable_variables) == 9
    classifier.fit(TEXTS, LABELS, epochs=1, verbose=0)  # all layers, as before


def test_a_training_that_is_stopped_leaves_no_layer_at_rest(language_model):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    classifier = make_classifier(language_model)
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(TEXTS, LABELS, callbacks=[GradualUnfreezing(), Stop()], verbose=0)
    assert len(classifier.trainable_variables) == 9


def test_a_list_says_when_layers_join_in(language_model):
    callback = GradualUnfreezing([2, 3])
    callback.set_model(make_classifier(language_model))
    callback.on_train_begin()
    found = []
    for epoch in range(5):
        callback.on_epoch_begin(epoch)
        found.append(sum(group[0].trainable for group in callback.model.layer_groups))
    assert found == [1, 1, 2, 3, 3]


@pytest.mark.parametrize(
    ("epochs", "start"), [(1, 3), (2, 6), ([2, 3], 3), ([1, 4, 5, 9], 5), ([], 0)]
)
def test_early_stopping_waits_until_all_layers_train(language_model, epochs, start):
    classifier = make_classifier(language_model)
    callback = GradualUnfreezing(epochs)
    assert callback.free_from(classifier) == start
    classifier.compile(keras.optimizers.SGD(0.0))  # no loss is ever better than the first
    options = {"epochs": 20, "validation_data": (TEXTS, LABELS), "early_stopping": 2, "verbose": 0}
    history = classifier.fit(TEXTS, LABELS, callbacks=[callback], **options)
    assert len(history.epoch) == start + 3


def test_the_rate_is_lower_near_the_text(language_model):
    classifier = make_classifier(language_model)
    optimizer = discriminative_adam(classifier, 0.01, decay=2.0)
    # The first step of Adam is its rate, whatever the gradient is.
    optimizer.build(classifier.trainable_variables)
    before = [np.array(v) for v in classifier.trainable_variables]
    ones = [keras.ops.ones_like(v) for v in classifier.trainable_variables]
    optimizer.apply(ones, classifier.trainable_variables)
    steps = {
        v.path: np.max(np.abs(np.array(v) - w))
        for v, w in zip(classifier.trainable_variables, before)
    }
    for below, group in enumerate(classifier.layer_groups):
        for variable in group:
            assert steps[variable.path] == pytest.approx(0.01 / 2**below, rel=1e-2)
    again = DiscriminativeAdam.from_config(optimizer.get_config())
    assert again.factors == optimizer.factors


def test_the_slanted_triangle():
    schedule = SlantedTriangularSchedule(0.032, steps=100, cut=0.1, ratio=32)
    rates = [float(schedule(step)) for step in (0, 5, 10, 55, 100, 120)]
    np.testing.assert_allclose(rates, [0.001, 0.0165, 0.032, 0.0165, 0.001, 0.001], rtol=1e-5)
    again = SlantedTriangularSchedule.from_config(schedule.get_config())
    assert float(again(55)) == float(schedule(55))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda m: make_classifier(m, language_loss=-1.0), "language_loss` must be 0 or more"),
        (
            lambda m: TextClassifier(m.tokenizer, ["a", "b"], language_loss=1.0),
            "0 with `bidirectional` or `convolution`",
        ),
        (lambda m: GradualUnfreezing(0), "after 1 or more epochs"),
        (lambda m: GradualUnfreezing([2, 2]), "one after the other"),
        (lambda m: discriminative_adam(make_classifier(m), decay=0.5), "decay must be 1 or more"),
        (lambda m: SlantedTriangularSchedule(0.1, 0), "1 or more steps"),
        (
            lambda m: make_classifier(m).fit(
                TEXTS, LABELS, verbose=0, average_weights=0.9, callbacks=[GradualUnfreezing()]
            ),
            "cannot be averaged",
        ),
    ],
)
def test_what_makes_no_sense_is_named(language_model, make, message):
    with pytest.raises(InputError, match=message):
        make(language_model)


def test_what_did_not_train_before_an_unfreezing_does_not_in_it(language_model):
    classifier = make_classifier(language_model)
    classifier.embedding.trainable = False
    before = np.array(classifier.embedding.embeddings)
    classifier.compile(discriminative_adam(classifier))
    options = {"verbose": 0, "early_stopping": None, "epochs": 5}
    classifier.fit(TEXTS, LABELS, callbacks=[GradualUnfreezing()], **options)
    np.testing.assert_array_equal(classifier.embedding.embeddings, before)
    assert len(classifier.trainable_variables) == 8


def test_a_model_saved_while_layers_rest_trains_on_as_a_whole(language_model, tmp_path):
    classifier = make_classifier(language_model)
    copies = []
    callbacks = [
        GradualUnfreezing(),
        keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras"),
        keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: copies.append(classifier.with_options(dtype="float32"))
        ),
    ]
    classifier.fit(TEXTS, LABELS, epochs=2, batch_size=8, verbose=0, callbacks=callbacks)
    loaded = keras.saving.load_model(tmp_path / "1.keras")
    for model in (loaded, *copies):
        assert len(model.trainable_variables) == len(classifier.trainable_variables) == 9
    assert int(loaded.optimizer.iterations) == int(classifier.optimizer.iterations) // 2 > 0


def test_rates_by_layer_are_kept_by_a_saved_model_and_refused_by_another(tmp_path):
    tokenizer = SentencePieceTokenizer.train(TEXTS, 40)
    model = TextClassifier(tokenizer, ["bad", "good"], units=4, num_layers=2, embedding_dim=4)
    model.compile(discriminative_adam(model, 0.01, decay=2.0))
    model.fit(TEXTS, LABELS, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.optimizer._by_index == model.optimizer._by_index
    assert sorted(set(loaded.optimizer._by_index)) == [0.125, 0.25, 0.5, 1.0]
    other = TextClassifier(tokenizer, ["bad", "good"], cell="gru", units=4, name="another")
    other.compile(DiscriminativeAdam(0.01, model.optimizer.factors))
    with pytest.raises(InputError, match="'text_classifier.*as 'another"):
        other.fit(TEXTS, LABELS, epochs=1, verbose=0)
    # Of one's own weights those with a factor may all be frozen.
    loaded.compile(DiscriminativeAdam(0.01, {loaded.embedding.embeddings.path: 0.1}))
    loaded.embedding.trainable = False
    loaded.fit(TEXTS, LABELS, epochs=1, verbose=0)
