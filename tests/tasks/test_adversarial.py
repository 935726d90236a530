import keras
import numpy as np
import pytest
import tensorflow as tf

from textlstm import InputError
from textlstm.tasks.adversarial import adversarial_train_step, worst_shift


def test_the_shift_points_along_the_gradient_and_is_as_long_as_asked_for():
    vectors = tf.constant([[[3.0, 0.0], [0.0, 4.0], [9.0, 9.0]]])  # the last is padding: ‖v‖ = 5
    gradient = tf.constant([[[0.0, 6.0], [8.0, 0.0], [1.0, 1.0]]])
    real = tf.constant([[[True], [True], [False]]])
    shift = worst_shift(vectors, gradient, real, size=0.1)
    np.testing.assert_allclose(shift, [[[0, 0.3], [0.4, 0], [0, 0]]], rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_size_of_the_gradient_does_not_matter(scale):
    vectors, real = tf.ones((1, 1, 2)), tf.constant([[[True]]])
    shift = worst_shift(vectors, scale * tf.constant([[[3.0, -4.0]]]), real, size=1.0)
    np.testing.assert_allclose(shift, np.sqrt(2) * np.array([[[0.6, -0.8]]]), rtol=1e-6)


def test_no_gradient_is_no_shift():
    shift = worst_shift(tf.ones((1, 3, 2)), tf.zeros((1, 3, 2)), tf.fill((1, 3, 1), True), 0.5)
    np.testing.assert_array_equal(shift, np.zeros((1, 3, 2)))


def test_a_step_follows_the_mean_of_both_losses(make_classifier):
    model = make_classifier(dropout=0.0, token_dropout=0.0)
    model.compile(keras.optimizers.SGD(1.0), adversarial=0.3)
    ids, labels = model.tokenizer.encode(["good", "bad and worse"]), np.array([1, 0])
    ids = np.array([np.pad(row, (0, 12 - len(row))) for row in ids])
    vectors, real = model.embedding(ids), model.embedding.compute_mask(ids)[:, :, None]

    def loss(shift):
        return model.compute_loss(y=labels, y_pred=model(ids, shift=shift))

    with tf.GradientTape() as tape:
        shift = tf.zeros_like(vectors)
        tape.watch(shift)
        as_it_is = loss(shift)
    shift = worst_shift(vectors, tape.gradient(as_it_is, shift), real, 0.3)
    with tf.GradientTape() as tape:
        both = (loss(0.0) + loss(shift)) / 2
    assert loss(shift) > as_it_is
    variables = model.trainable_variables
    gradients = map(tf.convert_to_tensor, tape.gradient(both, variables))
    expected = [variable.numpy() - gradient for variable, gradient in zip(variables, gradients)]

    results = adversarial_train_step(model, (ids, labels), size=0.3)
    np.testing.assert_allclose(results["loss"], both, rtol=1e-6)
    for weight, value in zip(variables, expected):
        np.testing.assert_allclose(weight, value, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_learns_and_goes_on_after_loading(make_classifier, tmp_path, dtype):
    model = make_classifier(dropout=0.0, dtype=dtype, convolution=3, convolution_pool=2)
    model.compile(keras.optimizers.Adam(0.01), adversarial=0.05)
    texts = [f"{'yes' if i % 2 else 'no'} {i}" for i in range(60)]
    labels = ["positive" if i % 2 else "negative" for i in range(60)]
    history = model.fit(texts, labels, epochs=12, batch_size=8, validation_split=0, verbose=0)
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]
    assert model.classify(["yes 100", "no 100"]) == ["positive", "negative"]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.get_compile_config()["adversarial"] == 0.05
    again.fit(texts, labels, epochs=1, class_weight="balanced", verbose=0)


def test_what_does_not_fit_is_refused(make_classifier, run_under_jax):
    with pytest.raises(InputError, match=r"adversarial must be in \[0, 1\); got -1"):
        make_classifier().compile(adversarial=-1)
    run_under_jax(
        """
import textlstm
tokenizer = textlstm.SentencePieceTokenizer.train(["yes no"] * 9, 9, model_type="char")
model = textlstm.TextClassifier(tokenizer, ["a", "b"])
try:
    model.compile(adversarial=0.1)
except textlstm.InputError as error:
    assert "needs the TensorFlow backend" in str(error)
else:
    raise AssertionError
"""
    )
