"""The language model: strings in, texts out; states carried as the equations say."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import textlstm
from textlstm import InputError, LanguageModel, SentencePieceTokenizer
from textlstm.cells import GRUCell
from textlstm.data import StreamBatches
from textlstm.decoding import Sampler

LINES = ["the cat sat on the mat", "the dog sat on the log", "a cat and a dog"] * 6
VERSE = "One two,\nthree four.\n\nFive six,\nseven  eight.\n"


@pytest.fixture(scope="module")
def letters():
    return SentencePieceTokenizer.train([VERSE, *LINES], 200, "char", exact=True)


def make_model(tokenizer, **options):
    keras.utils.set_random_seed(3)
    options = {"units": 12, "num_layers": 1, "embedding_dim": 8, **options}
    return LanguageModel(tokenizer, **options)


@pytest.fixture(scope="module")
def model(letters):
    """A model that knows a little."""
    model = make_model(letters, units=32, num_layers=2)
    model.compile(textlstm.tasks.Adam(0.02, global_clipnorm=1.0))
    model.fit(LINES, epochs=4, batch_size=4, window=20, validation_split=0, verbose=0)
    return model


def log_probs_by_steps(model, text):
    """log p of every token of a text, one step at a time."""
    tokenizer = model.tokenizer
    ids = np.append([tokenizer.end_id], tokenizer.encode(text))
    states, found = model.rnn.get_initial_state(1), []
    for before, after in zip(ids, ids[1:]):
        logits, states = model.step(np.array([before]), states)
        found.append(float(keras.ops.log_softmax(logits)[0, after]))
    return found


def test_unknown_tokens_are_counted(model):
    known = model.evaluate(["the cat", "a mat"])
    found = model.evaluate(["the \u2603 cat", "a mat \u2603\u2603"])
    assert (known["unknown_tokens"], found["unknown_tokens"]) == (0, 2)


def test_a_text_is_scored_as_its_steps_say(model):
    texts = ["the cat", "", "a dog sat on the long log and a mat and a mat"]
    expected = [sum(log_probs_by_steps(model, text)) for text in texts]
    np.testing.assert_allclose(model.score(texts), expected, rtol=1e-5)
    assert model.score([]).shape == (0,)
    alone = model.evaluate(texts, carry_states=False, batch_size=2)
    np.testing.assert_allclose(alone["loss"], -np.sum(expected) / alone["tokens"], rtol=1e-5)


def test_states_are_carried_over_the_whole_text(model):
    texts = LINES[:3]
    tokenizer = model.tokenizer
    ids = np.concatenate([[tokenizer.end_id], *tokenizer.encode(texts)])
    states, total = model.rnn.get_initial_state(1), 0.0
    for before, after in zip(ids, ids[1:]):
        logits, states = model.step(np.array([before]), states)
        total -= float(keras.ops.log_softmax(logits)[0, after])
    characters = sum(map(len, texts)) + 3
    for window in (5, 512):
        figures = model.evaluate(texts, window=window)
        np.testing.assert_allclose(figures["loss"], total / (len(ids) - 1), rtol=1e-5)
        np.testing.assert_allclose(figures["perplexity"], math.exp(figures["loss"]))
        bits = total / math.log(2) / characters
        np.testing.assert_allclose(figures["bits_per_character"], bits, rtol=1e-5)
        np.testing.assert_allclose(figures["bits_per_byte"], bits, rtol=1e-5)
        words = sum(len(text.split()) + 1 for text in texts)
        np.testing.assert_allclose(figures["word_perplexity"], math.exp(total / words), rtol=1e-4)
        assert figures["unknown_tokens"] == 0
        assert figures["tokens"] == len(ids) - 1


def test_long_texts_are_read_in_parts(model, monkeypatch):
    expected = model.evaluate(LINES, batch_size=3)
    assert expected != model.evaluate(LINES)
    tokens = model.encode(LINES).tokens
    monkeypatch.setattr("textlstm.tasks.language_model._TOKENS_OF_A_PART", tokens // 3)
    assert model.evaluate(LINES) == expected


def test_fit_carries_states_from_window_to_window(letters):
    """Validation by windows gives the loss of the whole, though nothing reads it at once."""
    model = make_model(letters, num_layers=2)
    text = [" ".join(LINES)]
    corpus = model.encode(text)
    batches = StreamBatches(
        corpus, 1, window=9, vary=False, shuffle=False, end_id=letters.end_id, pad_id=letters.pad_id
    )
    model.compile(keras.optimizers.SGD(0.0))
    history = model.fit(batches, validation_data=batches, epochs=2, verbose=0).history
    expected = model.evaluate(text)
    for loss in history["val_loss"]:
        np.testing.assert_allclose(loss, expected["loss"], rtol=1e-5)
    perplexity = history["val_perplexity"][0]
    np.testing.assert_allclose(perplexity, expected["perplexity"], rtol=1e-4)
    outside = model.evaluate(batches, return_dict=True, verbose=0)
    np.testing.assert_allclose(outside["loss"], expected["loss"], rtol=1e-5)
    assert len(model.get_weights()) == len(make_model(letters, num_layers=2).get_weights())


@pytest.mark.parametrize("carry", [True, False])
def test_every_epoch_is_validated_and_a_callback_may_measure_too(letters, carry):
    """What is measured on the way changes nothing of what is learned, states included."""
    measured = []

    def train(callbacks, validation_data=None):
        keras.utils.set_random_seed(1)
        model = make_model(letters, dropout=0.0, input_dropout=0.0)
        batches, others = (
            model.make_batches(model.encode(lines), 2, window=9, carry_states=carry)
            for lines in (LINES[:4], LINES[3:])
        )
        measure = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: measured.append(
                model.evaluate(others, return_dict=True, verbose=0)["loss"]
            )
        )
        how = {"validation_data": validation_data, "early_stopping": None, "verbose": 0}
        history = model.fit(batches, epochs=3, callbacks=[measure] if callbacks else [], **how)
        assert not model.carried.has_room(training=True)
        return history.history, model.get_weights()

    _, expected = train(callbacks=False)
    validated, weights = train(callbacks=False, validation_data=LINES[4:])
    assert len(validated["val_loss"]) == 3
    keras.tree.map_structure(np.testing.assert_array_equal, weights, expected)
    _, weights = train(callbacks=True)
    keras.tree.map_structure(np.testing.assert_array_equal, weights, expected)
    assert len(set(measured)) == len(measured) > 3


def test_it_is_exported_in_the_midst_of_a_training(letters, tmp_path):
    model = make_model(letters)

    def export(epoch, logs):
        textlstm.export(model, tmp_path / "model")

    callback = keras.callbacks.LambdaCallback(on_epoch_end=export)
    model.fit(LINES, carry_states=True, window=9, epochs=1, callbacks=[callback], verbose=0)
    loaded = textlstm.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.score(LINES), model.score(LINES), rtol=1e-5)


@pytest.mark.parametrize("carry", [True, False])
def test_it_learns(letters, carry):
    model = make_model(letters, units=32, dropout=0.0, input_dropout=0.0)
    model.compile(textlstm.tasks.Adam(0.03, global_clipnorm=1.0))
    before = model.evaluate(LINES)["loss"]
    model.fit(
        LINES, carry_states=carry, epochs=40, batch_size=4, window=20, validation_split=0, verbose=0
    )
    assert model.evaluate(LINES)["loss"] < 0.6 * before
    words = set(" ".join(LINES).split())
    assert len(words & set(" ".join(model.generate([""] * 5, temperature=0.3)).split())) > 3


def test_the_regularisers_do_their_part(letters):
    options = {"token_dropout": 0.1, "weight_drop": 0.5, "activation_regularization": 2.0}
    options |= {"change_regularization": 1.0, "dropout": 0.5, "residual": True}
    model = make_model(letters, embedding_dim=12, cell="gru", num_layers=2, **options)
    model.fit(LINES, epochs=1, batch_size=4, window=20, verbose=0)
    inputs = {"ids": np.array([[3, 5, 6, 7]]), "labels": np.array([[5, 6, 7, 8]])}
    model(inputs, training=True)
    assert len(model.losses) == 2
    model(inputs)
    assert not model.losses
    one, other = (np.array(model(inputs, training=True)) for _ in range(2))
    assert np.abs(one - other).max() > 1e-3


def test_a_large_vocabulary_gives_what_a_small_one_does(letters, monkeypatch):
    for tie in (True, False):
        model = make_model(letters, tie_embeddings=tie)
        expected = model.score(LINES[:3])
        monkeypatch.setattr(textlstm.layers.language_head, "_LARGE_VOCABULARY", 10)
        again = LanguageModel.from_config(model.get_config())
        again.set_weights(model.get_weights())
        np.testing.assert_allclose(again.score(LINES[:3]), expected, rtol=1e-5)
        monkeypatch.undo()


def test_generate_goes_on_exactly(model):
    prompts = ["the cat", "", "a dog sat on the"]
    texts = model.generate(prompts, max_tokens=30, seed=[1, 2, 3])
    for prompt, text, seed in zip(prompts, texts, [1, 2, 3]):
        assert model.generate([prompt], max_tokens=30, seed=seed) == [text]
        streamed = model.stream(prompt, max_tokens=30, seed=seed)
        assert "".join(streamed) == text
    assert texts == model.generate(prompts, max_tokens=30, seed=1)
    assert texts != model.generate(prompts, max_tokens=30, seed=77)
    greedy = model.generate(prompts, max_tokens=30, temperature=0)
    assert greedy == model.generate(prompts, max_tokens=30, top_k=1, seed=5)
    assert greedy == model.generate(prompts, max_tokens=30, top_p=1e-6, temperature=0.5)
    assert all(len(text) <= 7 for text in model.generate(prompts, max_tokens=7))


def test_mixed_precision_and_a_tokenizer_that_puts_spaces_before_words():
    tokenizer = SentencePieceTokenizer.train(LINES, 30)
    model = make_model(tokenizer, dtype="mixed_bfloat16")
    texts = model.generate(["the cat"] * 20, max_tokens=12)
    seed, text = next((n, text) for n, text in enumerate(texts) if text.startswith(" "))
    assert "".join(model.stream("the cat", max_tokens=12, seed=seed)) == text
    assert list(model.predict(["the cat"], max_tokens=12, seed=seed)) == [text]
    assert len(model.explain("the cat").shares) == 1 + len(tokenizer.encode("the cat")[:-1])


@pytest.mark.parametrize("options", [{"repetition_penalty": 1.5}, {"min_p": 0.1, "top_k": 9}])
def test_a_stream_is_what_generate_gives(model, options):
    for seed in range(3):
        text = "".join(model.stream("the ", max_tokens=40, seed=seed, **options))
        assert [text] == model.generate(["the "], max_tokens=40, seed=seed, **options)


def test_a_dataset_of_strings_is_read(model):
    rows = tf.data.Dataset.from_tensor_slices(LINES[:3])
    expected = model.evaluate(LINES[:3])
    assert model.evaluate(rows.batch(2)) == model.evaluate(rows) == expected
    with pytest.raises(InputError, match="takes a tf.data.Dataset of strings alone"):
        model.fit(rows.map(lambda text: (text, text)), verbose=0)


def test_a_sampler_of_one_s_own_has_one_seed_or_one_for_each(model):
    prompts, end_id = ["the cat", "a dog", "the "], model.tokenizer.end_id

    def ask(seeds, **options):
        search = Sampler(end_id, seeds=seeds, forbidden_ids=model.forbidden_ids)
        return model.generate(prompts, max_tokens=20, search=search, **options)

    assert ask([4, 5, 6]) == model.generate(prompts, max_tokens=20, seed=4)
    assert (
        ask([4]) == model.generate(prompts, max_tokens=20, seed=[4, 4, 4]) == ask([4], batch_size=2)
    )
    with pytest.raises(InputError, match="there are 3 texts, and the Sampler has 2 seeds"):
        ask([1, 2])
    with pytest.raises(InputError, match="give a larger batch_size"):
        ask([1, 2, 3], batch_size=2)


def test_stop_strings(model):
    texts = model.generate(["the cat"] * 20, max_tokens=40)
    seed, text = next((n, text) for n, text in enumerate(texts) if len(text) > 12)
    options = {"max_tokens": 40, "seed": seed}
    stop = text[6:9]
    expected = text[: text.find(stop)]
    assert model.generate(["the cat"], stop=stop, **options) == [expected]
    assert model.generate(["the cat"], stop=None, **options) == [text]
    pieces = list(model.stream("the cat", stop=["never this", stop], **options))
    assert "".join(pieces) == expected and all(pieces)


def test_characters_of_several_tokens_come_whole():
    tokenizer = SentencePieceTokenizer.of_bytes()
    model = make_model(tokenizer, units=64, dropout=0.0, input_dropout=0.0)
    text = "你好，世界！"
    model.compile(textlstm.tasks.Adam(0.02, global_clipnorm=1.0))
    model.fit([text] * 32, epochs=60, batch_size=8, validation_split=0, verbose=0)
    assert model.generate(["你"], temperature=0) == [text[1:]]
    assert list(model.stream("你", temperature=0)) == list(text[1:])


def test_line_breaks_and_spaces_are_kept(letters):
    model = make_model(letters, units=64, dropout=0.0, input_dropout=0.0)
    model.compile(textlstm.tasks.Adam(0.02, global_clipnorm=1.0))
    model.fit([VERSE] * 16, epochs=60, batch_size=8, validation_split=0, verbose=0)
    assert model.generate([VERSE[:11]], temperature=0) == [VERSE[11:]]


def test_an_adaptive_softmax_learns_writes_and_is_exported(letters, tmp_path):
    model = make_model(letters, cutoffs=[8, 14])
    model.compile(textlstm.tasks.Adam(0.02))
    history = model.fit(LINES, epochs=3, batch_size=4, window=20, validation_split=0, verbose=0)
    assert history.history["loss"][-1] < 0.85 * history.history["loss"][0]
    texts = LINES[:3]
    expected = [sum(log_probs_by_steps(model, text)) for text in texts]
    np.testing.assert_allclose(model.score(texts), expected, rtol=1e-5)
    again = textlstm.load(textlstm.export(model, tmp_path / "model"))
    assert again.generate(["the"], seed=5) == model.generate(["the"], seed=5)


def test_saved_and_loaded(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.generate(["the"], seed=5) == model.generate(["the"], seed=5)
    own = make_model(model.tokenizer, cell=GRUCell(6))
    assert LanguageModel.from_config(own.get_config()).rnn.cell.units == 6


def test_a_training_goes_on_where_it_was(letters, tmp_path):
    def train(epochs, folder):
        model = make_model(letters, weight_drop=0.2)
        model.fit(
            LINES, epochs=epochs, batch_size=4, window=15, checkpoint=folder, verbose=0, seed=2
        )
        return model.get_weights()

    whole = train(3, tmp_path / "whole")
    train(1, tmp_path / "part")
    for expected, got in zip(whole, train(3, tmp_path / "part")):
        np.testing.assert_array_equal(expected, got)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda m: m.generate(["a"], temperature=-1), "temperature must be 0 or more; got -1"),
        (lambda m: m.generate(["a"], top_p=0), r"top_p must be in \(0, 1\]; got 0"),
        (lambda m: m.generate(["a"], max_tokens=0), "max_tokens must be at least 1; got 0"),
        (lambda m: m.generate(["a", "b"], seed=[1]), r"2 prompts and seeds of shape \(1,\)"),
        (lambda m: m.generate("a"), "texts must be a list of strings"),
        (lambda m: m.generate(["a"], stop=["x", ""]), "none of them empty"),
        (lambda m: list(m.stream("a", top_k=-2)), "top_k must be 0"),
        (
            lambda m: m.fit(["a b c"], batch_size=50, carry_states=True, verbose=0),
            "give a smaller batch_size",
        ),
        (lambda m: m.fit(["a"], ["b"]), "leave out `y`"),
        (lambda m: m.evaluate([]), "there is no text"),
    ],
)
def test_mistakes_are_told(model, call, message):
    with pytest.raises(InputError, match=message):
        call(model)


def test_arguments_out_of_range(letters):
    with pytest.raises(InputError, match="`weight_drop` must be in"):
        make_model(letters, weight_drop=1.0)
    with pytest.raises(InputError, match="`cutoffs` must grow"):
        make_model(letters, cutoffs=[5, 900])
    with pytest.raises(InputError, match="give it to your own cell"):
        make_model(letters, cell=GRUCell(4), weight_drop=0.5)
