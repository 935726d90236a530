"""Recurrent dropout and zoneout: what they do to the states, when, and how often."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from textlstm.cells import GRUCell, LSTMCell, SimpleRNNCell
from textlstm.kernels import scan

BATCH, TIME, UNITS = 4, 5, 64


def built(cell):
    cell.build((None, 3))
    return cell


def noise_of(cell):
    """The masks of a sequence, `[batch, time, size]`, as they are drawn for `step`."""
    projected = cell.project_inputs(tf.zeros((BATCH, TIME, 3)))
    noisy = cell.add_noise(projected, training=True)
    np.testing.assert_array_equal(noisy[..., : projected.shape[-1]], projected)
    return noisy[..., projected.shape[-1] :].numpy()


def states_of(cell, seed=0):
    return [
        keras.random.normal((BATCH, size), seed=seed + i) for i, size in enumerate(cell.state_size)
    ]


@pytest.mark.parametrize("cell_class", [LSTMCell, GRUCell, SimpleRNNCell])
def test_nothing_is_drawn_without_noise(cell_class):
    cell = built(cell_class(2))
    projected = cell.project_inputs(tf.ones((1, 3)))
    assert cell.add_noise(projected, training=True) is projected
    assert len(cell.variables) == len(cell.weights)  # no random generator among them
    noisy = built(cell_class(2, recurrent_dropout=0.5, zoneout=0.5))
    assert noisy.add_noise(projected, training=False) is projected


def test_recurrent_dropout_has_one_mask_for_all_steps_of_a_row():
    masks = noise_of(built(SimpleRNNCell(UNITS, recurrent_dropout=0.25, seed=1)))
    assert masks.shape == (BATCH, TIME, UNITS)
    np.testing.assert_array_equal(masks, np.repeat(masks[:, :1], TIME, axis=1))
    assert set(np.unique(masks)) == {0, np.float32(1 / 0.75)}
    assert not np.array_equal(masks[0], masks[1])
    assert np.mean(masks == 0) == pytest.approx(0.25, abs=0.1)  # 256 draws


def test_recurrent_dropout_hides_states_from_the_products():
    cell = built(SimpleRNNCell(2, recurrent_dropout=0.5))
    h = tf.constant([[0.5, -0.6]])
    projected = tf.constant([[0.1, 0.2]])
    mask = tf.constant([[2.0, 0.0]])  # the second unit is dropped, the first is scaled up
    output, _ = cell.step(tf.concat([projected, mask], -1), [h], training=True)
    seen = np.array([[1.0, 0.0]])
    np.testing.assert_allclose(
        output, np.tanh(projected + seen @ cell.recurrent_kernel.numpy()), atol=1e-6
    )


@pytest.mark.parametrize(
    "cell", [LSTMCell(2, recurrent_dropout=0.5), GRUCell(2, recurrent_dropout=0.5)]
)
def test_recurrent_dropout_leaves_what_is_copied_whole(cell):
    built(cell)
    cell.gate_weights["b_f" if "b_f" in cell.gate_weights else "b_xz"] = [100, 100]  # keep all
    if "b_i" in cell.gate_weights:
        cell.gate_weights["b_i"] = [-100, -100]
    states = [tf.constant([[0.5, -0.6]]) for _ in cell.state_size]
    mask = tf.zeros((1, 2))
    projected = cell.project_inputs(tf.ones((1, 3)))
    _, new = cell.step(tf.concat([projected, mask], -1), states, training=True)
    np.testing.assert_allclose(new[-1], states[-1], atol=1e-6)


def test_zoneout_draws_anew_at_each_step_with_the_rate_of_each_state():
    masks = noise_of(built(LSTMCell(UNITS, zoneout=(0.1, 0.5), seed=2)))
    assert masks.shape == (BATCH, TIME, 2 * UNITS)
    assert set(np.unique(masks)) == {0, 1}
    assert not np.array_equal(masks[:, 0], masks[:, 1])
    h, c = masks[..., :UNITS], masks[..., UNITS:]  # 1280 draws each: 5 standard deviations
    assert np.mean(h) == pytest.approx(0.1, abs=0.042)
    assert np.mean(c) == pytest.approx(0.5, abs=0.07)


def test_zoneout_keeps_a_unit_or_takes_the_new_value():
    cell, plain = built(LSTMCell(UNITS, zoneout=0.3, seed=3)), built(LSTMCell(UNITS))
    plain.set_weights(cell.get_weights())
    x, states = tf.ones((BATCH, 3)), states_of(cell)
    _, kept_or_new = cell(x, states, training=True)
    _, new = plain(x, states)
    shares = []
    for got, old, fresh in zip(kept_or_new, states, new):
        is_old, is_new = np.isclose(got, old, atol=1e-6), np.isclose(got, fresh, atol=1e-6)
        assert np.all(is_old | is_new)
        shares.append(np.mean(is_old))
    assert np.mean(shares) == pytest.approx(0.3, abs=0.1)  # 512 draws


@pytest.mark.parametrize("rates", [0.25, (0.25, 0.5)])
def test_inference_takes_the_expectation_of_zoneout(rates):
    cell, plain = built(LSTMCell(3, zoneout=rates)), built(LSTMCell(3))
    plain.set_weights(cell.get_weights())
    x, states = tf.ones((BATCH, 3)), states_of(cell)
    output, got = cell(x, states)
    _, new = plain(x, states)
    for rate, state, old, fresh in zip((0.25, np.max(rates)), got, states, new):
        np.testing.assert_allclose(state, rate * old + (1 - rate) * fresh, atol=1e-6)
    np.testing.assert_array_equal(output, got[0])


@pytest.mark.parametrize("cell_class", [LSTMCell, GRUCell, SimpleRNNCell])
def test_dropout_is_off_at_inference_and_on_in_training(cell_class):
    cell, plain = built(cell_class(8, recurrent_dropout=0.5)), built(cell_class(8))
    plain.set_weights(cell.get_weights())
    x, states = tf.ones((BATCH, 3)), states_of(cell)
    np.testing.assert_allclose(cell(x, states)[0], plain(x, states)[0], atol=1e-6)
    assert np.max(np.abs(cell(x, states, training=True)[0] - plain(x, states)[0])) > 1e-3


def test_a_sequence_is_its_steps_with_their_masks():
    cell = built(GRUCell(3, recurrent_dropout=0.4, zoneout=0.3, seed=5))
    x = keras.random.normal((BATCH, TIME, 3), seed=0)
    outputs, _ = scan(cell, x, cell.get_initial_state(BATCH), training=True)
    cell.seed_generator.state.assign([5, 0])  # as it was before
    noisy = cell.add_noise(cell.project_inputs(x), training=True)
    states = cell.get_initial_state(BATCH)
    for step in range(TIME):
        output, states = cell.step(noisy[:, step], states, training=True)
        np.testing.assert_allclose(outputs[:, step], output, atol=1e-6)


def test_the_seed_repeats_the_masks():
    first, second, other = (
        built(LSTMCell(8, recurrent_dropout=0.5, zoneout=0.5, seed=seed)) for seed in (7, 7, 8)
    )
    masks = noise_of(first)
    np.testing.assert_array_equal(noise_of(second), masks)
    assert not np.array_equal(noise_of(other), masks)
    assert not np.array_equal(noise_of(first), masks)  # each batch draws its own


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GRUCell(2, recurrent_dropout=1.0), r"`recurrent_dropout` of GRUCell must be in"),
        (lambda: GRUCell(2, recurrent_dropout="0.1"), "recurrent_dropout='0.1'"),
        (lambda: GRUCell(2, zoneout=-0.1), r"`zoneout` of GRUCell must be in \[0, 1\)"),
        (lambda: LSTMCell(2, zoneout=(0.1, True)), "zoneout=True"),
        (lambda: LSTMCell(2, zoneout=(0.1,)), r"one for each of its states \(h, c\)"),
        (lambda: GRUCell(2, zoneout=(0.1, 0.2)), r"one for each of its states \(h\)"),
    ],
)
def test_rates_must_be_shares(make, message):
    with pytest.raises(ValueError, match=message):
        make()
