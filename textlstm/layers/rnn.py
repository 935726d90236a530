"""The recurrent layer: a cell looped over time, stacked in layers, run in both directions."""

import keras
from keras import KerasTensor, ops

from textlstm.cells import GRUCell, LSTMCell, SimpleRNNCell
from textlstm.kernels import run_cell


@keras.saving.register_keras_serializable(package="textlstm")
class RNN(keras.layers.Layer):
    """Loops a cell over time, over stacked layers and over directions.

    Any cell does: those of `textlstm.cells`, one of your own, or a plain Keras cell. Each layer and
    direction gets a cell of its own, made from the config of the one given.

    Args:
        cell: the cell, not yet built.
        num_layers: number of layers, each reading the outputs of the one below; default 1.
        bidirectional: whether each layer also runs a second cell from the last step to the first,
            whose outputs stand beside those of the first one in the last axis; default `False`.
        dropout: share of the outputs of each layer but the last that is set to zero while
            training, in [0, 1); default 0.
        variational_dropout: whether `dropout` draws once for all steps of a row (Gal and
            Ghahramani, 2016) instead of (default) anew at each step.
        residual: whether every layer whose input is of the size of its output (both directions
            counted) adds its input to its output (He et al., 2016; Wu et al., 2016): all layers
            above the first, and the first one if `features` fits. What is added has not gone
            through dropout; states, and so `h_n`, hold the cell's own result, without it. Default
            `False`.
        return_sequences: whether to return the outputs of all steps, or (default) only the last
            one of each direction.
        return_state: whether to return the final states too; default `False`.
        seed: an int that makes `dropout` draw the same in every run; default none. A cell that
            draws has a `seed` of its own, and the cells made from it the numbers after that.
        **kwargs: `name`, `dtype`, `trainable` of a Keras layer; `dtype` is the cell's by default.

    Call arguments:
        inputs: floats, `[batch, time, features]`.
        initial_state: list of tensors, one for each state of the cell (LSTM: `[h_0, c_0]`, GRU:
            `[h_0]`), each `[batch, num_layers · directions, size]`; zeros by default. In the second
            axis the layers follow each other, in each the forward direction comes first.
        mask: bool `[batch, time]`, in any pattern. A masked step (False) copies the states; its
            output repeats the one before it, or is zero in a bidirectional layer (as in
            `keras.layers.LSTM` and `keras.layers.Bidirectional`). So the last output is that of the
            last real step (of the first one backward), with `residual` what was added to it too.
        training: whether dropout is on.

    Returns:
        `outputs`, `[batch, time, directions · output_size]` with `return_sequences`, else
        `[batch, directions · output_size]`; with `return_state`, `(outputs, states)` with `states`
        like `initial_state`.

    Attributes:
        cells: the cells, in the order of the second axis of the states.
        observer: `None`, or what is told of all that the cells read while the layer is called, as
            `textlstm.insight` does: an object with the methods `see_sequence(index, inputs,
            initial_state, mask, reverse)` and `see_step(index, inputs, before, after)`, where
            `index` is that of the cell.

    Raises:
        ValueError: if an argument is out of its range, or `initial_state` has another structure.

    References:
        - Gal and Ghahramani, A Theoretically Grounded Application of Dropout in Recurrent Neural
          Networks, NIPS 2016.
        - He et al., Deep Residual Learning for Image Recognition, CVPR 2016.
        - Wu et al., Google's Neural Machine Translation System, 2016 (residual LSTM layers).

    Example:
        >>> layer = RNN(LSTMCell(64), num_layers=2, bidirectional=True, return_state=True)
        >>> outputs, (h_n, c_n) = layer(keras.random.normal((8, 20, 32)))
        >>> outputs.shape, h_n.shape
        ((8, 128), (8, 4, 64))
    """

    def __init__(
        self,
        cell,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        variational_dropout: bool = False,
        residual: bool = False,
        return_sequences: bool = False,
        return_state: bool = False,
        seed: int | None = None,
        **kwargs,
    ):
        if not (callable(cell) and hasattr(cell, "state_size")):
            raise ValueError(
                "Argument `cell` must be a recurrent cell: a layer with `state_size` that is "
                f"called with (inputs, states). Received: cell={cell!r}"
            )
        if not isinstance(num_layers, int) or num_layers < 1:
            raise ValueError(
                f"Argument `num_layers` must be an integer of at least 1. Received: {num_layers!r}"
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"Argument `dropout` must be in [0, 1). Received: {dropout!r}")
        kwargs.setdefault("dtype", cell.dtype_policy)
        super().__init__(**kwargs)
        self.num_layers = num_layers
        self.bidirectional = bool(bidirectional)
        self.dropout = dropout
        self.variational_dropout = bool(variational_dropout)
        self.residual = bool(residual)
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.seed = seed
        self.observer = None
        self.supports_masking = True

        # The cells of layer 0 come first, in each layer the forward one: the order of the second
        # axis of the states.
        count = num_layers * self.num_directions
        self.cells = [cell] + [another_cell(cell, index) for index in range(1, count)]
        self._between_layers = keras.layers.Dropout(
            dropout,
            noise_shape=(None, 1, None) if variational_dropout else None,
            # LSTM and its like give one seed to layer and cells; no two may draw the same.
            seed=None if seed is None else seed + count,
            dtype=self.dtype_policy,
        )

    @property
    def cell(self):
        """The cell of the first layer, forward direction."""
        return self.cells[0]

    @property
    def num_directions(self) -> int:
        """2 when bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    @property
    def state_sizes(self) -> list[int]:
        """The size of each state of the cell."""
        size = self.cell.state_size
        return [size] if isinstance(size, int) else list(size)

    @property
    def output_size(self) -> int:
        """The size of the last axis of the outputs, both directions counted."""
        size = getattr(self.cell, "output_size", None) or self.state_sizes[0]
        return size * self.num_directions

    def build(self, input_shape):
        """Builds every cell, for inputs of shape `[batch, time, features]`."""
        if len(input_shape) != 3:
            raise ValueError(
                f"Layer {self.name!r} takes inputs of shape [batch, time, features]. "
                f"Received: shape={tuple(input_shape)}"
            )
        features = input_shape[-1]
        for index, cell in enumerate(self.cells):
            layer = index // self.num_directions
            cell.build((input_shape[0], features if layer == 0 else self.output_size))

    def call(self, inputs, initial_state=None, mask=None, training=False):
        """Runs the layers; shapes and meaning as in the docstring of the class."""
        if initial_state is None:
            initial_state = self.get_initial_state(ops.shape(inputs)[0])
        if not isinstance(initial_state, (list, tuple)):
            initial_state = [initial_state]
        if len(initial_state) != len(self.state_sizes):
            raise ValueError(
                f"Argument `initial_state` of layer {self.name!r} must be a list of "
                f"{len(self.state_sizes)} tensors, [batch, {len(self.cells)}, size] each. "
                f"Received: {len(initial_state)}"
            )

        sequence = inputs
        final_states = []  # a list of states for each cell
        for layer in range(self.num_layers):
            skips = self._skips(sequence, mask, layer)
            if layer > 0:
                sequence = self._between_layers(sequence, training=training)
            directions = []
            for direction in range(self.num_directions):
                index = layer * self.num_directions + direction
                first = [state[:, index] for state in initial_state]
                if self.observer is not None:
                    self.observer.see_sequence(index, sequence, first, mask, direction == 1)
                outputs, states = run_cell(
                    self.cells[index],
                    sequence,
                    first,
                    mask=mask,
                    reverse=direction == 1,
                    training=training,
                    directions=self.num_directions,
                )
                directions.append(outputs + skips[direction] if skips else outputs)
                final_states.append(states)
            sequence = ops.concatenate(directions, axis=-1)

        if self.return_sequences:
            if self.bidirectional and mask is not None:
                # As keras.layers.Bidirectional: no step repeats what comes after it.
                sequence = ops.where(mask[:, :, None], sequence, 0)
        else:
            # The last step that a direction ran is the last in time forward, the first backward.
            last = [directions[0][:, -1]] + [outputs[:, 0] for outputs in directions[1:]]
            sequence = ops.concatenate(last, axis=-1)
        if not self.return_state:
            return sequence
        return sequence, [ops.stack(states, axis=1) for states in zip(*final_states)]

    def step(self, inputs, states, noise=None) -> tuple:
        """Runs all layers for one time step, as inference does that goes on with its own output.

        It gives what `call` gives for a sequence of one step, without the cost of a loop.

        Args:
            inputs: `[batch, features]`.
            states: as `initial_state` of `call`, and as it returns them.
            noise: what the outputs of each layer but the last are multiplied by, a list of
                `[batch, output_size]`; default `None`, nothing.

        Returns:
            `(outputs, states)`: `[batch, output_size]`, and the states after the step.

        Raises:
            ValueError: if the layer is bidirectional: it reads from the end, too.
        """
        if self.bidirectional:
            raise ValueError(
                f"Layer {self.name!r} is bidirectional: it cannot go on step by step, for it reads "
                "every sequence from the end, too."
            )
        outputs, final_states = inputs, []
        for index, cell in enumerate(self.cells):
            skip = outputs if self.residual and outputs.shape[-1] == self.output_size else None
            if index > 0 and noise is not None:
                outputs = outputs * noise[index - 1]
            read, before = outputs, [state[:, index] for state in states]
            outputs, after = cell(read, before)
            after = after if isinstance(after, (list, tuple)) else [after]
            if self.observer is not None:
                self.observer.see_step(index, read, before, after)
            outputs = outputs if skip is None else outputs + skip
            final_states.append(after)
        return outputs, [ops.stack(after, axis=1) for after in zip(*final_states)]

    def _skips(self, sequence, mask, layer: int) -> list:
        """Returns what a residual layer adds to the outputs of each direction, or nothing.

        At masked steps it stays as it was, like the outputs it is added to. Above the first layer
        it does so by itself, for there it is the outputs of the layer below.
        """
        if not self.residual or sequence.shape[-1] != self.output_size:
            return []
        skips = ops.split(sequence, self.num_directions, axis=-1)
        if layer == 0 and mask is not None:
            skips = [_hold(skip, mask, reverse=i == 1) for i, skip in enumerate(skips)]
        return skips

    def get_initial_state(self, batch_size) -> list:
        """Returns the states before the first step, `[batch, layers · directions, size]` each."""
        per_cell = []
        for cell in self.cells:
            if hasattr(cell, "get_initial_state"):
                states = cell.get_initial_state(batch_size)
                per_cell.append(states if isinstance(states, (list, tuple)) else [states])
            else:
                per_cell.append(
                    [
                        ops.zeros((batch_size, size), dtype=self.compute_dtype)
                        for size in self.state_sizes
                    ]
                )
        return [ops.stack(states, axis=1) for states in zip(*per_cell)]

    def compute_mask(self, inputs, mask=None):
        """Passes the mask on beside whole sequences; the other outputs have none."""
        mask = mask if self.return_sequences else None
        return (mask, [None] * len(self.state_sizes)) if self.return_state else mask

    def compute_output_shape(self, input_shape, initial_state_shape=None):
        """Returns the shape of the outputs, with `return_state` also those of the states."""
        batch, time = input_shape[:2]
        steps = (time,) if self.return_sequences else ()
        shape = (batch, *steps, self.output_size)
        if not self.return_state:
            return shape
        return shape, [(batch, len(self.cells), size) for size in self.state_sizes]

    def compute_output_spec(self, inputs, initial_state=None, mask=None, training=False):
        """Returns shapes and types of the outputs, without computing them."""
        shape = self.compute_output_shape(inputs.shape)
        if not self.return_state:
            return KerasTensor(shape, dtype=self.compute_dtype)
        outputs, states = shape
        return KerasTensor(outputs, dtype=self.compute_dtype), [
            KerasTensor(state, dtype=self.compute_dtype) for state in states
        ]

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "cell": serialize_cell(self.cell),
            "num_layers": self.num_layers,
            "bidirectional": self.bidirectional,
            "dropout": self.dropout,
            "variational_dropout": self.variational_dropout,
            "residual": self.residual,
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict):
        """Makes the layer from what `get_config` returned."""
        cell = keras.saving.deserialize_keras_object(config["cell"])
        return cls(**{**config, "cell": cell})


class _BuiltInRNN(RNN):
    """An `RNN` over a cell of ours: takes the options of the layer and of the cell together."""

    cell_class: type

    def __init__(self, units: int, **options):
        layer_options = {name: options.pop(name) for name in _LAYER_OPTIONS if name in options}
        if layer_options.get("dtype") is not None:
            options["dtype"] = layer_options["dtype"]
        if "seed" in layer_options:
            options["seed"] = layer_options["seed"]
        super().__init__(self.cell_class(units, **options), **layer_options)

    def get_config(self) -> dict:
        """Returns the arguments of the constructor: the layer's and the cell's."""
        layer_config = super().get_config()
        del layer_config["cell"]
        return {**self.cell.get_config(), **layer_config}

    @classmethod
    def from_config(cls, config: dict):
        """Makes the layer from what `get_config` returned."""
        return cls(**config)


_LAYER_OPTIONS = (
    "num_layers",
    "bidirectional",
    "dropout",
    "variational_dropout",
    "residual",
    "return_sequences",
    "return_state",
    "seed",
    "name",
    "dtype",
    "trainable",
)


@keras.saving.register_keras_serializable(package="textlstm")
class LSTM(_BuiltInRNN):
    """A stacked, bidirectional long short-term memory: `RNN` over `LSTMCell`.

    The equations, weights and papers stand at `textlstm.cells.LSTMCell`; stacking, directions,
    masks, states and shapes at `textlstm.layers.RNN`.

    Args:
        units: size of the memory, and of the hidden state without `proj_size`; a positive int.
        **options: those of `RNN` (`num_layers`, `bidirectional`, `dropout`, `residual`,
            `return_sequences`, `return_state`, …) and those of `LSTMCell` (`peephole`,
            `coupled_gates`, `proj_size`, `layer_norm`, `recurrent_dropout`, `zoneout`, `use_bias`,
            …). `seed` counts for all that draws.

    Raises:
        ValueError: if there is no such option, or it is out of its range.

    Example:
        >>> layer = LSTM(64, num_layers=2, return_sequences=True)
        >>> layer(keras.random.normal((8, 20, 32))).shape
        (8, 20, 64)
    """

    cell_class = LSTMCell


@keras.saving.register_keras_serializable(package="textlstm")
class GRU(_BuiltInRNN):
    """A stacked, bidirectional gated recurrent unit: `RNN` over `GRUCell`.

    The equations, weights and papers stand at `textlstm.cells.GRUCell`; stacking, directions,
    masks, states and shapes at `textlstm.layers.RNN`.

    Args:
        units: size of the state, a positive int.
        **options: those of `RNN` (`num_layers`, `bidirectional`, `dropout`, `residual`,
            `return_sequences`, `return_state`, …) and those of `GRUCell` (`reset_after`,
            `layer_norm`, `recurrent_dropout`, `zoneout`, `use_bias`, …). `seed` counts for all
            that draws.

    Raises:
        ValueError: if there is no such option, or it is out of its range.

    Example:
        >>> layer = GRU(64, bidirectional=True)
        >>> layer(keras.random.normal((8, 20, 32))).shape
        (8, 128)
    """

    cell_class = GRUCell


@keras.saving.register_keras_serializable(package="textlstm")
class SimpleRNN(_BuiltInRNN):
    """A stacked, bidirectional simple recurrent network: `RNN` over `SimpleRNNCell`.

    The equation, weights and paper stand at `textlstm.cells.SimpleRNNCell`; stacking, directions,
    masks, states and shapes at `textlstm.layers.RNN`.

    Args:
        units: size of the state, a positive int.
        **options: those of `RNN` (`num_layers`, `bidirectional`, `dropout`, `residual`,
            `return_sequences`, `return_state`, …) and those of `SimpleRNNCell` (`activation`,
            `layer_norm`, `recurrent_dropout`, `zoneout`, `use_bias`, …). `seed` counts for all
            that draws.

    Raises:
        ValueError: if there is no such option, or it is out of its range.

    Example:
        >>> layer = SimpleRNN(64, num_layers=2)
        >>> layer(keras.random.normal((8, 20, 32))).shape
        (8, 64)
    """

    cell_class = SimpleRNNCell


def serialize_cell(cell) -> dict:
    """Serializes a cell as it was before it was built: the layer around it builds it.

    Args:
        cell: the cell.

    Returns:
        What `keras.saving.deserialize_keras_object` makes a cell of.
    """
    config = keras.saving.serialize_keras_object(cell)
    config.pop("build_config", None)
    return config


def another_cell(cell, index: int):
    """Makes a cell like `cell`, with weights, a name and a seed of its own."""
    config = {**cell.get_config(), "name": f"{cell.name}_{index}"}
    if isinstance(config.get("seed"), int):
        config["seed"] += index
    return type(cell).from_config(config)


def _hold(sequence, mask, reverse: bool):
    """Repeats, at masked steps, the last real step before (zeros, where there is none).

    Args:
        sequence: `[batch, time, features]`.
        mask: bool, `[batch, time]`.
        reverse: whether "before" means after: the order of a backward direction.

    Returns:
        `[batch, time, features]`.
    """
    if reverse:
        return ops.flip(_hold(ops.flip(sequence, 1), ops.flip(mask, 1), reverse=False), 1)
    time = ops.shape(mask)[1]
    # The real steps in order, then fillers; and how many of them have come up to each step.
    real_steps = ops.sort(ops.where(mask, ops.arange(time, dtype="int32"), time - 1), axis=1)
    count = ops.cumsum(ops.cast(mask, "int32"), axis=1)  # [batch, time]
    latest = ops.take_along_axis(real_steps, ops.maximum(count - 1, 0), axis=1)
    held = ops.take_along_axis(sequence, latest[:, :, None], axis=1)
    return ops.where(count[:, :, None] > 0, held, 0)
