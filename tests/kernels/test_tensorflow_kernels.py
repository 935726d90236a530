"""The kernels for TensorFlow give what the generic one gives: outputs, states and gradients."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.cells import GRUCell, LSTMCell, SimpleRNNCell
from textlstm.kernels import run_cell, scan, tensorflow_loop
from textlstm.kernels.tensorflow_gru import run_gru
from textlstm.kernels.tensorflow_kernels import find_kernel
from textlstm.kernels.tensorflow_loop import in_halves
from textlstm.kernels.tensorflow_lstm import run_lstm

CELLS = {
    "lstm": (LSTMCell, {}),
    "lstm-coupled": (LSTMCell, {"coupled_gates": True}),
    "lstm-projected": (LSTMCell, {"proj_size": 2}),
    "lstm-peephole": (LSTMCell, {"peephole": True}),
    "lstm-all": (
        LSTMCell,
        {"proj_size": 3, "coupled_gates": True, "peephole": True, "use_bias": False},
    ),
    "gru": (GRUCell, {}),
    "gru-no-bias": (GRUCell, {"use_bias": False}),
}


def make_case(name, batch=3, time=6, features=4, units=5, seed=0, dtype="float32", masked=0.4):
    """Returns a cell with random weights, inputs, initial states and a mask with gaps."""
    cell_class, options = CELLS[name]
    cell = cell_class(units, dtype=dtype, **options)
    cell.build((batch, features))
    rng = np.random.default_rng(seed)
    for weight in cell.weights:
        weight.assign(rng.normal(size=weight.shape) * 0.7)
    numbers = cell.compute_dtype
    inputs = tf.constant(rng.normal(size=(batch, time, features)), numbers)
    states = [tf.constant(rng.normal(size=(batch, size)), numbers) for size in cell.state_size]
    mask = None if masked is None else tf.constant(rng.random((batch, time)) >= masked)
    return cell, inputs, states, mask


def results(kernel, cell, inputs, states, mask, **options):
    """Returns outputs, states, and the gradients of inputs, states and weights."""
    weights = [weight.value for weight in cell.weights]
    with tf.GradientTape() as tape:
        tape.watch([inputs, states])
        outputs, final = kernel(cell, inputs, states, mask=mask, **options)
        # Every number has a weight of its own, so that no two errors cancel.
        loss = 0.0
        for number, tensor in enumerate([outputs, *final]):
            pattern = np.cos(np.arange(np.prod(tensor.shape)) + number)
            loss += tf.reduce_sum(tf.reshape(tensor, [-1]) * tf.cast(pattern, tensor.dtype))
    return [outputs, *final, *tape.gradient(loss, [inputs, *states, *weights])]


def check_alike(got, expected, atol):
    assert len(got) == len(expected)
    for one, other in zip(got, expected):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, atol=atol * max(1, np.abs(other).max()))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_gives_what_scan_gives(name, reverse, training):
    case = make_case(name)
    kernel = find_kernel(case[0], training)
    assert kernel is run_lstm or kernel.func is in_halves
    got = results(kernel, *case, reverse=reverse, training=training)
    check_alike(got, results(scan, *case, reverse=reverse, training=training), 1e-5)


@settings(max_examples=30)
@given(
    name=st.sampled_from(sorted(CELLS)),
    batch=st.integers(1, 4),
    time=st.integers(1, 11),
    features=st.integers(1, 5),
    units=st.integers(3, 6),
    masked=st.sampled_from([None, 0.0, 0.5, 1.0]),
    reverse=st.booleans(),
    training=st.booleans(),
    seed=st.integers(0, 9),
)
def test_any_shape_and_mask(name, masked, reverse, training, **sizes):
    case = make_case(name, dtype="float64", masked=masked, **sizes)
    kernel = find_kernel(case[0], training)
    got = results(kernel, *case, reverse=reverse, training=training)
    check_alike(got, results(scan, *case, reverse=reverse, training=training), 1e-10)


@pytest.mark.parametrize("name", CELLS)
def test_gradients_are_those_of_small_differences(name):
    cell, inputs, states, mask = make_case(name, batch=2, time=3, units=3, dtype="float64")
    weights = [weight.value for weight in cell.weights]

    def compute(inputs, *rest):
        for weight, value in zip(cell.weights, rest[len(states) :]):
            weight.assign(value)
        outputs, final = run_cell(cell, inputs, rest[: len(states)], mask=mask, training=True)
        return sum(tf.reduce_sum(tf.sin(tensor)) for tensor in [outputs, *final])

    tensors = [inputs, *states, *(tf.identity(weight) for weight in weights)]
    with tf.GradientTape() as tape:
        tape.watch(tensors[: 1 + len(states)])
        value = compute(*tensors)
    gradients = tape.gradient(value, [*tensors[: 1 + len(states)], *weights])
    for at, gradient in enumerate(gradients):
        numbers = tensors[at].numpy()
        for place in list(np.ndindex(numbers.shape))[::3]:
            sides = []
            for sign in (1, -1):
                moved = numbers.copy()
                moved[place] += sign * 1e-5
                sides.append(compute(*tensors[:at], tf.constant(moved), *tensors[at + 1 :]))
            np.testing.assert_allclose(gradient[place], (sides[0] - sides[1]) / 2e-5, atol=1e-8)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("name", ["lstm", "lstm-all", "gru"])
def test_in_a_graph_and_compiled(name, jit_compile):
    case = make_case(name, time=9)
    expected = results(scan, *case, training=True)
    compiled = tf.function(
        lambda *tensors: results(run_cell, case[0], *tensors, training=True),
        jit_compile=jit_compile,
    )
    check_alike(compiled(*case[1:]), expected, 1e-5)
    check_alike(compiled(*case[1:]), expected, 1e-5)


@pytest.mark.parametrize("name", ["lstm", "lstm-all", "gru"])
def test_halves_of_a_batch_whose_size_the_graph_does_not_know(name):
    cell, inputs, states, mask = make_case(name, batch=19)
    shapes = [[None, *tensor.shape[1:]] for tensor in (inputs, mask, *states)]
    types = [tensor.dtype for tensor in (inputs, mask, *states)]

    @tf.function(input_signature=list(map(tf.TensorSpec, shapes, types)))
    def run(inputs, mask, *states):
        tensors = [inputs, *states, *(weight.value for weight in cell.weights)]
        with tf.GradientTape() as tape:
            tape.watch(tensors[: 1 + len(states)])
            outputs, final = run_cell(cell, inputs, list(states), mask=mask, training=True)
            loss = tf.reduce_sum(tf.sin(outputs)) + tf.reduce_sum(final[-1])
        return outputs, *final, *tape.gradient(loss, tensors)

    for batch in (1, 7, 8, 9, 16, 19):
        rows = [tensor[:batch] for tensor in (inputs, mask, *states)]
        with tf.GradientTape() as tape:
            tensors = [rows[0], *rows[2:], *(weight.value for weight in cell.weights)]
            tape.watch(tensors[: 1 + len(states)])
            outputs, final = scan(cell, rows[0], rows[2:], mask=rows[1], training=True)
            loss = tf.reduce_sum(tf.sin(outputs)) + tf.reduce_sum(final[-1])
        check_alike(run(*rows), [outputs, *final, *tape.gradient(loss, tensors)], 1e-5)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_gradients_of_gradients(name, monkeypatch):
    monkeypatch.setattr(tensorflow_loop, "_UNROLLED_IN_TRAINING", 1)  # makes a smaller graph
    cell, inputs, states, mask = make_case(name, dtype="float64")

    def second(kernel):
        with tf.GradientTape() as outer:
            outer.watch(inputs)
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                outputs, _ = kernel(cell, inputs, states, mask=mask, training=True)
                loss = tf.reduce_sum(outputs**2)
            penalty = tf.reduce_sum(inner.gradient(loss, inputs) ** 2)
        return outer.gradient(penalty, [inputs, cell.recurrent_kernel.value])

    check_alike(tf.function(second)(run_cell), second(scan), 1e-9)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", ["lstm", "lstm-all", "gru"])
def test_in_mixed_precision(name, dtype):
    case = make_case(name, dtype=dtype)
    precise = make_case(name)
    expected = results(scan, *precise, training=True)
    got = results(run_cell, *case, training=True)
    assert got[0].dtype == case[0].compute_dtype
    assert [one.dtype for one in got[-len(case[0].weights) :]] == [tf.float32] * len(
        case[0].weights
    )
    for one, other in zip(got, expected):
        error = np.abs(tf.cast(one, "float32") - other).max() / np.abs(other).max()
        assert error < (0.06 if "bfloat" in dtype else 0.008)


TWO_DEVICES = """
import keras, numpy as np, tensorflow as tf
from textlstm.layers import GRU, LSTM

cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
rng = np.random.default_rng(0)
x, y = rng.normal(size=(16, 5, 3)).astype("float32"), rng.normal(size=(16, 4)).astype("float32")

def trained():
    keras.utils.set_random_seed(0)
    layers = [LSTM(4, bidirectional=True, return_sequences=True), GRU(4)]
    model = keras.Sequential([keras.Input((None, 3)), *layers])
    model.compile("sgd", "mse")
    model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    return model.get_weights()

with strategy.scope():
    mirrored = trained()
assert strategy.num_replicas_in_sync == 2
for one, other in zip(mirrored, trained(), strict=True):
    np.testing.assert_allclose(one, other, atol=1e-6)
"""


def test_two_devices_train_as_one():
    done = subprocess.run([sys.executable, "-c", TWO_DEVICES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("cell", "training", "kernel"),
    [
        (LSTMCell(4), True, run_lstm),
        (LSTMCell(4, recurrent_dropout=0.5), False, run_lstm),
        (LSTMCell(4, recurrent_dropout=0.5), True, None),
        (LSTMCell(4, zoneout=(0.0, 0.1)), False, None),
        (LSTMCell(4, peephole=True), True, run_lstm),
        (LSTMCell(4, layer_norm=True), True, None),
        (LSTMCell(4, activation="relu"), True, None),
        (LSTMCell(4, recurrent_activation="hard_sigmoid"), True, None),
        (GRUCell(4), None, run_gru),
        (GRUCell(4, reset_after=False), True, None),
        (SimpleRNNCell(4), True, None),
        (keras.layers.LSTMCell(4), True, None),
        (type("Mine", (LSTMCell,), {})(4), True, None),
    ],
)
def test_what_a_cell_is_decides(cell, training, kernel):
    assert find_kernel(cell, training, directions=2) is kernel


def test_a_gru_of_one_direction_runs_in_halves():
    assert find_kernel(GRUCell(4), True).func is in_halves
    assert find_kernel(LSTMCell(4), True) is run_lstm


def count_loop_writes(graph):
    """Returns how many writes of a step there are in each loop of a graph."""
    counts = []
    for op in graph.get_operations():
        if op.type in ("While", "StatelessWhile"):
            body = graph._get_function(op.get_attr("body").name).cached_definition.node_def
            counts.append(sum(node.op == "TensorListSetItem" for node in body))
    return counts


@pytest.mark.parametrize(("training", "writes"), [(False, 1), (True, 7)])
def test_gates_are_kept_while_training_only(training, writes):
    cell, inputs, states, _ = make_case("lstm", masked=None)
    graph = tf.function(lambda x: run_cell(cell, x, states, training=training)[0])
    counts = count_loop_writes(graph.get_concrete_function(inputs).graph)
    assert min(counts) == writes  # of the loop that goes on step by step
