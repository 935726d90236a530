"""The generic kernel is the cell in a loop, and does not do twice what it can do once."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from textlstm.cells import GRUCell, LSTMCell
from textlstm.kernels import scan


def loop_by_hand(cell, inputs, states, mask, reverse):
    """One step after the other, as the docstring of `scan` tells it."""
    batch, time, _ = inputs.shape
    outputs = np.zeros((batch, time, cell.output_size), "float32")
    previous = np.zeros((batch, cell.output_size), "float32")
    for step in reversed(range(time)) if reverse else range(time):
        output, new_states = cell(inputs[:, step], states)
        real = mask[:, step, None]
        states = [np.where(real, new, old) for new, old in zip(new_states, states)]
        previous = np.where(real, output, previous)
        outputs[:, step] = previous
    return outputs, states


@pytest.mark.parametrize("cell_class", [LSTMCell, GRUCell])
@pytest.mark.parametrize("reverse", [False, True])
def test_is_the_cell_in_a_loop(cell_class, reverse):
    rng = np.random.default_rng(3)
    cell = cell_class(4)
    inputs = rng.normal(size=(3, 6, 2)).astype("float32")
    cell.build((3, 2))
    states = [rng.normal(size=(3, 4)).astype("float32") for _ in cell.state_size]
    mask = rng.random((3, 6)) < 0.6
    outputs, final = scan(
        cell, tf.constant(inputs), states, mask=tf.constant(mask), reverse=reverse
    )
    expected, expected_final = loop_by_hand(cell, inputs, states, mask, reverse)
    np.testing.assert_allclose(outputs, expected, atol=1e-6)
    for got, want in zip(final, expected_final):
        np.testing.assert_allclose(got, want, atol=1e-6)


def test_the_input_projection_is_outside_of_the_loop():
    cell = LSTMCell(4)
    cell.build((None, 3))
    graph = (
        tf.function(
            lambda x: scan(cell, x, cell.get_initial_state(2))[0],
            input_signature=[tf.TensorSpec([2, None, 3])],
        )
        .get_concrete_function()
        .graph
    )

    loops = [op for op in graph.get_operations() if op.type in ("While", "StatelessWhile")]
    body = graph._get_function(loops[0].get_attr("body").name)
    assert sum("MatMul" in node.op for node in body.cached_definition.node_def) == 1


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_keeps_the_dtype(dtype):
    cell = GRUCell(4, dtype=dtype)
    cell.build((None, 3))
    inputs = keras.ops.cast(np.ones((2, 5, 3)), dtype)
    outputs, states = scan(cell, inputs, cell.get_initial_state(2))
    assert outputs.dtype == states[0].dtype == dtype
