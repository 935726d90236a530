"""The layers against torch.nn with the same weights; runs where torch is installed."""

import numpy as np
import pytest
import tensorflow as tf

from textlstm import GRU, LSTM

torch = pytest.importorskip("torch", reason="torch is not installed (extra: bench)")
pytestmark = pytest.mark.torch


def weights_of(module, reorder):
    """Returns torch's weights as ours: gates side by side in our order, kernels transposed."""
    weights = []
    for layer in range(module.num_layers):
        for suffix in ("", "_reverse")[: 1 + module.bidirectional]:

            def read(name, place=f"_l{layer}{suffix}"):
                parts = np.split(getattr(module, name + place).detach().numpy(), len(reorder))
                return np.concatenate([parts[gate] for gate in reorder])

            weights += [read("weight_ih").T, read("weight_hh").T]
            if module.bias:
                biases = read("bias_ih"), read("bias_hh")
                weights.append(np.stack(biases) if len(reorder) == 3 else sum(biases))
    return weights


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_equals_torch(kind, num_layers, bidirectional, bias):
    torch.manual_seed(0)
    theirs_class, ours_class, reorder = {
        "lstm": (torch.nn.LSTM, LSTM, (0, 1, 2, 3)),  # i, f, g, o
        "gru": (torch.nn.GRU, GRU, (1, 0, 2)),  # r, z, n to z, r, h
    }[kind]
    theirs = theirs_class(
        3, 5, num_layers=num_layers, bidirectional=bidirectional, bias=bias, batch_first=True
    )
    ours = ours_class(
        5,
        num_layers=num_layers,
        bidirectional=bidirectional,
        use_bias=bias,
        return_sequences=True,
        return_state=True,
    )
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 7, 3)).astype("float32")
    cells = num_layers * (1 + bidirectional)
    count = 2 if kind == "lstm" else 1
    first = [rng.normal(size=(4, cells, 5)).astype("float32") for _ in range(count)]
    ours.build(x.shape)
    ours.set_weights(weights_of(theirs, reorder))

    their_x = torch.tensor(x, requires_grad=True)
    their_first = [torch.tensor(state.swapaxes(0, 1).copy()) for state in first]
    expected, expected_states = theirs(
        their_x, tuple(their_first) if kind == "lstm" else their_first[0]
    )
    if kind == "gru":
        expected_states = (expected_states,)
    torch.sin(expected).sum().backward()

    our_x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(our_x)
        outputs, states = ours(our_x, initial_state=first)
        loss = tf.reduce_sum(tf.sin(outputs))
    np.testing.assert_allclose(outputs, expected.detach().numpy(), atol=1e-5)
    for state, expected_state in zip(states, expected_states):
        np.testing.assert_allclose(state, expected_state.detach().numpy().swapaxes(0, 1), atol=1e-5)
    np.testing.assert_allclose(tape.gradient(loss, our_x), their_x.grad.numpy(), atol=1e-4)
