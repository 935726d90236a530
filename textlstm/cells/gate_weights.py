"""The weights of a cell by the names that text books give them."""

from collections.abc import Mapping

import numpy as np
from keras import ops


class GateWeights(Mapping):
    """A view of the weights of a cell, each gate by itself.

    Reading gives a copy as a NumPy array; assigning writes into the weight of the cell.

    Args:
        parts: a dict from each name to `(variable, index)`: the weight it is a part of, and where
            in it, as NumPy indexes.

    Example:
        >>> cell = LSTMCell(2)
        >>> cell.build((None, 3))
        >>> cell.gate_weights["W_xi"].shape
        (3, 2)
        >>> cell.gate_weights["b_f"] = [1.0, 2.0]
    """

    def __init__(self, parts: dict):
        self._parts = parts

    def __getitem__(self, name: str) -> np.ndarray:
        variable, index = self._part(name)
        return ops.convert_to_numpy(variable)[index].copy()

    def __setitem__(self, name: str, value):
        variable, index = self._part(name)
        whole = ops.convert_to_numpy(variable).copy()
        value = np.asarray(value)
        if value.shape != whole[index].shape:
            raise ValueError(
                f"Weight {name!r} has the shape {whole[index].shape}. "
                f"Received: an array of shape {value.shape}"
            )
        whole[index] = value
        variable.assign(whole)

    def __iter__(self):
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __repr__(self) -> str:
        lines = (f"  {name}: {list(value.shape)}" for name, value in self.items())
        return "\n".join(["GateWeights:", *lines])

    def _part(self, name: str) -> tuple:
        if name not in self._parts:
            raise KeyError(f"No weight {name!r}; there are {', '.join(self)}.")
        return self._parts[name]
