"""The layers against torch.nn with the same weights; runs where torch is installed."""

import numpy as np
import pytest
import tensorflow as tf

from textlstm.layers import GRU, LSTM, SimpleRNN

torch = pytest.importorskip("torch", reason="torch is not installed (extra: bench)")
pytestmark = pytest.mark.torch

# Their class, ours, and where each of our gates stands among theirs.
KINDS = {
    "lstm": (torch.nn.LSTM, LSTM, (0, 1, 2, 3)),  # i, f, g, o
    "gru": (torch.nn.GRU, GRU, (1, 0, 2)),  # r, z, n to z, r, h
    "simple": (torch.nn.RNN, SimpleRNN, (0,)),
}


def copy_weights(module, layer, reorder):
    """Gives our cells torch's weights: gates side by side in our order, kernels transposed."""
    places = [
        f"_l{number}{end}"
        for number in range(module.num_layers)
        for end in ("", "_reverse")[: 1 + module.bidirectional]
    ]
    for place, cell in zip(places, layer.cells, strict=True):

        def read(name, place=place):
            parts = np.split(getattr(module, name + place).detach().numpy(), len(reorder))
            return np.concatenate([parts[gate] for gate in reorder])

        cell.kernel.assign(read("weight_ih").T)
        cell.recurrent_kernel.assign(read("weight_hh").T)
        if module.bias:
            biases = read("bias_ih"), read("bias_hh")
            cell.bias.assign(np.stack(biases) if len(reorder) == 3 else sum(biases))
        if module.proj_size:
            cell.projection_kernel.assign(getattr(module, "weight_hr" + place).detach().numpy().T)


@pytest.mark.parametrize("kind", ["lstm", "lstm_proj", "gru", "simple"])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_equals_torch(kind, num_layers, bidirectional, bias):
    torch.manual_seed(0)
    proj = {"proj_size": 2} if kind == "lstm_proj" else {}
    theirs_class, ours_class, reorder = KINDS[kind.removesuffix("_proj")]
    theirs = theirs_class(
        3, 5, num_layers, bidirectional=bidirectional, bias=bias, batch_first=True, **proj
    )
    ours = ours_class(
        5,
        num_layers=num_layers,
        bidirectional=bidirectional,
        use_bias=bias,
        return_sequences=True,
        return_state=True,
        **proj,
    )
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 7, 3)).astype("float32")
    ours.build(x.shape)
    copy_weights(theirs, ours, reorder)
    cells = num_layers * (1 + bidirectional)
    first = [rng.normal(size=(4, cells, size)).astype("float32") for size in ours.state_sizes]

    their_x = torch.tensor(x, requires_grad=True)
    their_first = [torch.tensor(state.swapaxes(0, 1).copy()) for state in first]
    for state in their_first:
        state.requires_grad_()
    is_lstm = len(first) == 2
    expected, expected_states = theirs(their_x, tuple(their_first) if is_lstm else their_first[0])
    expected_states = expected_states if is_lstm else (expected_states,)
    (torch.sin(expected).sum() + sum((state**2).sum() for state in expected_states)).backward()

    our_x, our_first = tf.constant(x), [tf.constant(state) for state in first]
    with tf.GradientTape() as tape:
        tape.watch([our_x, *our_first])
        outputs, states = ours(our_x, initial_state=our_first)
        loss = tf.reduce_sum(tf.sin(outputs)) + sum(tf.reduce_sum(state**2) for state in states)
    np.testing.assert_allclose(outputs, expected.detach().numpy(), atol=1e-5)
    for state, expected_state in zip(states, expected_states, strict=True):
        np.testing.assert_allclose(state, expected_state.detach().numpy().swapaxes(0, 1), atol=1e-5)
    by_x, by_first = tape.gradient(loss, [our_x, our_first])
    np.testing.assert_allclose(by_x, their_x.grad.numpy(), atol=1e-4)
    for got, state in zip(by_first, their_first, strict=True):
        np.testing.assert_allclose(got, state.grad.numpy().swapaxes(0, 1), atol=1e-4)
