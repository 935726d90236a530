"""The export of a translator gives the strings that the Keras model gives, in plain TensorFlow."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from examples.c_program import build_program, call_program
from helpers import HARD_TEXTS
from toy_translation import make_translator, pairs

import textlstm

ASK = """
import sys, json
import tensorflow as tf

assert not any(name.startswith(("textlstm", "sentencepiece")) for name in sys.modules)
model = tf.saved_model.load(sys.argv[1])
texts = json.loads(sys.argv[2])
answers = model.signatures["serving_default"](text=tf.constant(texts))
print(json.dumps([text.decode() for text in answers["translation"].numpy()]))
"""


@pytest.fixture(scope="module")
def model():
    """A translator that has trained a little: its answers are of all lengths."""
    options = {"num_layers": 2, "attend": "first", "input_feeding": True}
    model = make_translator(cell="gru", beam_size=3, length_penalty=2.0, **options)
    model.fit(*pairs(200, seed=1), epochs=2, validation_split=0, verbose=0)
    return model


@pytest.fixture(scope="module")
def version(model, tmp_path_factory):
    return textlstm.export(model, tmp_path_factory.mktemp("models") / "toy", scores={"BLEU": 1.0})


@pytest.fixture(scope="module")
def signatures(version):
    return tf.saved_model.load(str(version)).signatures


def strings(tensor):
    return [text.decode() for text in np.ravel(tensor.numpy())]


def test_its_strings_are_the_keras_model_s(model, signatures):
    texts = [*pairs(60, seed=8, longest=9)[0], ""]
    answers = signatures["serving_default"](text=tf.constant(texts))
    ours = model.translate(texts, n_best=1)
    assert ours == model.translate(texts, n_best=1, beam_size=3, length_penalty=2.0)
    assert strings(answers["translation"]) == [t.text for (t,) in ours]
    np.testing.assert_allclose(answers["score"], [t.score for (t,) in ours], atol=1e-4)


@pytest.mark.parametrize("beams, penalty, most", [(1, 0.0, 16), (5, 2.0, 9)])
def test_beams_penalty_and_length_are_inputs(model, signatures, beams, penalty, most):
    texts = pairs(20, seed=9)[0]
    answers = signatures["translate"](
        text=tf.constant(texts),
        beam_size=tf.constant(beams),
        length_penalty=tf.constant(penalty),
        max_tokens=tf.constant(most),
    )
    assert answers["translations"].shape == answers["scores"].shape == (len(texts), beams)
    options = {"beam_size": beams, "length_penalty": penalty, "max_tokens": most}
    for theirs, scores, ours in zip(
        answers["translations"], answers["scores"], model.translate(texts, n_best=beams, **options)
    ):
        assert strings(theirs) == [t.text for t in ours]
        np.testing.assert_allclose(scores, [t.score for t in ours], atol=1e-4)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"beam_size": 0}, "beam_size must be from 1 to"),
        ({"beam_size": 1_000_000}, "beam_size must be from 1 to"),
        ({"length_penalty": -1.0}, "length_penalty must be 0 or more"),
        ({"length_penalty": float("nan")}, "length_penalty must be 0 or more"),
        ({"max_tokens": 0}, "max_tokens must be from 1 to 16"),
        ({"max_tokens": 17}, "max_tokens must be from 1 to 16"),
    ],
)
def test_options_that_make_no_sense_raise_in_the_graph(signatures, wrong, message):
    options = {"beam_size": 2, "length_penalty": 1.0, "max_tokens": 5, **wrong}
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        signatures["translate"](text=tf.constant(["a"]), **dict(map(_tensor, options.items())))


def _tensor(item):
    return item[0], tf.constant(item[1])


def test_a_row_s_answer_is_its_own(signatures):
    texts = [text.encode() for text in pairs(20, seed=10, longest=15)[0]] + HARD_TEXTS
    together = signatures["serving_default"](text=tf.constant(texts))
    for row, text in enumerate(texts):
        alone = signatures["serving_default"](text=tf.constant([text]))
        assert alone["translation"][0] == together["translation"][row]
        np.testing.assert_allclose(alone["score"][0], together["score"][row], atol=1e-4)
    nothing = signatures["serving_default"](text=tf.constant([], tf.string))
    assert nothing["translation"].shape == nothing["score"].shape == (0,)


def test_encode_is_the_source_s_and_decode_the_target_s(model, signatures):
    encoded = signatures["encode"](text=tf.constant(["a b"]))
    np.testing.assert_array_equal(encoded["ids"][0], model.source_tokenizer.encode("a b"))
    ids = model.target_tokenizer.encode(["B A"])[0]
    decoded = signatures["decode"](
        ids=tf.constant(ids[None]), lengths=tf.constant([len(ids)], tf.int32)
    )
    assert strings(decoded["text"]) == ["B A"]


def test_tensorflow_alone_gives_the_same(model, version):
    texts = pairs(5, seed=11)[0]
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(version), json.dumps(texts)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == model.translate(texts)


def test_a_c_program_gives_the_same(model, version, tmp_path):
    texts = [*pairs(30, seed=13)[0], "", "\xff"]
    lines = [text.encode("latin-1") for text in texts]
    program = build_program(tmp_path, "translate")
    done = call_program(program, version, stdin=b"".join(line + b"\n" for line in lines))
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.decode().split("\n")[:-1]]
    ours = [translations[0] for translations in model.translate(lines, n_best=1)]
    assert [text for _, text in rows] == [translation.text for translation in ours]
    np.testing.assert_allclose([float(s) for s, _ in rows], [t.score for t in ours], atol=1e-4)
    assert call_program(program, version).stdout == b""
    other = call_program(program, version.parent, "a")
    assert other.returncode == 1 and other.stderr.startswith(b"translate: ")


def test_the_folder_trains_on(model, version):
    again = textlstm.load(version.parent)
    texts, translations = pairs(30, seed=12)
    assert again.translate(texts) == model.translate(texts)
    again.fit(texts, translations, epochs=1, validation_split=0, verbose=0)
    card = (version.parent / "README.md").read_text("utf-8")
    assert "model.fit(texts, translations)" in card and '["translation"]' in card
    about = json.loads((version / "assets.extra" / "textlstm.json").read_text("utf-8"))
    assert about["task"] == "Translator"
    assert about["config"]["source_tokenizer"]["class_name"] == "SentencePieceTokenizer"
    assert set(about["signatures"]["translate"]["outputs"]) == {"translations", "scores"}
