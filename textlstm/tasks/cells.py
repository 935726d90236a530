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


def describe_cells(recurrent: RNN) -> str:
    """Says what a recurrent layer is: "2-layer bidirectional LSTM of 128 units (peephole)"."""
    cell = recurrent.cell
    layers = f"{recurrent.num_layers}-layer " if recurrent.num_layers > 1 else ""
    residual = "residual " if recurrent.residual else ""
    directions = "bidirectional " if recurrent.bidirectional else ""
    units = getattr(cell, "units", recurrent.state_sizes[0])
    variants = [name.replace("_", " ") for name in _VARIANTS if getattr(cell, name, False)]
    variant = f" ({', '.join(variants)})" if variants else ""
    name = type(cell).__name__.removesuffix("Cell")
    return f"{layers}{residual}{directions}{name} of {units} units{variant}"
