"""Every variant of every cell, stacked, in both directions, under any mask: the loop by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.cells import GRUCell, LSTMCell, SimpleRNNCell
from textlstm.layers import LSTM, RNN

ANY_CELL = {
    "layer_norm": st.booleans(),
    "use_bias": st.booleans(),
    "recurrent_dropout": st.sampled_from([0.0, 0.5]),
    "zoneout": st.sampled_from([0.0, 0.2]),
}
CELLS = st.one_of(
    st.tuples(st.sampled_from([SimpleRNNCell, GRUCell, LSTMCell]), st.just({})),
    st.tuples(st.just(SimpleRNNCell), st.fixed_dictionaries(ANY_CELL)),
    st.tuples(st.just(GRUCell), st.fixed_dictionaries({**ANY_CELL, "reset_after": st.booleans()})),
    st.tuples(
        st.just(LSTMCell),
        st.fixed_dictionaries(
            {
                **ANY_CELL,
                "peephole": st.booleans(),
                "coupled_gates": st.booleans(),
                "proj_size": st.sampled_from([0, 2]),
            }
        ),
    ),
)


def run_row(cell, steps, states, reverse):
    """Runs a cell over one row without padding, step by step: outputs `[time, size]`, states."""
    outputs = [None] * len(steps)
    states = [state[None] for state in states]  # a batch of one
    for t in reversed(range(len(steps))) if reverse else range(len(steps)):
        output, states = cell.step(cell.project_inputs(steps[None, t]), states)
        outputs[t] = np.asarray(output)[0]
    size = cell.output_size
    return np.array(outputs).reshape(len(steps), size), [np.asarray(s)[0] for s in states]


def run_by_hand(layer, row, initial, residual):
    """Runs the layers over one row: the outputs of the last one, and the states of every cell."""
    final = []
    for number in range(layer.num_layers):
        directions = []
        for direction in range(layer.num_directions):
            index = number * layer.num_directions + direction
            states = [state[index] for state in initial]
            outputs, states = run_row(layer.cells[index], row, states, reverse=direction == 1)
            directions.append(outputs)
            final.append(states)
        outputs = np.concatenate(directions, axis=-1)
        row = outputs + row if residual and outputs.shape == row.shape else outputs
    return row, [np.stack(states) for states in zip(*final)]


@given(
    cell=CELLS,
    num_layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    residual=st.booleans(),
    features=st.sampled_from([3, 4, 8]),
    mask=st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=3),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=40)
def test_is_the_loop_by_hand(cell, num_layers, bidirectional, residual, features, mask, seed):
    cell_class, options = cell
    rng = np.random.default_rng(seed)
    mask = np.array(mask)
    x = rng.normal(size=(*mask.shape, features)).astype("float32")
    layer = RNN(
        cell_class(4, **options),
        num_layers=num_layers,
        bidirectional=bidirectional,
        residual=residual,
        return_sequences=True,
        return_state=True,
    )
    layer.build(x.shape)
    for weight in layer.trainable_weights:
        weight.assign(rng.normal(size=weight.shape) / 2)
    initial = [
        rng.normal(size=(len(x), len(layer.cells), size)).astype("float32")
        for size in layer.state_sizes
    ]
    outputs, states = layer(x, initial_state=initial, mask=tf.constant(mask))
    last = RNN.from_config({**layer.get_config(), "return_sequences": False})
    last.build(x.shape)
    last.set_weights(layer.get_weights())
    last_outputs, _ = last(x, initial_state=initial, mask=tf.constant(mask))

    half = layer.cell.output_size
    for row in range(len(x)):
        real = mask[row]
        if not real.any():
            for state, first in zip(states, initial):
                np.testing.assert_array_equal(state[row], first[row])
            continue
        first = [state[row] for state in initial]
        expected, final = run_by_hand(layer, x[row, real], first, residual)
        np.testing.assert_allclose(outputs.numpy()[row, real], expected, atol=1e-5)
        for state, want in zip(states, final, strict=True):
            np.testing.assert_allclose(state[row], want, atol=1e-5)
        np.testing.assert_allclose(last_outputs[row, :half], expected[-1, :half], atol=1e-5)
        np.testing.assert_allclose(last_outputs[row, half:], expected[0, half:], atol=1e-5)


def test_a_seed_is_every_cells_own():
    layer = RNN(LSTMCell(4, recurrent_dropout=0.5, seed=3), num_layers=2, bidirectional=True)
    assert [cell.seed for cell in layer.cells] == [3, 4, 5, 6]
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert [cell.seed for cell in again.cells] == [3, 4, 5, 6]
    assert [cell.seed for cell in LSTM(4, num_layers=2, zoneout=0.1, seed=3).cells] == [3, 4]


@pytest.mark.parametrize("noise", [{"recurrent_dropout": 0.5}, {"zoneout": 0.5}, {"dropout": 0.5}])
def test_noise_follows_from_the_seed(noise):
    x = np.ones((2, 6, 4), "float32")

    def draw(seed):
        layer = LSTM(4, num_layers=2, return_sequences=True, seed=seed, **noise)
        layer.build(x.shape)
        for weight in layer.trainable_weights:
            weight.assign(np.full(weight.shape, 0.5))
        return layer(x, training=True).numpy()

    np.testing.assert_array_equal(draw(1), draw(1))
    assert np.abs(draw(1) - draw(2)).max() > 1e-3
