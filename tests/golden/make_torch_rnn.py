"""Makes `torch_rnn.npz`: what the recurrent modules of torch compute, with their gradients.

Run with torch installed (2.13.0 made the file): `python tests/golden/make_torch_rnn.py`.

For each module the file holds one float32 vector, all its arrays one after the other, and in
`layout` (JSON) their names and shapes: the `state_dict` under its own names, `inputs` (batch
first), `state_0`, `state_1` (the initial ones), `outputs`, `final_0`, `final_1`, and the gradients
of the weights, inputs and initial states under `gradient:NAME`. The loss is the sum of
sin(3 · outputs) and of cos(final states).
"""

import itertools
import json
from pathlib import Path

import numpy as np
import torch

BATCH, TIME, FEATURES, UNITS = 2, 5, 3, 4
MODULES = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}


def run(kind, num_layers, bidirectional, bias, proj_size) -> dict[str, np.ndarray]:
    """Runs one module forward and backward."""
    options = {"proj_size": proj_size} if proj_size else {}
    module = MODULES[kind](
        FEATURES,
        UNITS,
        num_layers=num_layers,
        bidirectional=bidirectional,
        bias=bias,
        batch_first=True,
        **options,
    )
    cells = num_layers * (1 + bidirectional)
    sizes = [proj_size or UNITS, UNITS] if kind == "lstm" else [UNITS]
    watched = {"inputs": torch.randn(BATCH, TIME, FEATURES)}
    watched |= {f"state_{i}": torch.randn(cells, BATCH, size) for i, size in enumerate(sizes)}
    for tensor in watched.values():
        tensor.requires_grad_()
    inputs, *states = watched.values()
    outputs, final = module(inputs, tuple(states) if kind == "lstm" else states[0])
    final = final if kind == "lstm" else (final,)
    loss = torch.sin(3 * outputs).sum() + sum(torch.cos(state).sum() for state in final)
    watched |= dict(module.named_parameters())
    gradients = torch.autograd.grad(loss, list(watched.values()))
    arrays = watched | {"outputs": outputs}
    arrays |= {f"final_{i}": state for i, state in enumerate(final)}
    arrays |= {f"gradient:{name}": gradient for name, gradient in zip(watched, gradients)}
    return {name: array.detach().numpy() for name, array in arrays.items()}


def main():
    """Writes the file beside this one."""
    torch.manual_seed(0)
    vectors, layout = {}, {}
    for kind, num_layers, bidirectional, bias, proj_size in itertools.product(
        MODULES, (1, 2, 3), (False, True), (False, True), (0, 2)
    ):
        if proj_size and kind != "lstm":
            continue
        directions, biases = ("forward", "both")[bidirectional], ("no_bias", "bias")[bias]
        name = f"{kind}-{num_layers}-{directions}-{biases}" + ("-proj" if proj_size else "")
        arrays = run(kind, num_layers, bidirectional, bias, proj_size)
        vectors[name] = np.concatenate([array.ravel() for array in arrays.values()])
        layout[name] = {key: array.shape for key, array in arrays.items()}
    path = Path(__file__).with_name("torch_rnn.npz")
    np.savez_compressed(path, layout=np.array(json.dumps(layout)), **vectors)


if __name__ == "__main__":
    main()
