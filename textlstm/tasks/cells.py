"""The recurrent cells of tasks: by name, or one that the user made; and how a card tells them."""

from textlstm.cells import GRUCell, LSTMCell
from textlstm.errors import InputError
from textlstm.layers import RNN

CELLS = {"lstm": LSTMCell, "gru": GRUCell}
# Options of cells that change their equations, as the model card names them.
_VARIANTS = ("peephole", "coupled_gates", "layer_norm")


def check_cell(cell) -> None:
    """Raises an `InputError` if `cell` is a string, but none of the names of cells."""
    if isinstance(cell, str) and cell not in CELLS:
        raise InputError(
            f"Argument `cell` must be one of {sorted(CELLS)} or a cell. Received: {cell!r}"
        )


def make_cell(cell, units: int, dtype):
    """Returns a cell of `units` for a name; a cell is returned as it is."""
    return CELLS[cell](units, dtype=dtype) if isinstance(cell, str) else cell


def describe_cells(recurrent: RNN, num_layers: int | None = None) -> str:
    """Says what a recurrent layer is: "a 2-layer bidirectional LSTM of 128 units (peephole)".

    Args:
        recurrent: the layer.
        num_layers: what is said instead of its own number of layers, where others are like it.
    """
    cell = recurrent.cell
    num_layers = num_layers or recurrent.num_layers
    layers = f"{num_layers}-layer " if num_layers > 1 else ""
    residual = "residual " if recurrent.residual else ""
    directions = "bidirectional " if recurrent.bidirectional else ""
    units = getattr(cell, "units", recurrent.state_sizes[0])
    variants = [name.replace("_", " ") for name in _VARIANTS if getattr(cell, name, False)]
    variant = f" ({', '.join(variants)})" if variants else ""
    name = type(cell).__name__.removesuffix("Cell")
    words = f"{layers}{residual}{directions}{name} of {units} units{variant}"
    return f"an {words}" if words.startswith("LSTM") else f"a {words}"
