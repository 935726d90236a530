"""Layers to and from `keras.layers.LSTM`, `GRU`, `SimpleRNN` and `Bidirectional`.

The weights have the same layout here and there, so they move untouched. What differs is how layers
are stacked: ours is one layer, Keras's are a row of layers, with a dropout layer between each two.
"""

import keras

from textlstm.errors import InputError
from textlstm.interop.cell_options import name_options, other_options
from textlstm.layers import GRU, LSTM, RNN, SimpleRNN

_PAIRS = ((LSTM, keras.layers.LSTM), (GRU, keras.layers.GRU), (SimpleRNN, keras.layers.SimpleRNN))
# What the cells here and there have in common, under the same names.
_CELL_OPTIONS = {
    *("units", "activation", "recurrent_activation", "use_bias", "unit_forget_bias"),
    *("reset_after", "recurrent_dropout"),
    *("kernel_initializer", "recurrent_initializer", "bias_initializer"),
    *("kernel_regularizer", "recurrent_regularizer", "bias_regularizer"),
    *("kernel_constraint", "recurrent_constraint", "bias_constraint"),
}
_LAYER_OPTIONS = {"return_sequences", "return_state", "dtype", "trainable"}
# What changes nothing of what is computed, or is not ours to carry.
_LEFT_OUT = {"name", "seed", "unroll"}


def from_keras(layer) -> RNN:
    """Makes a layer of ours from a recurrent layer of Keras, or from a stack of them.

    Args:
        layer: a `keras.layers.LSTM`, `GRU` or `SimpleRNN`, alone or in a `Bidirectional` with
            `merge_mode="concat"`; or a list or `keras.Sequential` of such layers, alike but for
            their weights, with or without a `Dropout` (or `SpatialDropout1D`, which becomes
            `variational_dropout`) of the same rate between each two.

    Returns:
        An `LSTM`, `GRU` or `SimpleRNN` with the same options; with the same weights too, if those
        given are built. With `return_state`, states are `[batch, layers · directions, size]` each.

    Raises:
        InputError: if a layer has an option that ours has not, or the stack is not of one kind.

    Example:
        >>> stock = keras.layers.Bidirectional(keras.layers.LSTM(64, return_sequences=True))
        >>> stock.build((None, None, 32))
        >>> layer = from_keras(stock)
    """
    name = None
    if isinstance(layer, keras.Sequential):
        name, layer = layer.name, layer.layers
    elif isinstance(layer, keras.layers.Layer):
        name, layer = layer.name, [layer]
    elif not isinstance(layer, list | tuple) or not layer:
        raise InputError(
            "from_keras takes a layer of keras.layers, a list of layers or a keras.Sequential; got "
            f"{layer!r}"
        )
    stack, dropout_options = _without_dropouts(list(layer))
    options = _options_of(stack[-1])
    for below in stack[:-1]:
        if _options_of(below) != {**options, "return_sequences": True, "return_state": False}:
            raise InputError(
                f"from_keras: layer {below.name!r} differs from layer {stack[-1].name!r} in more "
                "than its weights, or does not return sequences alone; move them one by one"
            )
    pairs = [_directions(stock) for stock in stack]
    ours = next(ours for ours, stock_class in _PAIRS if type(pairs[0][0]) is stock_class)
    moved = ours(
        **options,
        **dropout_options,
        **({"name": name} if name else {}),
        num_layers=len(stack),
        bidirectional=len(pairs[0]) == 2,
    )
    if all(stock.built for stock in stack):
        stock_cells = [direction.cell for pair in pairs for direction in pair]
        moved.build((None, None, stock_cells[0].kernel.shape[0]))
        _copy_weights(stock_cells, moved.cells)
    return moved


def to_keras(layer: RNN) -> keras.layers.Layer:
    """Makes stock Keras layers from a layer of ours.

    Args:
        layer: an `RNN` over a built-in cell (`LSTM`, `GRU`, `SimpleRNN`).

    Returns:
        With one layer a `keras.layers.LSTM`, `GRU` or `SimpleRNN`, in a `Bidirectional` if there
        are two directions; with more, a `keras.Sequential` of them, with a `Dropout` (or, of
        `variational_dropout`, a `SpatialDropout1D`) between each two. With the same weights, if the
        layer is built.

    Raises:
        InputError: if the layer has an option that Keras's layers have not.
    """
    if not isinstance(layer, RNN) or not hasattr(layer.cell, "gates"):
        raise InputError(f"to_keras takes a layer of textlstm.layers; got {layer!r}")
    pairs = [pair for pair in _PAIRS if type(layer.cell) is pair[0].cell_class]
    if not pairs:
        raise InputError(f"keras.layers has no counterpart of {type(layer.cell).__name__}")
    stock_class = pairs[0][1]
    refused = other_options(layer.cell, _CELL_OPTIONS | _LAYER_OPTIONS | _LEFT_OUT)
    if layer.residual:
        refused["residual"] = True
    if layer.num_layers > 1 and layer.return_state:
        refused |= {"num_layers": layer.num_layers, "return_state": True}
    if refused:
        raise InputError(
            f"layer {layer.name!r} has {name_options(refused)}, which keras.layers."
            f"{stock_class.__name__} has not"
        )
    config = layer.cell.get_config()
    options = {name: config[name] for name in _CELL_OPTIONS if name in config}
    options |= {"dtype": layer.dtype_policy, "trainable": layer.trainable}
    stack = []
    for index in range(layer.num_layers):
        is_last = index == layer.num_layers - 1
        stock = stock_class(
            return_sequences=layer.return_sequences or not is_last,
            return_state=layer.return_state,
            name=layer.name if layer.num_layers == 1 else f"{layer.name}_{index}",
            **options,
        )
        stack.append(keras.layers.Bidirectional(stock) if layer.bidirectional else stock)
        if layer.dropout and not is_last:
            kind = "SpatialDropout1D" if layer.variational_dropout else "Dropout"
            stack.append(getattr(keras.layers, kind)(layer.dropout, seed=layer.seed))
    whole = stack[0] if len(stack) == 1 else keras.Sequential(stack, name=layer.name)
    if layer.built:
        whole.build((None, None, layer.cell.kernel.shape[0]))
        recurrent = [stock for stock in stack if not isinstance(stock, keras.layers.Dropout)]
        stock_cells = [direction.cell for stock in recurrent for direction in _directions(stock)]
        _copy_weights(layer.cells, stock_cells)
    return whole


def _without_dropouts(stack: list) -> tuple[list, dict]:
    """Takes the dropout layers out of a stack; returns the others, and what ours calls them."""
    between = stack[1::2]
    if not any(isinstance(layer, keras.layers.Dropout) for layer in stack):
        return stack, {}
    kinds = {type(layer) for layer in between}
    rates = {getattr(layer, "rate", None) for layer in between}
    known = kinds in ({keras.layers.Dropout}, {keras.layers.SpatialDropout1D})
    if not known or len(rates) > 1 or len(stack) % 2 == 0:
        raise InputError(
            "from_keras: dropout layers must stand between each two recurrent ones, all of one "
            f"kind and rate; got {[layer.name for layer in stack]}"
        )
    if any(getattr(layer, "noise_shape", None) for layer in between):
        raise InputError("from_keras: a Dropout has a noise_shape, which ours has not")
    variational = kinds == {keras.layers.SpatialDropout1D}
    return stack[::2], {"dropout": rates.pop(), "variational_dropout": variational}


def _directions(stock) -> list:
    """Returns the layers of Keras that run forward and, if there is one, backward."""
    if isinstance(stock, keras.layers.Bidirectional):
        return [stock.forward_layer, stock.backward_layer]
    return [stock]


def _options_of(stock) -> dict:
    """Returns the options of a recurrent layer of Keras as those of ours."""
    forward, *backward = _directions(stock)
    if type(forward) not in [stock_class for _, stock_class in _PAIRS]:
        raise InputError(
            f"from_keras takes keras.layers.LSTM, GRU, SimpleRNN and Bidirectional; got "
            f"{type(forward).__name__} {forward.name!r}"
        )
    config = forward.get_config()
    defaults = type(forward)(forward.units).get_config()
    if backward:
        # What Bidirectional itself sets, and what is then as ours is.
        defaults["zero_output_for_mask"] = config.get("zero_output_for_mask")
    carried = _CELL_OPTIONS | _LAYER_OPTIONS
    refused = {
        name: value
        for name, value in config.items()
        if name not in carried | _LEFT_OUT and value != defaults[name]
    }
    if backward:
        theirs = backward[0].get_config()
        if stock.merge_mode != "concat":
            refused["merge_mode"] = stock.merge_mode
        if any(theirs[n] != config[n] for n in config if n not in {"name", "seed", "go_backwards"}):
            refused["backward_layer"] = backward[0].name
    if refused:
        raise InputError(
            f"layer {stock.name!r} has {name_options(refused)}, which a layer of textlstm has not"
        )
    return {name: config[name] for name in carried if name in config}


def _copy_weights(cells, new_cells) -> None:
    """Copies the weights, which have the same names and layout in both."""
    for cell, new_cell in zip(cells, new_cells, strict=True):
        for name in ("kernel", "recurrent_kernel", "bias"):
            if getattr(cell, name) is not None:
                getattr(new_cell, name).assign(getattr(cell, name))
