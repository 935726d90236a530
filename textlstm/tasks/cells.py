"""The recurrent cells of tasks: by name, or one that the user made; and how a card tells them."""

import keras

from textlstm.cells import GRUCell, LSTMCell
from textlstm.errors import InputError
from textlstm.layers import RNN, serialize_cell

CELLS = {"lstm": LSTMCell, "gru": GRUCell}
# Options of cells that change their equations, as the model card names them.
_VARIANTS = ("peephole", "coupled_gates", "layer_norm")


def check_cell(cell) -> None:
    """Raises an `InputError` if `cell` is a string, but none of the names of cells."""
    if isinstance(cell, str) and cell not in CELLS:
        raise InputError(
            f"Argument `cell` must be one of {sorted(CELLS)} or a cell. Received: {cell!r}"
        )


def make_cell(cell, units: int, dtype, **options):
    """Makes a cell of `units` for a name; for a cell another like it, which computes in `dtype`.

    The one that was given may be built already, and be given to other models.
    """
    if isinstance(cell, str):
        # Keras would number the names, and an optimizer finds its weights again by them.
        return CELLS[cell](units, dtype=dtype, name=f"{cell}_cell", **options)
    dtype_config = keras.saving.serialize_keras_object(dtype)
    return type(cell).from_config({**cell.get_config(), "dtype": dtype_config})


def config_of_cell(cell) -> str | dict:
    """Returns what a model's config keeps of the `cell` it was given: its name, or its config."""
    return cell if isinstance(cell, str) else serialize_cell(cell)


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
