"""Attention against hand-made numbers and against the equations in NumPy."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.layers import AdditiveAttention, DotAttention, GeneralAttention, make_attention

KINDS = ("dot", "scaled", "general", "additive")


def test_by_hand():
    # Two steps whose scores differ by log 3 share the query 3 to 1.
    queries = np.array([[[np.log(3.0), 0.0]]], "float32")
    memory = np.array([[[1.0, 4.0], [0.0, 8.0], [9.0, 9.0]]], "float32")
    mask = np.array([[True, True, False]])
    contexts, weights = DotAttention()(queries, memory, mask=mask)
    np.testing.assert_allclose(weights, [[[0.75, 0.25, 0]]], atol=1e-6)
    np.testing.assert_allclose(contexts, [[[0.75, 5]]], atol=1e-6)


def in_numpy(kind, layer, queries, memory, mask):
    """The equations, one query and one step of the memory at a time."""
    weight = {w.name: np.array(w) for w in layer.weights}
    batch, time, _ = queries.shape
    weights = np.zeros((batch, time, memory.shape[1]))
    for b, t in np.ndindex(batch, time):
        q = queries[b, t]
        scores = []
        for m in memory[b]:
            if kind == "additive":
                hidden = q @ weight["query_kernel"] + m @ weight["memory_kernel"] + weight["bias"]
                scores.append(np.tanh(hidden) @ weight["score_kernel"][:, 0])
            elif kind == "general":
                scores.append(q @ (m @ weight["kernel"]))
            else:
                scores.append(q @ m * weight.get("scale", 1.0))
        fits = np.exp(scores) * mask[b]
        weights[b, t] = fits / fits.sum() if mask[b].any() else 0
    return weights @ memory, weights


@settings(max_examples=20)
@given(
    kind=st.sampled_from(KINDS),
    batch=st.integers(1, 3),
    time=st.integers(1, 4),
    steps=st.integers(1, 5),
    size=st.integers(1, 6),
    other=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_is_what_the_equations_say(kind, batch, time, steps, size, other, seed):
    rng = np.random.default_rng(seed)
    memory_size = size if kind in ("dot", "scaled") else other
    queries = rng.normal(size=(batch, time, size)).astype("float32")
    memory = rng.normal(size=(batch, steps, memory_size)).astype("float32")
    mask = rng.random((batch, steps)) < 0.7
    layer = make_attention(kind)
    got = layer(queries, memory, mask=mask)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    got = layer(queries, memory, mask=mask)
    for one, expected in zip(got, in_numpy(kind, layer, queries, memory, mask)):
        np.testing.assert_allclose(one, expected, atol=1e-4)
    one_by_one = layer(queries[:, :1], memory, mask=mask, keys=layer.prepare(memory))
    np.testing.assert_allclose(one_by_one[0], got[0][:, :1], atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("kind", KINDS)
def test_trains_saves_and_keeps_its_types(kind, dtype, tmp_path):
    queries, memory = keras.Input((None, 4)), keras.Input((None, 4))
    contexts, weights = make_attention(kind, dtype=dtype)(queries, memory)
    assert contexts.dtype == keras.DTypePolicy(dtype).compute_dtype
    assert (contexts.shape, weights.dtype) == ((None, None, 4), "float32")
    model = keras.Model([queries, memory], keras.layers.Dense(1, dtype=dtype)(contexts))
    model.compile("adam", "mse", run_eagerly=True)
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(8, n, 4)).astype("float32") for n in (3, 5)]
    model.fit(inputs, rng.normal(size=(8, 3, 1)), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(inputs), model(inputs))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="same size. Received: 2 and 3; GeneralAttention"):
        DotAttention()(np.ones((1, 1, 2)), np.ones((1, 1, 3)))
    with pytest.raises(ValueError, match="`units` must be an integer"):
        AdditiveAttention(units=0)
    with pytest.raises(ValueError, match="one of .*'general'.*Received: 'bilinear'"):
        make_attention("bilinear")
    assert GeneralAttention()(np.ones((1, 1, 2)), np.ones((1, 1, 3)))[0].shape == (1, 1, 3)
