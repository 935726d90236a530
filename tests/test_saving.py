"""The model folder: written whole or not at all, answering without us, trainable with us."""

import gc
import json
import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from examples.c_program import build_program, run_classify
from helpers import HARD_TEXTS

import textlstm
from textlstm import InputError
from textlstm.saving import check_export_folder
from textlstm.tasks.packed_weights import PackedWeight

# Runs in a process of its own, in which nothing but TensorFlow can be imported.
PLAIN_TENSORFLOW = """
import json, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("textlstm", "sentencepiece", "tensorflow_text", "keras"):
            raise ImportError(f"{name} is blocked")

import tensorflow as tf
sys.meta_path.insert(0, Blocked())
for name in [n for n in sys.modules if n.split(".")[0] in ("keras", "sentencepiece")]:
    del sys.modules[name]
folder, texts = sys.argv[1], json.load(sys.stdin)
model = tf.saved_model.load(folder)
texts = tf.constant([bytes(text) for text in texts])
answer = model.signatures["serving_default"](text=texts)
encoded = model.signatures["encode"](text=texts)
decoded = model.signatures["decode"](ids=encoded["ids"], lengths=encoded["lengths"])
print(json.dumps({
    "label": [label.decode() for label in answer["label"].numpy()],
    "score": answer["score"].numpy().tolist(),
    "probabilities": answer["probabilities"].numpy().tolist(),
    "classes": [[c.decode() for c in row] for row in answer["classes"].numpy()],
    "ids": [row[:n].tolist() for row, n in zip(encoded["ids"].numpy(), encoded["lengths"].numpy())],
    "decoded": [list(text) for text in decoded["text"].numpy()],
}))
"""


@pytest.fixture(scope="module")
def texts(reviews):
    return [text.encode() for text in reviews[0][:60]] + HARD_TEXTS + [b"long " * 20_000]


def ask_plain_tensorflow(version, texts, cwd) -> dict:
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PLAIN_TENSORFLOW), str(version)],
        input=json.dumps([list(text) for text in texts]),
        capture_output=True,
        text=True,
        cwd=cwd,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def test_answers_where_nothing_but_tensorflow_is(trained, exported, texts, tmp_path):
    answer = ask_plain_tensorflow(exported, texts, tmp_path)
    expected = trained.predict(texts, verbose=0)
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)
    np.testing.assert_allclose(answer["score"], expected.max(axis=1), atol=1e-5)
    assert answer["label"] == trained.classify(texts)
    assert answer["classes"] == [["negative", "positive"]] * len(texts)
    ids = trained.tokenizer.encode(texts)
    assert answer["ids"] == [row.tolist() for row in ids]
    assert [bytes(text).decode() for text in answer["decoded"]] == trained.tokenizer.decode(ids)


def test_an_export_has_gradients_without_graphs_of_ours(exported, serving, reviews):
    assert b"_gradient_op_type" not in (exported / "saved_model.pb").read_bytes()
    with tf.GradientTape() as tape:
        answer = serving.signatures["serving_default"](text=tf.constant(reviews[0][:3]))
        score = tf.reduce_sum(answer["score"])
    weights = [weight for weight in serving.weights if weight.trainable]
    gradients = tape.gradient(score, weights)
    assert all(np.abs(tf.convert_to_tensor(g)).max() > 0 for g in gradients)


def test_answers_in_c(trained, exported, texts, tmp_path):
    lines = [text for text in texts if b"\n" not in text]
    names, answers = run_classify(build_program(tmp_path), exported, lines)
    assert tuple(names) == trained.labels
    expected = trained.predict(lines, verbose=0)
    np.testing.assert_allclose([row[2] for row in answers], expected, atol=1e-5)
    assert [row[0] for row in answers] == trained.classify(lines)


@pytest.fixture(scope="module")
def serving(exported):
    return tf.saved_model.load(str(exported))


def size_of(folder) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_compact_folder_is_smaller_and_its_twin_answers_alike_everywhere(
    trained, exported, texts, tmp_path
):
    before = trained.get_weights()
    compact = textlstm.export(trained, tmp_path / "compact", compact=True)
    large = [v for v in trained.variables if v.value.shape.num_elements() >= 1024]
    saved = size_of(exported / "variables") - size_of(compact / "variables")
    assert saved > 0.5 * sum(4 * v.value.shape.num_elements() for v in large) > 0
    assert size_of(compact / "assets.extra") < size_of(exported / "assets.extra")
    lines = [text for text in texts if b"\n" not in text]
    answer = ask_plain_tensorflow(compact, lines, tmp_path)["probabilities"]
    _, in_c = run_classify(build_program(tmp_path), compact, lines)
    twin = textlstm.load(compact).predict(lines, verbose=0)
    np.testing.assert_allclose(answer, twin, atol=1e-5)
    np.testing.assert_allclose([row[2] for row in in_c], twin, atol=1e-5)
    rounded = trained.predict(lines, verbose=0)
    assert 0 < np.abs(twin - rounded).max() < 0.02  # bfloat16 keeps two to three digits
    for weight, same in zip(before, trained.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)


def test_signatures_are_those_of_the_design(serving):
    assert set(serving.signatures) == {"serving_default", "encode", "decode"}
    answer = serving.signatures["serving_default"]
    assert {
        name: (s.dtype, s.shape.as_list()) for name, s in answer.structured_outputs.items()
    } == {
        "label": (tf.string, [None]),
        "score": (tf.float32, [None]),
        "probabilities": (tf.float32, [None, 2]),
        "classes": (tf.string, [None, 2]),
    }
    nothing = answer(text=tf.constant([], tf.string))
    assert [value.shape[0] for value in nothing.values()] == [0] * 4


def test_a_model_of_mixed_precision_with_a_front_answers_in_float32(
    make_classifier, reviews, tmp_path
):
    model = make_classifier(dtype="mixed_float16", convolution=3, convolution_pool=2)
    model.fit(reviews[0][:32], reviews[1][:32], epochs=1, validation_split=0, verbose=0)
    version = textlstm.export(model, tmp_path / "mixed")
    answer = tf.saved_model.load(str(version)).signatures["serving_default"](
        text=tf.constant(reviews[0][:40])
    )
    expected = model.predict(reviews[0][:40], verbose=0)
    assert answer["probabilities"].dtype == tf.float32 and expected.dtype == np.float32
    np.testing.assert_allclose(answer["probabilities"], expected, atol=2e-3)  # half the digits
    twin = textlstm.load(version)
    assert twin.dtype_policy.name == "mixed_float16"
    assert isinstance(twin.optimizer, keras.optimizers.LossScaleOptimizer)
    twin.fit(reviews[0][:32], reviews[1][:32], epochs=1, validation_split=0, verbose=0)


def test_a_long_row_does_not_change_or_widen_the_others(serving, reviews):
    answer = serving.signatures["serving_default"]
    texts = reviews[0][:255]
    alone = answer(text=tf.constant(texts))["probabilities"]
    beside = answer(text=tf.constant([*texts, "x" * 100_000]))["probabilities"]
    np.testing.assert_allclose(beside[:255], alone, atol=1e-6)


def test_the_twin_is_the_model_and_trains_on(trained, exported, reviews, recwarn):
    twin = textlstm.load(exported.parent)
    assert not [w for w in recwarn if "optimizer" in str(w.message)]
    np.testing.assert_array_equal(
        twin.predict(reviews[0], verbose=0), trained.predict(reviews[0], verbose=0)
    )
    before = trained.evaluate(*reviews, verbose=0)[0]
    twin.fit(*reviews, epochs=3, validation_split=0, verbose=0)
    assert twin.evaluate(*reviews, verbose=0)[0] < before
    assert trained.evaluate(*reviews, verbose=0)[0] == pytest.approx(before)


def test_a_folder_that_was_moved_and_trained_on_is_exported_again(exported, tmp_path):
    import shutil

    moved = tmp_path / "elsewhere" / "mine"
    shutil.copytree(exported.parent, moved)
    model = textlstm.load(moved / "1")
    model.fit(["fine", "awful", "so so"] * 4, ["good", "bad", "neither"] * 4, epochs=1, verbose=0)
    version = textlstm.export(model, moved)
    assert version == moved / "2"
    again = textlstm.load(moved)
    assert again.labels == ("bad", "good", "neither")
    served = tf.saved_model.load(str(version)).signatures["serving_default"]
    np.testing.assert_allclose(
        served(text=tf.constant(["fine"]))["probabilities"],
        model.predict(["fine"], verbose=0),
        atol=1e-6,
    )


def test_the_description_serves_callers_without_python(exported):
    about = json.loads((exported / "assets.extra" / "textlstm.json").read_text("utf-8"))
    assert about["task"] == "TextClassifier"
    assert about["scores"] == {"accuracy": 0.5}
    assert about["max_tokens"] == 40
    assert about["config"]["labels"] == ["negative", "positive"]
    assert "model" not in about["config"]["tokenizer"]
    assert set(about["versions"]) >= {"tensorflow", "keras", "sentencepiece", "textlstm"}
    signature = about["signatures"]["serving_default"]
    assert signature["inputs"]["text"] == {
        "tensor": "serving_default_text:0",
        "dtype": "string",
        "shape": [-1],
    }
    assert signature["outputs"]["probabilities"]["shape"] == [-1, 2]


def test_the_card_says_what_and_how(exported):
    card = (exported.parent / "README.md").read_text("utf-8")
    assert card.startswith("# small\n")
    for words in ("bidirectional LSTM of 8 units", "| accuracy | 0.5000 |", "Made up."):
        assert words in card
    assert 'tf.saved_model.load("models/small/1")' in card


def test_no_table_is_copied_into_the_graph(exported, trained):
    # The tokenizer's tables are variables: the graph stays small whatever the vocabulary.
    assert (exported / "saved_model.pb").stat().st_size < 2_000_000


def test_versions_count_up_and_nothing_is_overwritten(trained, exported):
    before = {p: p.stat().st_mtime_ns for p in exported.rglob("*")}
    score = np.float32(0.75)  # as `mean` of predictions gives it
    version = textlstm.export(trained, exported.parent, scores={"accuracy": score})
    assert "| accuracy | 0.7500 |" in (version / "assets.extra" / "README.md").read_text("utf-8")
    assert int(version.name) > int(exported.name)
    card = (version / "assets.extra" / "README.md").read_text("utf-8")
    assert card == (exported.parent / "README.md").read_text("utf-8")
    assert {p: p.stat().st_mtime_ns for p in exported.rglob("*")} == before


def test_a_failed_export_leaves_nothing(trained, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        textlstm.export(trained, tmp_path / "deep" / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path / "nothing", "there is no such folder"),
        (lambda path: path, "is no model folder"),
    ],
)
def test_loading_what_is_no_model_is_named(tmp_path, make, message):
    with pytest.raises(InputError, match=message):
        textlstm.load(make(tmp_path))


def test_loading_a_broken_twin_is_named(exported, tmp_path):
    (tmp_path / "1" / "assets.extra").mkdir(parents=True)
    (tmp_path / "1" / "assets.extra" / "model.keras").write_bytes(b"not a model")
    with pytest.raises(InputError, match="cannot be read as a model of textlstm"):
        textlstm.load(tmp_path)


def test_a_cell_that_is_not_registered_is_named(tokenizer, tmp_path):
    @keras.saving.register_keras_serializable(package="theirs")
    class OddCell(textlstm.cells.GRUCell):
        pass

    model = textlstm.TextClassifier(tokenizer, ["a", "b"], cell=OddCell(4), embedding_dim=4)
    textlstm.export(model, tmp_path / "odd")
    keras.saving.get_custom_objects().pop("theirs>OddCell")
    with pytest.raises(InputError, match="'OddCell'.*import what defines it before you load"):
        textlstm.load(tmp_path / "odd")


def test_a_weight_that_is_packed_gives_its_memory_back():
    weight = PackedWeight(tf.ones([40, 40]), "weight")
    handle = weight.resource_handle
    np.testing.assert_array_equal(weight.read(), np.ones([40, 40]))
    del weight
    gc.collect()
    with pytest.raises(tf.errors.OpError):
        tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)


def test_a_signature_of_a_compact_export_is_enough_to_keep(trained, tmp_path):
    version = textlstm.export(trained, tmp_path / "model", compact=True)
    signature = tf.saved_model.load(str(version)).signatures["serving_default"]
    gc.collect()
    assert signature(text=tf.constant(["good"]))["label"][0].numpy().decode() in trained.labels


def test_an_export_place_that_cannot_be_is_named(trained, tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(InputError, match="file is not a folder"):
        textlstm.export(trained, file / "model")
    with pytest.raises(InputError, match="it holds other files already"):
        textlstm.export(trained, tmp_path)
    assert file.read_text() == "x"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder nobody can write to")
def test_a_folder_that_cannot_be_written_is_named():
    with pytest.raises(InputError, match="/proc/self cannot be written"):
        check_export_folder("/proc/self/model")


def test_export_needs_tensorflow(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(InputError, match="KERAS_BACKEND=tensorflow"):
        textlstm.export(trained, tmp_path / "model")
