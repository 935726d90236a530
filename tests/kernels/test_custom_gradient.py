"""Gradients of our own: right in graphs and loops, and gone with the graph they were traced in."""

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.ops import gradient_registry

import textlstm
from textlstm.kernels import tensorflow_loop
from textlstm.kernels.custom_gradient import custom_gradient, without_gradients


def tripled(x):
    """x², whose gradient is said to be 3 (instead of 2x)."""

    @custom_gradient
    def run(x):
        return x * x, lambda d: 3.0 * d

    return run(x)


def gradient_of(function, x=5.0):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return float(tape.gradient(y, x))


def in_loop(x):
    """x⁴ by a loop: 3 · 3 is the gradient, as each round has one of its own."""
    _, y = tf.while_loop(lambda n, y: n < 2, lambda n, y: (n + 1, tripled(y)), (0, x))
    return y


def test_outside_of_graphs():
    assert gradient_of(tripled) == 3


def test_in_a_graph():
    assert gradient_of(tf.function(tripled)) == 3


def test_tape_within_a_graph():
    assert float(tf.function(lambda: gradient_in_graph(tripled))()) == 3


def gradient_in_graph(function):
    x = tf.constant(5.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.gradient(y, x)


def test_in_a_loop_of_a_graph():
    assert gradient_of(tf.function(in_loop)) == 9
    assert float(tf.function(lambda: gradient_in_graph(in_loop))()) == 9


def test_in_a_graph_compiled_by_xla():
    assert gradient_of(tf.function(tripled, jit_compile=True)) == 3


def test_symbolic_gradient_of_a_graph():
    def gradient(x):
        return tf.gradients(tripled(x), x)[0]

    assert float(tf.function(gradient)(tf.constant(5.0))) == 3


def test_without_gradients_tensorflow_derives_its_own():
    def undeclared(x):
        with without_gradients():
            return tripled(x)

    assert gradient_of(undeclared) == 10
    assert gradient_of(tf.function(undeclared)) == 10
    assert gradient_of(tripled) == 3  # afterwards all is as before


def test_the_gradient_of_a_copy_whose_graph_is_gone_says_so():
    function = tf.function(tripled).get_concrete_function(tf.TensorSpec([]))
    definition = function.graph.as_graph_def()
    x, y = function.inputs[0].name, function.outputs[0].name
    del function
    gc.collect()
    with tf.Graph().as_default():
        # The output is the operation behind the one with the gradient.
        x, y = tf.import_graph_def(definition, return_elements=[x, y], name="")
        with pytest.raises(LookupError, match="went with the graph"):
            tf.gradients(y, x)


def graphs_held():
    """Returns how many graphs TensorFlow's registry of gradients keeps from being freed."""
    gc.collect()
    # Stands for a graph: what was registered by TensorFlow itself, which holds its tensors.
    entries = (entry["type"] for entry in gradient_registry._registry.values())
    return sum(getattr(f, "__name__", "") == "internal_grad_fn" for f in entries)


def make_text_classifier(tokenizer):
    model = textlstm.TextClassifier(tokenizer, ["n", "p"], units=4, embedding_dim=4)
    model.fit(["a good film", "a bad film"] * 4, ["p", "n"] * 4, epochs=1, verbose=0)
    model.predict(["a film"], verbose=0)
    return model


def make_translator(tokenizer):
    model = textlstm.Translator(
        tokenizer, tokenizer, units=4, embedding_dim=4, num_layers=1, max_tokens=10
    )
    model.fit(["a good film"] * 8, ["a bad film"] * 8, epochs=1, verbose=0)
    model.translate(["a film"])
    return model


def make_language_model(tokenizer, **options):
    model = textlstm.LanguageModel(tokenizer, units=4, embedding_dim=4, num_layers=1, **options)
    model.fit(["a good film", "a bad film"] * 8, epochs=1, batch_size=2, window=5, verbose=0)
    model.generate(["a"], max_tokens=3)
    return model


def make_large_language_model(tokenizer):
    return make_language_model(tokenizer, cutoffs=[8])


@pytest.mark.parametrize(
    "make",
    [make_text_classifier, make_translator, make_language_model, make_large_language_model],
)
def test_training_leaves_no_graph_behind(make, monkeypatch):
    for name in ("_UNROLLED", "_UNROLLED_IN_TRAINING"):
        monkeypatch.setattr(tensorflow_loop, name, 1)  # traced in less time
    texts = ["a good film", "a bad film"] * 9
    tokenizer = textlstm.SentencePieceTokenizer.train(texts, 40)
    held, others = graphs_held(), alive_graphs()
    model = make(tokenizer)
    assert graphs_held() == held

    graphs = alive_graphs() - others
    assert graphs
    del model
    assert not (alive_graphs() & graphs)


def alive_graphs():
    gc.collect()
    return {id(o) for o in gc.get_objects() if isinstance(o, tf.Graph) and o.get_operations()}


def test_results_are_those_of_keras():
    x = np.array([1.0, -2.0], "float32")

    def cube(x):
        return x**3, lambda d, upstream=None: 3 * x**2 * d

    found = custom_gradient(cube)(keras.ops.convert_to_tensor(x))
    np.testing.assert_array_equal(found, x**3)
