"""Training needs no TensorFlow: the JAX backend, in a process where TensorFlow is blocked."""

import keras
import numpy as np

import textlstm
from textlstm import insight

SCRIPT = """
import keras, numpy as np, textlstm, textlstm.insight

keras.utils.set_random_seed(0)
inputs = keras.Input((None, 3))
mask = keras.Input((None,), dtype="bool")
lstm = textlstm.LSTM(4, num_layers=2, bidirectional=True, return_sequences=True)
gru = textlstm.GRU(3, return_state=True)
outputs, states = gru(lstm(inputs, mask=mask), mask=mask)
layers = keras.Model([inputs, mask], [outputs, *states])
rng = np.random.default_rng(0)
x, m = rng.normal(size=(2, 5, 3)).astype("float32"), rng.random((2, 5)) < 0.6
layers.compile("adam", ["mse", "mse"])
layers.train_on_batch([x, m], [np.zeros((2, 3)), np.zeros((2, 1, 3))])
layers.save("layers.keras")
np.savez("layers.npz", x=x, m=m, y=np.asarray(layers([x, m])[0]))

texts, labels = ["good thing", "bad thing"] * 8, ["yes", "no"] * 8
tokenizer = textlstm.SentencePieceTokenizer.train(texts, vocabulary_size=60)
model = textlstm.TextClassifier(tokenizer, ["no", "yes"], units=4, embedding_dim=4)
options = {"average_weights": 0.9, "class_weight": "balanced", "batch_size": 4}
options |= {"checkpoint": "state", "checkpoint_minutes": 0, "validation_split": 0.2, "seed": 3}
model.compile(label_smoothing=0.1)

class CutOff(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            raise KeyboardInterrupt

class Count(keras.callbacks.Callback):
    passed = trained = 0
    def on_train_batch_end(self, batch, logs=None):
        Count.trained += bool(logs)
        Count.passed += not logs

# Cut off in its first epoch, and gone on with: one batch was kept, the second was not.
try:
    model.fit(texts, labels, epochs=2, verbose=0, callbacks=[CutOff()], **options)
except KeyboardInterrupt:
    pass
model.fit(texts, labels, epochs=2, verbose=0, callbacks=[Count()], **options)
assert Count.passed == 1 and Count.trained > 1
assert int(model.optimizer.iterations) == Count.passed + Count.trained
model.save("classifier.keras")
np.save("classifier.npy", model.predict(texts, verbose=0))
shares = textlstm.insight.attribute(model, "good thing")
trace = textlstm.insight.record(model, "good thing").traces["recurrent"]
np.savez("insight.npz", shares=shares.shares, norms=shares.gradient_norms, **trace.gates)
try:
    textlstm.export(model, "exported")
except textlstm.InputError as error:
    assert "KERAS_BACKEND=tensorflow" in str(error)
assert sys.modules["tensorflow"] is None
"""


def test_trains_under_jax_and_goes_on_under_tensorflow(tmp_path, run_under_jax):
    run_under_jax(SCRIPT)
    assert not (tmp_path / "exported").exists()

    with np.load(tmp_path / "layers.npz") as arrays:
        layers = keras.saving.load_model(tmp_path / "layers.keras", compile=False)
        outputs = layers([arrays["x"], arrays["m"]])[0]
        np.testing.assert_allclose(outputs, arrays["y"], atol=1e-5)

    model = keras.saving.load_model(tmp_path / "classifier.keras")
    texts = ["good thing", "bad thing"] * 8
    predicted = model.predict(texts, verbose=0)
    np.testing.assert_allclose(predicted, np.load(tmp_path / "classifier.npy"), atol=1e-5)
    found = insight.attribute(model, "good thing")
    trace = insight.record(model, "good thing").traces["recurrent"]
    with np.load(tmp_path / "insight.npz") as arrays:
        expected = {"shares": found.shares, "norms": found.gradient_norms, **trace.gates}
        for name, array in expected.items():
            np.testing.assert_allclose(array, arrays[name], atol=1e-5)
    assert textlstm.export(model, tmp_path / "exported").name == "1"


LANGUAGE_MODEL = """
import keras, numpy as np, sys, textlstm

lines = ["the cat sat on the mat", "the dog sat on the log"] * 6
tokenizer = textlstm.SentencePieceTokenizer.train(lines, 200, "char", exact=True)
keras.utils.set_random_seed(0)
options = {"token_dropout": 0.1, "weight_drop": 0.2, "cutoffs": [12]}
options |= {"activation_regularization": 1.0}
model = textlstm.LanguageModel(tokenizer, units=8, embedding_dim=6, **options)
history = model.fit(
    lines, validation_data=lines[:4], carry_states=True, batch_size=4, window=20, epochs=2,
    verbose=0,
)
assert np.isfinite(history.history["val_perplexity"]).all()
model.save("language.keras")
(text,) = model.generate(["the"], max_tokens=10, seed=4)
assert "".join(model.stream("the", max_tokens=10, seed=4)) == text
open("text.txt", "w").write(text)
np.save("scores.npy", model.score(lines[:2]))
assert sys.modules["tensorflow"] is None
"""


def test_a_language_model_writes_the_same_under_both(tmp_path, run_under_jax):
    run_under_jax(LANGUAGE_MODEL)
    model = keras.saving.load_model(tmp_path / "language.keras")
    assert model.generate(["the"], max_tokens=10, seed=4) == [(tmp_path / "text.txt").read_text()]
    scores = model.score(["the cat sat on the mat", "the dog sat on the log"])
    np.testing.assert_allclose(scores, np.load(tmp_path / "scores.npy"), rtol=1e-5)
