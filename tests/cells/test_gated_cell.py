"""What every built-in cell and variant keeps: shapes, configs, gradients, dtypes, layer norm."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.cells import GRUCell, LSTMCell, SimpleRNNCell
from textlstm.layers import RNN

NOISE = {"recurrent_dropout": 0.3, "zoneout": 0.2}
VARIANTS = [
    *(
        (
            LSTMCell,
            {"peephole": peephole, "coupled_gates": coupled, "proj_size": size, "layer_norm": norm},
        )
        for peephole, coupled, size, norm in itertools.product(
            (False, True), (False, True), (0, 3), (False, True)
        )
    ),
    *(
        (GRUCell, {"reset_after": after, "layer_norm": norm})
        for after, norm in itertools.product((False, True), (False, True))
    ),
    *((SimpleRNNCell, {"layer_norm": norm}) for norm in (False, True)),
]
every_variant = pytest.mark.parametrize(
    ("cell_class", "options"),
    VARIANTS,
    ids=["-".join([v[0].__name__, *(f"{k}={x}" for k, x in v[1].items() if x)]) for v in VARIANTS],
)


@given(
    variant=st.sampled_from(VARIANTS),
    batch=st.integers(1, 3),
    features=st.integers(1, 4),
    units=st.integers(1, 5),
    use_bias=st.booleans(),
    training=st.booleans(),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=40)
def test_shapes_and_gates_of_a_step(variant, batch, features, units, use_bias, training, seed):
    cell_class, options = variant
    cell = cell_class(units, use_bias=use_bias, **options, **NOISE)
    cell.build((batch, features))
    x = keras.random.normal((batch, features), seed=seed)
    states = [keras.random.normal((batch, size), seed=seed + 1) for size in cell.state_size]
    output, new_states = cell(x, states, training=training)
    assert output.shape == (batch, cell.output_size)
    assert [s.shape for s in new_states] == [(batch, size) for size in cell.state_size]
    assert np.all(np.isfinite(output))
    gates = cell.compute_gates(cell.project_inputs(x), states)
    assert set(cell.gates) <= set(gates)
    for name, gate in gates.items():
        assert gate.shape == (batch, units)
        low = -1 if name == "candidate" else 0
        assert low <= np.min(gate) and np.max(gate) <= 1


@every_variant
def test_runs_inside_the_rnn_layer_of_keras_as_inside_ours(cell_class, options):
    theirs, ours = (
        layer(cell_class(4, **options, **NOISE), return_sequences=True)
        for layer in (keras.layers.RNN, RNN)
    )
    x = keras.random.normal((2, 5, 3), seed=0)
    theirs.build(x.shape)
    ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(theirs(x), ours(x), atol=1e-5)
    assert theirs(x, training=True).shape == ours(x, training=True).shape


@every_variant
def test_gradients_reach_every_weight(cell_class, options):
    layer = RNN(cell_class(4, bias_initializer="random_normal", seed=1, **options, **NOISE))
    x = keras.random.normal((2, 5, 3), seed=0)
    layer.build(x.shape)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(layer(x, training=True) - 0.3))
    for weight, gradient in zip(
        layer.trainable_weights, tape.gradient(loss, [w.value for w in layer.trainable_weights])
    ):
        assert np.all(np.isfinite(gradient)), weight.path
        assert np.max(np.abs(gradient)) > 0, weight.path


@every_variant
def test_config_makes_the_same_cell(cell_class, options):
    cell = cell_class(4, seed=3, kernel_regularizer="l2", use_bias=False, **options, **NOISE)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(cell))
    assert type(again) is cell_class
    assert again.get_config() == cell.get_config()
    again.build((None, 3))
    cell.build((None, 3))
    assert [w.shape for w in again.weights] == [w.shape for w in cell.weights]


@every_variant
def test_mixed_precision_computes_in_half_and_keeps_weights_whole(cell_class, options):
    keras.utils.set_random_seed(0)  # a norm of few, nearly equal numbers magnifies their rounding
    layer = RNN(
        cell_class(16, dtype="mixed_bfloat16", **options, **NOISE),
        return_sequences=True,
        return_state=True,
    )
    x = keras.random.normal((2, 5, 3), seed=0)
    outputs, states = layer(x, training=True)
    assert {outputs.dtype, *(state.dtype for state in states)} == {tf.bfloat16}
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    whole = RNN(cell_class(16, **options, **NOISE), return_sequences=True)
    whole.build(x.shape)
    whole.set_weights(layer.get_weights())
    np.testing.assert_allclose(
        keras.ops.cast(layer(x)[0], "float32"),
        whole(x),
        atol=0.05 if layer.cell.layer_norm else 0.02,
    )


@pytest.mark.parametrize("noise", [NOISE, {"zoneout": (0.1, 0.2)}])
def test_a_saved_model_gives_the_same(tmp_path, noise):
    inputs = keras.Input((None, 3))
    cell = LSTMCell(4, peephole=True, proj_size=2, layer_norm=True, seed=1, **noise)
    model = keras.Model(inputs, RNN(cell, num_layers=2, bidirectional=True)(inputs))
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert again.layers[-1].cell.zoneout == cell.zoneout


@pytest.mark.parametrize(
    ("cell_class", "options"), [variant for variant in VARIANTS if variant[1]["layer_norm"]]
)
def test_layer_norm_does_not_see_the_scale_of_the_kernels(cell_class, options):
    keras.utils.set_random_seed(0)
    cell = cell_class(4, **options)
    x = keras.random.normal((2, 3), seed=0)
    cell.build(x.shape)
    states = [keras.random.normal((2, size), seed=size) for size in cell.state_size]
    expected = cell(x, states)[0]
    cell.recurrent_kernel.assign(cell.recurrent_kernel * 10)
    cell.kernel.assign(cell.kernel * 10)
    np.testing.assert_allclose(cell(x, states)[0], expected, atol=1e-3)  # ε is not scaled
    plain = cell_class(4, **{**options, "layer_norm": False})
    plain.build(x.shape)
    before = plain(x, states)[0]
    plain.recurrent_kernel.assign(plain.recurrent_kernel * 10)
    assert np.max(np.abs(plain(x, states)[0] - before)) > 1e-2


@pytest.mark.parametrize("units", [0, -1, 2.5, True])
def test_units_must_be_a_positive_integer(units):
    with pytest.raises(ValueError, match="`units` of SimpleRNNCell must be a positive integer"):
        SimpleRNNCell(units)
