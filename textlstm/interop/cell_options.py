"""The options of a cell that have no place elsewhere."""

from textlstm.cells import Cell


def other_options(cell: Cell, carried: set[str]) -> dict:
    """Returns the options of a cell that are not among `carried`, and not at their defaults."""
    defaults = type(cell)(cell.units).get_config()
    config = cell.get_config()
    return {
        name: value
        for name, value in config.items()
        if name not in carried and value != defaults[name]
    }


def name_options(options: dict) -> str:
    """Says options as they are written in a call."""
    return ", ".join(f"{name}={value!r}" for name, value in options.items())
