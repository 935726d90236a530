"""Weights to and from the recurrent modules of torch: LSTM, GRU, RNN and their cells.

torch keeps the same matrices, transposed, under the names `weight_ih_l0`, `weight_hh_l0`,
`bias_ih_l0`, `bias_hh_l0`, `weight_hr_l0` (the projection), with `_reverse` behind for the
backward direction. Its gates stand in the order i, f, g, o (LSTM: ours, i, f, c, o) and r, z, n
(GRU: ours is z, r, h). Two biases are added in each step; where both are only ever added, ours is
their sum.

torch is never imported: what it made is read through its objects, or from a file.
"""

import dataclasses
import os
import re
from pathlib import Path

import keras
import numpy as np

from textlstm.cells import Cell, GRUCell, LSTMCell, SimpleRNNCell
from textlstm.errors import InputError
from textlstm.interop.cell_options import name_options, other_options
from textlstm.interop.tensors import import_safetensors, read_tensors, to_numpy
from textlstm.layers import GRU, LSTM, RNN, SimpleRNN

RECURRENT_NAME = re.compile(r"(?:weight|bias)_(?:ih|hh|hr)(?:_l(\d+)(_reverse)?)?")


@dataclasses.dataclass(frozen=True)
class _Kind:
    """One kind of recurrence, here and there."""

    torch_name: str
    cell: type
    layer: type
    # The place of each of our gates among torch's; each order is its own inverse.
    gate_order: tuple[int, ...]


_KINDS = (
    _Kind("LSTM", LSTMCell, LSTM, (0, 1, 2, 3)),
    _Kind("GRU", GRUCell, GRU, (1, 0, 2)),
    _Kind("RNN", SimpleRNNCell, SimpleRNN, (0,)),
)
# What a cell may be told that torch's weights have a place for, or that matters in training only.
_CARRIED = {
    *("units", "proj_size", "use_bias", "name", "dtype", "trainable", "seed"),
    *("kernel_initializer", "recurrent_initializer", "bias_initializer", "unit_forget_bias"),
    *("kernel_regularizer", "recurrent_regularizer", "bias_regularizer"),
    *("kernel_constraint", "recurrent_constraint", "bias_constraint", "recurrent_dropout"),
}


@dataclasses.dataclass(frozen=True)
class _Structure:
    """What the names and shapes of a module's tensors tell; `num_layers` is 0 for a cell."""

    kind: _Kind
    features: int
    units: int
    proj_size: int
    num_layers: int
    bidirectional: bool
    use_bias: bool

    @property
    def places(self) -> list[str]:
        """What stands behind the names of each cell's tensors, in the order of `RNN.cells`."""
        directions = ("", "_reverse")[: 1 + self.bidirectional]
        return [f"_l{layer}{end}" for layer in range(self.num_layers) for end in directions] or [""]

    def describe(self) -> str:
        """Says what it is, in a way that shows every difference."""
        sizes = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)[1:]}
        return f"torch.nn.{self.kind.torch_name} with {name_options(sizes)}"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor by its name, in torch's order."""
        rows = len(self.kind.gate_order) * self.units
        hidden = self.proj_size or self.units
        shapes = {}
        for index, place in enumerate(self.places):
            is_first = index < 1 + self.bidirectional
            inputs = self.features if is_first else hidden * (1 + self.bidirectional)
            shapes["weight_ih" + place] = (rows, inputs)
            shapes["weight_hh" + place] = (rows, hidden)
            if self.use_bias:
                shapes["bias_ih" + place] = shapes["bias_hh" + place] = (rows,)
            if self.proj_size:
                shapes["weight_hr" + place] = (self.proj_size, self.units)
        return shapes


def from_torch(source, prefix: str = "", **options):
    """Makes a layer or a cell with the weights of a recurrent module of torch.

    Kind, units, features, number of layers, directions, bias and projection are read from the names
    and shapes of the tensors.

    Args:
        source: a `torch.nn.LSTM`, `GRU`, `RNN`, `LSTMCell`, `GRUCell` or `RNNCell`, or any module
            that holds one; a `state_dict` (a mapping from names to tensors or NumPy arrays); or the
            path of a `.safetensors` file.
        prefix: the name of the recurrent module inside of `source`, such as `"encoder.lstm"`;
            default: `source` is the recurrent module itself.
        **options: of the layer (`return_sequences`, `return_state`, `dropout`, …) or the cell. A
            module brings its `dropout` and `nonlinearity` (as `activation`). Tensors alone do not
            tell them: a `torch.nn.RNN` with `relu` then needs `activation="relu"`.

    Returns:
        A built `LSTM`, `GRU` or `SimpleRNN`; of a torch cell an `LSTMCell`, `GRUCell` or
        `SimpleRNNCell`. Inputs are batch first whatever the module's `batch_first`; a GRU has
        `reset_after=True`.

    Raises:
        InputError: if the source cannot be read, or its tensors are not those of one module.

    Example:
        >>> module = torch.nn.LSTM(32, 64, num_layers=2, bidirectional=True, batch_first=True)
        >>> layer = from_torch(module, return_sequences=True, return_state=True)
        >>> outputs, (h_n, c_n) = layer(inputs)
    """
    tensors = read_tensors(source, prefix)
    found = _structure_of_tensors(tensors, prefix)
    sizes = {"use_bias": found.use_bias}
    if found.proj_size:
        sizes["proj_size"] = found.proj_size
    if found.num_layers:
        sizes |= {"num_layers": found.num_layers, "bidirectional": found.bidirectional}
    make = found.kind.layer if found.num_layers else found.kind.cell
    layer = make(found.units, **sizes, **{**options_of_module(source, prefix), **options})
    _load(layer, tensors, found)
    return layer


def load_torch_weights(layer, source, prefix: str = "") -> None:
    """Puts the weights of a recurrent module of torch into a layer or a cell.

    Args:
        layer: an `RNN` over a built-in cell (`LSTM`, `GRU`, `SimpleRNN`), or such a cell; it is
            built if it was not.
        source: as in `from_torch`.
        prefix: as in `from_torch`.

    Raises:
        InputError: if the source cannot be read, or does not fit the layer.
    """
    tensors = read_tensors(source, prefix)
    _load(layer, tensors, _structure_of_tensors(tensors, prefix))


def to_torch(layer) -> dict[str, np.ndarray]:
    """Returns the weights of a layer or a cell as the `state_dict` of the module of torch.

    Where torch has two biases and we have their sum, it goes to `bias_ih`, and `bias_hh` is zero.
    What matters in training only, such as recurrent dropout, is not part of a `state_dict`.

    Args:
        layer: a built `RNN` over a built-in cell (`LSTM`, `GRU`, `SimpleRNN`), or such a cell.

    Returns:
        A dict from torch's names to arrays, in torch's order.

    Raises:
        InputError: if the layer is not built, or has an option that torch's module has not.

    Example:
        >>> layer = LSTM(64, num_layers=2)
        >>> layer.build((None, None, 32))
        >>> module = torch.nn.LSTM(32, 64, num_layers=2, batch_first=True)
        >>> module.load_state_dict({k: torch.from_numpy(v) for k, v in to_torch(layer).items()})
    """
    found = _structure_of_layer(layer)
    tensors = {}
    for place, cell in zip(found.places, _cells(layer)):
        tensors.update(_cell_to_torch(cell, found, place))
    return {name: tensors[name] for name in found.shapes()}


def save_safetensors(layer, path: str | os.PathLike) -> None:
    """Writes what `to_torch` returns to a `.safetensors` file.

    Args:
        layer: as in `to_torch`.
        path: the file; one that is there is replaced.

    Raises:
        InputError: as `to_torch`, or if the package `safetensors` is not installed.
    """
    data = import_safetensors().numpy.save(to_torch(layer))
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


# === What a module or a layer is ===


def _structure_of_tensors(tensors: dict[str, np.ndarray], prefix: str) -> _Structure:
    """Tells from names and shapes what the module is, and that it is whole."""
    first = "_l0" if "weight_ih_l0" in tensors else ""
    weight_ih, weight_hh = (tensors.get(name + first) for name in ("weight_ih", "weight_hh"))
    where = f" under {prefix!r}" if prefix else ""
    if weight_ih is None or weight_hh is None or weight_ih.ndim != 2 or weight_hh.ndim != 2:
        inside = [name.removesuffix(".weight_ih_l0") for name in tensors]
        inside = [repr(name) for name in inside if name not in tensors]
        raise InputError(
            f"there is no recurrent module of torch{where}: weight_ih_l0 and weight_hh_l0 are "
            f"missing among {', '.join(tensors)}; give the name of the module as prefix"
            + (f": {' or '.join(inside)}" if inside else "")
        )
    matches = [match for match in map(RECURRENT_NAME.fullmatch, tensors) if match]
    weight_hr = tensors.get("weight_hr" + first)
    units = weight_hh.shape[1] if weight_hr is None else weight_hr.shape[-1]
    kind = next((k for k in _KINDS if len(k.gate_order) * units == len(weight_hh)), None)
    if kind is None:
        raise InputError(
            f"weight_hh{first}{where} has the shape {weight_hh.shape}; that of an LSTM has 4 rows "
            "for each unit, of a GRU 3, of an RNN 1"
        )
    found = _Structure(
        kind=kind,
        features=weight_ih.shape[1],
        units=units,
        proj_size=0 if weight_hr is None else len(weight_hr),
        num_layers=1 + max(int(match[1] or 0) for match in matches) if first else 0,
        bidirectional=any(match[2] for match in matches),
        use_bias="bias_ih" + first in tensors,
    )
    problems = [f"{name} is missing" for name in found.shapes() if name not in tensors]
    for name, tensor in tensors.items():
        expected = found.shapes().get(name)
        if expected is None:
            problems.append(f"{name} is unknown")
        elif tensor.shape != expected:
            problems.append(f"{name} has the shape {tensor.shape} instead of {expected}")
    if problems:
        raise InputError(
            f"the tensors{where} are not those of a torch.nn.{kind.torch_name}: "
            f"{'; '.join(problems)}; give the name of the module alone as prefix"
        )
    return found


def _structure_of_layer(layer) -> _Structure:
    """Tells what a layer or cell of ours is, if a module of torch can be the same."""
    cell = layer.cell if isinstance(layer, RNN) else layer
    kind = next((kind for kind in _KINDS if type(cell) is kind.cell), None)
    if kind is None:
        raise InputError(
            f"torch has no counterpart of {type(cell).__name__}; give an LSTM, GRU or SimpleRNN "
            "layer of textlstm.layers, or a cell of theirs"
        )
    refused = other_options(cell, _CARRIED)
    if kind.torch_name == "RNN" and cell.activation is keras.activations.relu:
        refused.pop("activation")  # nonlinearity="relu"
    if getattr(layer, "residual", False):
        refused["residual"] = True
    if refused:
        raise InputError(
            f"layer {layer.name!r} has {name_options(refused)}, which torch.nn.{kind.torch_name} "
            "has not; its weights would not mean the same there"
        )
    if not layer.built:
        raise InputError(f"layer {layer.name!r} has no weights yet; build it first")
    return _Structure(
        kind=kind,
        features=cell.kernel.shape[0],
        units=cell.units,
        proj_size=getattr(cell, "proj_size", 0),
        num_layers=getattr(layer, "num_layers", 0),
        bidirectional=getattr(layer, "bidirectional", False),
        use_bias=cell.use_bias,
    )


def options_of_module(source, prefix: str = "") -> dict:
    """Returns what a torch module knows and its tensors do not tell; nothing of other sources."""
    if not hasattr(source, "get_submodule"):
        return {}
    module = source.get_submodule(prefix.rstrip("."))
    names = {"dropout": "dropout", "nonlinearity": "activation"}
    return {
        ours: getattr(module, theirs) for theirs, ours in names.items() if theirs in vars(module)
    }


def _cells(layer) -> list[Cell]:
    return layer.cells if isinstance(layer, RNN) else [layer]


# === Moving ===


def _load(layer, tensors: dict[str, np.ndarray], found: _Structure) -> None:
    if not layer.built:
        layer.build((None, None, found.features) if found.num_layers else (None, found.features))
    wanted = _structure_of_layer(layer)
    if wanted != found:
        raise InputError(
            f"the weights do not fit layer {layer.name!r}: it is {wanted.describe()}, they are of "
            f"{found.describe()}"
        )
    for place, cell in zip(found.places, _cells(layer)):
        for name, array in _cell_from_torch(tensors, found, place).items():
            getattr(cell, name).assign(array)


def _cell_from_torch(tensors, found: _Structure, place: str) -> dict[str, np.ndarray]:
    """Returns the weights of one cell of ours, by the names of its attributes."""

    def read(name):
        return _reordered(tensors[name + place], found.kind)

    weights = {"kernel": read("weight_ih").T, "recurrent_kernel": read("weight_hh").T}
    if found.use_bias:
        biases = read("bias_ih"), read("bias_hh")
        weights["bias"] = np.stack(biases) if found.kind.cell is GRUCell else sum(biases)
    if found.proj_size:
        weights["projection_kernel"] = tensors["weight_hr" + place].T
    return weights


def _cell_to_torch(cell: Cell, found: _Structure, place: str) -> dict[str, np.ndarray]:
    """Returns the tensors of one cell by torch's names: the inverse of `_cell_from_torch`."""
    tensors = {
        "weight_ih": _reordered(to_numpy(cell.kernel).T, found.kind),
        "weight_hh": _reordered(to_numpy(cell.recurrent_kernel).T, found.kind),
    }
    if found.use_bias:
        bias = to_numpy(cell.bias)
        biases = bias if found.kind.cell is GRUCell else (bias, np.zeros_like(bias))
        tensors["bias_ih"], tensors["bias_hh"] = (_reordered(b, found.kind) for b in biases)
    if found.proj_size:
        tensors["weight_hr"] = np.ascontiguousarray(to_numpy(cell.projection_kernel).T)
    return {name + place: tensor for name, tensor in tensors.items()}


def _reordered(tensor: np.ndarray, kind: _Kind) -> np.ndarray:
    """Changes the order of the gates, which lie side by side in the first axis."""
    gates = np.split(tensor, len(kind.gate_order))
    # Row by row in memory, as .safetensors files take their arrays.
    return np.ascontiguousarray(np.concatenate([gates[place] for place in kind.gate_order]))
