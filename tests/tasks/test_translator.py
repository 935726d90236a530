"""The translator as a user meets it: strings in, strings out, Keras through and through."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import HARD_TEXTS
from keras import ops
from toy_translation import make_translator, pairs

import textlstm
from textlstm import InputError
from textlstm.cells import GRUCell, LSTMCell
from textlstm.data import EncodedPairs
from textlstm.decoding import BeamSearch, Sampler, Search
from textlstm.tasks import Translation, TranslationScore, score_translations

SHAPES = [
    {"cell": "gru", "attention": "dot", "shared": True, "embedding_dim": 16},
    {"cell": LSTMCell(16, proj_size=8), "attention": "general", "tie_embeddings": False},
    {"num_layers": 2, "attend": "first", "residual": True, "attention": "additive"},
    {"cell": GRUCell(16, layer_norm=True), "input_feeding": True, "dtype": "mixed_bfloat16"},
]


@pytest.fixture(scope="module")
def trained():
    """A translator that has learned the toy pair; do not train it on."""
    model = make_translator(units=48, embedding_dim=24, dropout=0.0, token_dropout=0.0)
    model.compile(keras.optimizers.Adam(0.01), label_smoothing=0.0)
    model.fit(*pairs(1200, seed=1), epochs=16, batch_size=32, verbose=0, early_stopping=None)
    return model


def test_a_model_has_a_search_of_its_own(trained):
    texts = pairs(40, seed=12, longest=9)[0]
    greedy = trained.with_options(beam_size=1, length_penalty=0.0)
    assert greedy.translate(texts, n_best=1) == trained.translate(
        texts, n_best=1, beam_size=1, length_penalty=0.0
    )
    for wrong in ({"beam_size": 0}, {"length_penalty": -1.0}):
        with pytest.raises(InputError, match=f"{next(iter(wrong))} must be"):
            trained.with_options(**wrong)


def test_learns_to_turn_a_text_round(trained):
    texts, translations = pairs(100, seed=2)
    found = trained.translate(texts)
    assert np.mean([a == b for a, b in zip(found, translations)]) > 0.9
    assert trained.evaluate(texts, translations, verbose=0, return_dict=True)["perplexity"] < 1.2


def test_it_looks_at_the_letter_that_it_says(trained):
    (alignment,) = trained.align(["a b c d"], ["D C B A"])
    assert [piece for piece in alignment.target if piece != "▁"] == ["D", "C", "B", "A", "</s>"]
    assert alignment.weights.shape == (len(alignment.target), len(alignment.source))
    np.testing.assert_allclose(alignment.weights.sum(axis=1), 1, atol=1e-5)
    for letter in "ABCD":
        looked = alignment.weights[alignment.target.index(letter)]
        near = alignment.source.index(letter.lower())
        assert looked[max(0, near - 1) : near + 2].sum() > 0.5, alignment


def test_without_translations_its_own_are_aligned(trained):
    texts = ["a b", "h g f e d"]
    own = [alignment.target for alignment in trained.align(texts)]
    given = [alignment.target for alignment in trained.align(texts, trained.translate(texts))]
    assert own == given
    assert trained.align([]) == []


@pytest.mark.parametrize("options", SHAPES)
def test_every_shape_trains_translates_and_saves(tmp_path, options):
    model = make_translator(**options)
    texts, translations = pairs(40, seed=3)
    history = model.fit(
        texts, translations, epochs=1, batch_size=16, validation_split=0.3, verbose=0
    ).history
    assert set(history) == {"loss", "perplexity", "val_loss", "val_perplexity"}
    found = model.translate(texts[:5], beam_size=2)
    assert all(isinstance(text, str) for text in found)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    inputs, _, _ = model.make_batches(model.encode(texts[:5], translations[:5]), 5)[0]
    np.testing.assert_array_equal(again(inputs), model(inputs))
    assert again.get_config() == model.get_config()


@pytest.mark.parametrize("options", SHAPES)
def test_a_step_of_the_search_is_a_step_of_training(options):
    """The scores of a greedy translation are the log-probabilities that `call` gives its tokens."""
    model = make_translator(**{**options, "dtype": "float32"})
    texts = ["a b c", "h"]
    ids, total = model.search(*_source(model, texts), _greedy(model), 6)
    ids = ops.convert_to_numpy(ids)
    read = np.roll(ids, 1, axis=1)
    read[:, 0] = model.begin_id
    logits = model({"source": _source(model, texts)[0], "target": read})
    log_probs = ops.convert_to_numpy(ops.log_softmax(logits))
    chosen = np.take_along_axis(log_probs, ids[..., None], axis=-1)[..., 0]
    real = ids != model.target_tokenizer.pad_id
    np.testing.assert_allclose((chosen * real).sum(axis=1), total, atol=1e-4)


def _source(model, texts):
    rows = model.source_tokenizer.encode(texts)
    width = max(map(len, rows))
    pad = model.source_tokenizer.pad_id
    return (np.array([[*row, *[pad] * (width - len(row))] for row in rows], "int32"),)


def _greedy(model):
    end_id = model.target_tokenizer.end_id
    return Search(end_id, forbidden_ids=model.forbidden_ids)


def test_a_text_alone_and_among_others_is_translated_alike():
    model = make_translator(seed=5)  # untrained: its answers are long and hang on everything
    texts = ["a", "b c", "c d e f g h a b", "", "h h h h h h h h"]
    together = model.translate(texts, beam_size=3, n_best=2)
    for text, several in zip(texts, together):
        (alone,) = model.translate([text], beam_size=3, n_best=2)
        assert [t.text for t in alone] == [t.text for t in several]
        np.testing.assert_allclose([t.score for t in alone], [t.score for t in several], atol=1e-4)


def test_n_best_come_in_order_and_one_beam_is_greedy(trained):
    texts = ["a b c", "d"]
    ranked = trained.translate(texts, beam_size=4, n_best=3)
    for several, best in zip(ranked, trained.translate(texts, beam_size=4)):
        assert len(several) == 3 and isinstance(several[0], Translation)
        assert several[0].text == best
        assert [t.score for t in several] == sorted((t.score for t in several), reverse=True)
    greedy = trained.translate(texts, search=_greedy(trained))
    assert trained.translate(texts, beam_size=1) == greedy


def test_a_strategy_of_ones_own_decides(trained):
    class NeverA(Search):
        def choose(self, log_probs, n, ids):
            letter = trained.target_tokenizer.pieces.index("A")
            banned = ops.arange(ops.shape(log_probs)[-1]) == letter
            return super().choose(ops.where(banned, -1e30, log_probs), n, ids)

    search = NeverA(trained.target_tokenizer.end_id, forbidden_ids=trained.forbidden_ids)
    assert "A" in trained.translate(["a b"])[0]
    assert "A" not in trained.translate(["a b"], search=search)[0]
    beams = BeamSearch(trained.target_tokenizer.end_id, beam_size=2)
    assert trained.translate(["a b"], search=beams) == trained.translate(["a b"], beam_size=2)


def test_a_search_that_was_changed_is_asked_as_it_is_now(trained):
    end_id = trained.target_tokenizer.end_id
    texts = ["a b c", "d", "c c d a b"]
    search = Sampler(end_id, seeds=[7], temperature=0.0, forbidden_ids=trained.forbidden_ids)
    assert trained.translate(texts, search=search) == trained.translate(texts, beam_size=1)
    search.temperature = 50.0
    wild = trained.translate(texts, search=search)
    assert wild != trained.translate(texts, beam_size=1)
    assert trained.translate(texts[2:], search=search) == wild[2:]  # whatever stands beside it
    search.seeds[0] = 8
    assert trained.translate(texts, search=search) != wild
    search.seeds = [1, 2, 3]
    with pytest.raises(InputError, match="one seed.*got 3"):
        trained.translate(texts, search=search)


def test_unknown_is_never_said_and_any_text_is_answered():
    model = make_translator(seed=7)
    for text in model.translate(HARD_TEXTS, beam_size=2):
        assert "⁇" not in text and "<unk>" not in text


def test_a_text_beyond_the_limit_is_cut_with_a_warning(trained):
    with pytest.warns(UserWarning, match="1 text is longer than the 16 tokens that this model"):
        found = trained.translate(["a b", "a " * 30])
    (alignment,) = trained.align(["a " * 30], [found[1]])
    assert len(alignment.source) == 16 and alignment.source[-1] == "</s>"
    assert found[1] == trained.translate(["a " * 8])[0]  # 15 tokens and the end mark


def test_a_tokenizer_given_twice_is_shared():
    tokenizer = textlstm.SentencePieceTokenizer.train(pairs(200)[0], 20, "char")
    twice, once = (textlstm.Translator(*[tokenizer] * n, units=8, embedding_dim=8) for n in (2, 1))
    assert twice.count_params() == once.count_params()
    assert textlstm.Translator.from_config(twice.get_config()).count_params() == once.count_params()


def test_pairs_beyond_the_limit_are_left_out_and_told(capsys):
    model = make_translator()
    texts, translations = pairs(20, seed=3)
    model.evaluate([*texts, "a " * 30], [*translations, "A"], verbose=0)
    assert "left out 1 pair with a side of more than 16 tokens" in capsys.readouterr().out


def test_options_that_make_no_sense_are_refused(trained):
    for options, message in (
        ({"beam_size": 0}, "beam_size must be a whole number of at least 1; got 0"),
        ({"max_tokens": 0}, "max_tokens must be a whole number of at least 1; got 0"),
        ({"no_repeat_ngram": -1}, "no_repeat_ngram must be a whole number of at least 0; got -1"),
        ({"length_penalty": -1.0}, "length_penalty must be 0 or more; got -1.0"),
        ({"beam_size": 2, "n_best": 3}, r"n_best must be from 1 to beam_size \(2\); got 3"),
    ):
        with pytest.raises(InputError, match=message):
            trained.translate(["a"], **options)
    with pytest.raises(InputError, match="there are 2 texts and 1 translations"):
        trained.fit(["a", "b"], ["A"])
    with pytest.raises(InputError, match="must be even; got {'units': 7}"):
        make_translator(units=7)
    with pytest.raises(InputError, match="`dropout` must be in"):
        make_translator(dropout=1.0)
    assert trained.translate([]) == []
    assert trained.predict([]).shape == (0,)


def test_fits_what_is_encoded_and_subwords_drawn_anew():
    sides = pairs(120, seed=4)
    tokenizers = [textlstm.SentencePieceTokenizer.train(side, 40, "bpe") for side in sides]
    model = textlstm.Translator(*tokenizers, units=8, embedding_dim=8)
    encoded = model.encode(*sides)
    assert isinstance(encoded, EncodedPairs)
    history = model.fit(
        encoded, validation_data=sides, epochs=2, subword_sampling=0.3, verbose=0
    ).history
    assert history["loss"][1] < history["loss"][0]


def test_a_tf_data_dataset_gives_the_same_loss():
    model = make_translator(dropout=0.0, token_dropout=0.0)
    sides = pairs(20, seed=3)
    rows = tf.data.Dataset.from_tensor_slices(sides)
    given, from_dataset = (
        model.evaluate(*data, verbose=0)[1] for data in (sides, (rows.batch(20),))
    )
    np.testing.assert_allclose(given, from_dataset, rtol=1e-5)
    model.fit(rows.batch(4), epochs=1, verbose=0)
    with pytest.raises(InputError, match=r"shapes \(\), \(\); give \(texts, translations\)"):
        model.fit(rows, verbose=0)


def test_the_loss_is_the_mean_over_tokens_whatever_the_padding():
    model = make_translator(dropout=0.0, token_dropout=0.0)
    model.compile(label_smoothing=0.0)
    texts, translations = ["a", "a b c d e"], ["A", "E D C B A"]
    loss, perplexity = model.evaluate(texts, translations, verbose=0)
    counts, sums = [], []
    for text, translation in zip(texts, translations):
        alone, _ = model.evaluate([text], [translation], verbose=0)
        counts.append(len(model.target_tokenizer.encode(translation)))
        sums.append(alone * counts[-1])
    np.testing.assert_allclose(loss, sum(sums) / sum(counts), rtol=1e-5)
    np.testing.assert_allclose(perplexity, np.exp(loss), rtol=1e-5)


def test_scores_are_sacrebleu_s():
    scores = score_translations(["the cat sat", "a dog"], ["the cat sat", "a dog"])
    names = list(scores)
    assert names[0].startswith("BLEU (") and "tok:13a" in names[0] and "case:mixed" in names[0]
    assert names[1].startswith("chrF2 (")
    assert scores[names[1]] == 100
    chinese = score_translations(["我很好。"], ["我很好！"], language="zh", lowercase=True)
    assert "tok:zh" in next(iter(chinese)) and "case:lc" in next(iter(chinese))
    with pytest.raises(InputError, match="1 translations and 2 references"):
        score_translations(["a"], ["a", "b"])


def test_a_callback_tells_the_bleu_of_every_epoch():
    model = make_translator(units=8)
    texts, translations = pairs(30, seed=3, longest=8)
    score = TranslationScore(texts[:10], translations[:10])
    with pytest.raises(InputError, match="10 translations and 9 references"):
        TranslationScore(texts[:10], translations[:9])
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_bleu", mode="max", patience=5, restore_best_weights=True
    )
    history = model.fit(
        texts,
        translations,
        validation_data=(texts, translations),
        epochs=2,
        verbose=0,
        callbacks=[score, stopping],
    )
    assert len(history.history["val_bleu"]) == 2
    assert all(0 <= bleu <= 100 for bleu in history.history["val_bleu"])
