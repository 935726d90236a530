"""The smoothed loss and the F1 score, by hand and beside Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import f1_score

from textlstm.tasks import MicroF1, SmoothedSparseCategoricalCrossentropy

LOGITS = np.array([[2.0, -1.0, 0.5], [0.0, 0.0, 3.0]], "float32")
LABELS = np.array([0, 1], "int32")


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_smoothing_is_that_of_one_hot_labels(smoothing):
    loss = SmoothedSparseCategoricalCrossentropy(smoothing)
    one_hot = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    for labels in (LABELS, LABELS[:, None]):
        np.testing.assert_allclose(
            loss(labels, LOGITS), one_hot(np.eye(3, dtype="float32")[LABELS], LOGITS), rtol=1e-6
        )


def test_smoothing_by_hand():
    # Two classes at log-odds log 3: p = (3/4, 1/4); q = (0.9, 0.1).
    loss = SmoothedSparseCategoricalCrossentropy(0.2)([0], [[np.log(3.0), 0.0]])
    np.testing.assert_allclose(loss, -0.9 * np.log(0.75) - 0.1 * np.log(0.25), rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_its_gradient_is_that_of_one_hot_labels(smoothing):
    # Tokens of two rows, of which the last counts for nothing, and logits far beyond exp's range.
    rng = np.random.default_rng(1)
    logits = tf.constant(rng.normal(size=(2, 3, 5)) * [[[1.0], [50.0], [3000.0]]], "float32")
    labels, weights = rng.integers(0, 5, (2, 3)), np.array([[1, 1, 1], [1, 2, 0]], "float32")
    ours = SmoothedSparseCategoricalCrossentropy(smoothing, reduction="sum")
    keras_own = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=smoothing, reduction="sum"
    )
    gradients = []
    for loss, truth in ((ours, labels), (keras_own, np.eye(5, dtype="float32")[labels])):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            total = loss(truth, logits, weights)
        gradients.append(tape.gradient(total, logits))
        assert np.isfinite(total)
    np.testing.assert_allclose(*gradients, atol=1e-6)
    assert not np.any(gradients[0][1, 2])


def test_the_loss_is_saved():
    loss = SmoothedSparseCategoricalCrossentropy(0.3)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    np.testing.assert_allclose(again(LABELS, LOGITS), loss(LABELS, LOGITS))
    with pytest.raises(ValueError, match=r"must be in \[0, 1\). Received: 1"):
        SmoothedSparseCategoricalCrossentropy(1)


def test_micro_f1_is_that_of_scikit_learn_whatever_the_batches():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(40, 5)).astype("float32")
    truth = (rng.random((40, 5)) < 0.3).astype("float32")
    metric = MicroF1()
    for start in (0, 7, 29):
        stop = {0: 7, 7: 29, 29: 40}[start]
        metric.update_state(truth[start:stop], logits[start:stop])
    expected = f1_score(truth, logits > 0, average="micro")
    np.testing.assert_allclose(metric.result(), expected, rtol=1e-6)
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert again.name == "f1" and isinstance(again, MicroF1)
