"""The decoder: whole sequences and single steps give the same, and so do the equations."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from textlstm.cells import GRUCell, LSTMCell
from textlstm.layers import AttentionDecoder

BATCH, TIME, STEPS = 3, 5, 4
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(BATCH, TIME, 2)).astype("float32")
MEMORY = RNG.normal(size=(BATCH, STEPS, 6)).astype("float32")
MASK = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], bool)

# Cell, kind, layers, who asks, input feeding, residual.
SHAPES = [
    (LSTMCell(6), "scaled", 1, "last", False, False),
    (LSTMCell(6), "dot", 2, "last", False, True),
    (GRUCell(6), "general", 3, "first", False, True),
    (GRUCell(6), "additive", 1, "last", True, False),
    (LSTMCell(6, proj_size=4), "general", 2, "last", True, False),
    (LSTMCell(6), "additive", 3, "first", True, True),
]


def make(cell, kind, layers, attend, feeding, residual, **options):
    keras.utils.set_random_seed(1)
    cell = type(cell).from_config(cell.get_config())
    return AttentionDecoder(
        cell, kind, layers, attend, input_feeding=feeding, residual=residual, **options
    )


def draw_states(decoder):
    rng = np.random.default_rng(2)
    return [
        ops.convert_to_tensor(rng.normal(size=(BATCH, decoder.num_layers, size)), "float32")
        for size in decoder.state_sizes
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_whole_sequence_gives_what_step_after_step_gives(shape):
    decoder = make(*shape)
    decoder.build(INPUTS.shape, MEMORY.shape)
    first = draw_states(decoder)
    outputs, weights = decoder(INPUTS, MEMORY, memory_mask=MASK, initial_state=first)
    assert outputs.shape == (BATCH, TIME, decoder.units)
    states, keys = decoder.begin(first), decoder.attention.prepare(MEMORY)
    for t in range(TIME):
        output, states, weight = decoder.step(INPUTS[:, t], states, MEMORY, MASK, keys)
        np.testing.assert_allclose(output, outputs[:, t], atol=1e-5)
        np.testing.assert_allclose(weight, weights[:, t], atol=1e-5)
    np.testing.assert_allclose(np.sum(weights, axis=-1), 1, atol=1e-5)
    assert not np.asarray(weights)[~np.broadcast_to(MASK[:, None], weights.shape)].any()


def test_one_layer_is_what_the_equations_say():
    decoder = make(GRUCell(6), "dot", 1, "last", False, False)
    outputs, weights = decoder(INPUTS, MEMORY)
    h, _ = decoder.lower(INPUTS)
    fit = np.exp(np.asarray(h) @ MEMORY.transpose(0, 2, 1))
    fit /= fit.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(weights, fit, atol=1e-5)
    joined = np.concatenate([h, fit @ MEMORY], axis=-1)
    kernel, bias = map(np.asarray, (decoder.combine.kernel, decoder.combine.bias))
    np.testing.assert_allclose(outputs, np.tanh(joined @ kernel + bias), atol=1e-5)


def test_what_is_fed_back_is_the_output_before():
    decoder = make(GRUCell(6), "dot", 1, "last", True, False)
    outputs, _ = decoder(INPUTS, MEMORY)
    fed = np.concatenate([np.zeros_like(outputs[:, :1]), np.asarray(outputs)[:, :-1]], axis=1)
    h, _ = decoder.lower(np.concatenate([INPUTS, fed], axis=-1))
    contexts, _ = decoder.attention(h, MEMORY)
    again = decoder.combine(np.concatenate([h, contexts], axis=-1))
    np.testing.assert_allclose(again, outputs, atol=1e-5)


@pytest.mark.parametrize("shape", [SHAPES[2], SHAPES[5]])
def test_several_rows_may_look_at_one_row_of_the_memory(shape):
    decoder = make(*shape)
    decoder.build(INPUTS.shape, MEMORY.shape)
    beams = 2
    inputs = np.repeat(INPUTS[:, 0], beams, axis=0)  # [rows · beams, features]
    states = [np.repeat(state, beams, axis=0) for state in draw_states(decoder)]
    single = decoder.step(INPUTS[:, 0], decoder.begin(draw_states(decoder)), MEMORY, MASK)
    double = decoder.step(inputs, decoder.begin(states), MEMORY, MASK)
    for one, two in zip(keras.tree.flatten(single), keras.tree.flatten(double), strict=True):
        np.testing.assert_allclose(two, np.repeat(one, beams, axis=0), atol=1e-5)


@pytest.mark.parametrize("feeding", [False, True])
def test_dropout_is_on_in_training_only_and_follows_its_seed(feeding):
    shape = (GRUCell(6), "dot", 3, "first", feeding, False)
    runs = []
    for _ in range(2):
        decoder = make(*shape, dropout=0.5, seed=3)
        runs.append([np.asarray(decoder(INPUTS, MEMORY, training=True)[0]) for _ in range(2)])
    np.testing.assert_array_equal(runs[0], runs[1])
    assert np.abs(runs[0][0] - runs[0][1]).max() > 1e-3
    still = make(*shape, dropout=0.5)
    np.testing.assert_array_equal(still(INPUTS, MEMORY)[0], still(INPUTS, MEMORY)[0])


@pytest.mark.parametrize("shape", SHAPES)
def test_trains_and_comes_back_from_its_config(shape, tmp_path):
    inputs, memory = keras.Input((None, 2)), keras.Input((None, 6))
    decoder = make(*shape)
    model = keras.Model([inputs, memory], decoder(inputs, memory)[0])
    model.compile("sgd", "mse", run_eagerly=True)
    before = [np.array(weight) for weight in model.weights]
    model.train_on_batch([INPUTS, MEMORY], np.ones((BATCH, TIME, decoder.units)))
    moved = [np.abs(old - new).max() > 0 for old, new in zip(before, model.weights)]
    assert all(moved), [w.path for w, m in zip(model.weights, moved) if not m]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again([INPUTS, MEMORY]), model([INPUTS, MEMORY]), atol=1e-6)


def test_mistakes_are_said():
    with pytest.raises(ValueError, match="`attend` must be 'first' or 'last'. Received: 'middle'"):
        AttentionDecoder(GRUCell(2), attend="middle")
    with pytest.raises(ValueError, match="does not go with `input_feeding`"):
        AttentionDecoder(GRUCell(2, zoneout=0.1), input_feeding=True)
    with pytest.raises(ValueError, match="must be one of .*Received: 'none'"):
        AttentionDecoder(GRUCell(2), "none")


def test_shapes_are_known_without_computing():
    for (cell, *rest), time in itertools.product(SHAPES[:3], (None, 7)):
        decoder = make(cell, *rest)
        outputs, weights = decoder(keras.Input((time, 2)), keras.Input((STEPS, 6)))
        assert outputs.shape == (None, time, decoder.units)
        assert weights.shape == (None, time, STEPS)
