"""The decoder of a translator: a recurrent layer that looks at a memory with attention."""

import keras
from keras import ops

from textlstm.errors import InputError
from textlstm.layers.attention import Attention, make_attention
from textlstm.layers.rnn import RNN, another_cell, serialize_cell


@keras.saving.register_keras_serializable(package="textlstm")
class AttentionDecoder(keras.layers.Layer):
    """Stacked recurrent layers whose outputs are joined with what they attend to.

    With the inputs x_t (the vectors of the tokens before), the memory m (the outputs of an
    encoder), and `attend="last"`:

        h_t = RNN(x_t, h_{t-1})                  all layers
        c_t = attention(h_t, m)
        o_t = tanh([h_t, c_t] W + b)

    With `attend="first"` the bottom layer asks, and the layers above read what it found; they can
    so remember what was attended to before:

        g_t = RNN_1(x_t, g_{t-1})
        c_t = attention(g_t, m)
        h_t = RNN_2…n([g_t, c_t], h_{t-1})
        o_t = tanh([h_t, c_t] W + b)

    Both run over whole sequences at once. With `input_feeding` the step before is told to the next,
    o_{t-1} standing beside x_t; every step then waits for the one before it:

        h_t = RNN([x_t, o_{t-1}], h_{t-1})       o_0 = 0

    Args:
        cell: the cell, not yet built.
        attention: an `Attention` layer, or the name of one (`make_attention`).
        num_layers: number of recurrent layers; default 1.
        attend: which layer asks, `"last"` (default) or `"first"`.
        input_feeding: whether o_{t-1} is read at step t; default `False`.
        residual: as of `RNN`; default `False`.
        dropout: share of the outputs of each recurrent layer but the last that is set to zero while
            training; default 0. With `input_feeding` it is drawn once for all steps of a row.
        seed: an int that makes `dropout` draw the same in every run; default none.
        **kwargs: `name`, `dtype`, `trainable` of a Keras layer; `dtype` is the cell's by default.

    Call arguments:
        inputs: floats, `[batch, time, features]`, padded at the right, if at all.
        memory: floats, `[batch, steps, memory_features]`.
        memory_mask: bool `[batch, steps]`, True where the memory is real; default everywhere.
        initial_state: list of tensors, one for each state of the cell, `[batch, num_layers, size]`;
            zeros by default.
        training: whether dropout is on.

    Returns:
        `(outputs, weights)`: the o_t, `[batch, time, units]`, and the attention, float32
        `[batch, time, steps]`.

    Raises:
        ValueError: if an argument is out of its range.

    References:
        - Bahdanau, Cho and Bengio, Neural Machine Translation by Jointly Learning to Align and
          Translate, ICLR 2015 (a step reads what the one before attended to: additive attention
          with `input_feeding`).
        - Luong, Pham and Manning, Effective Approaches to Attention-based Neural Machine
          Translation, EMNLP 2015 (`attend="last"`; `input_feeding`).
        - Wu et al., Google's Neural Machine Translation System, 2016 (the bottom layer asks).

    Example:
        >>> decoder = AttentionDecoder(LSTMCell(64), "general", num_layers=2)
        >>> outputs, weights = decoder(vectors, memory)       # [8, 10, 32], [8, 12, 48]
        >>> outputs.shape, weights.shape
        ((8, 10, 64), (8, 10, 12))
    """

    def __init__(
        self,
        cell,
        attention: Attention | str = "scaled",
        num_layers: int = 1,
        attend: str = "last",
        input_feeding: bool = False,
        residual: bool = False,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs,
    ):
        if attend not in ("first", "last"):
            raise InputError(f"Argument `attend` must be 'first' or 'last'. Received: {attend!r}")
        if input_feeding and getattr(cell, "seed_generator", None) is not None:
            raise ValueError(
                "A cell with recurrent dropout or zoneout does not go with `input_feeding`: its "
                "noise is drawn for a whole sequence, before the first step."
            )
        kwargs.setdefault("dtype", cell.dtype_policy)
        super().__init__(**kwargs)
        self.num_layers = num_layers
        self.attend = attend
        self.input_feeding = bool(input_feeding)
        self.residual = bool(residual)
        self.dropout = dropout
        self.seed = seed

        dtype = self.dtype_policy
        if isinstance(attention, str):
            attention = make_attention(attention, dtype=dtype, name="attention")
        self.attention = attention
        options = {
            "dropout": dropout,
            "residual": residual,
            "return_sequences": True,
            "return_state": True,
            "dtype": dtype,
        }
        # The layers that ask, and those that read the answer.
        asking = 1 if attend == "first" else num_layers
        self.lower = RNN(cell, asking, seed=seed, name="lower", **options)
        self.upper = None
        if asking < num_layers:
            seed = None if seed is None else seed + num_layers
            another = another_cell(cell, asking)
            self.upper = RNN(another, num_layers - asking, seed=seed, name="upper", **options)
        self.units = self.lower.output_size
        self.combine = keras.layers.Dense(
            self.units, activation="tanh", dtype=dtype, name="combine"
        )
        # One draw for all steps.
        self._between = keras.layers.Dropout(dropout, seed=seed, dtype=dtype)

    @property
    def state_sizes(self) -> list[int]:
        """The size of each state of the cell."""
        return self.lower.state_sizes

    def build(self, inputs_shape, memory_shape):
        """Creates the weights, for inputs `[batch, time, features]` and the memory's shape."""
        asked = memory_shape[-1]
        fed = self.units if self.input_feeding else 0
        self.lower.build((None, None, inputs_shape[-1] + fed))
        if not self.attention.built:  # one that comes from a file is
            self.attention.build((None, None, self.units), (None, None, asked))
        if self.upper is not None:
            self.upper.build((None, None, self.units + asked))
        self.combine.build((None, None, self.units + asked))

    def call(self, inputs, memory, memory_mask=None, initial_state=None, training=False):
        """Runs over whole sequences; shapes and meaning as in the docstring of the class."""
        if initial_state is None:
            initial_state = self.get_initial_state(ops.shape(inputs)[0])
        if self.input_feeding:
            return self._run_by_steps(inputs, memory, memory_mask, initial_state, training)
        below, above = self._divide(initial_state)
        outputs, _ = self.lower(inputs, below, training=training)
        contexts, weights = self.attention(outputs, memory, mask=memory_mask)
        outputs = ops.concatenate([outputs, contexts], axis=-1)
        if self.upper is not None:
            outputs = self._between(outputs, training=training)
            outputs, _ = self.upper(outputs, above, training=training)
            outputs = ops.concatenate([outputs, contexts], axis=-1)
        return self.combine(outputs), weights

    # === One step ===

    def begin(self, initial_state) -> list:
        """Returns the states before the first `step`, from the `initial_state` of `call`."""
        if not self.input_feeding:
            return list(initial_state)
        batch = ops.shape(initial_state[0])[0]
        return [*initial_state, ops.zeros((batch, self.units), self.compute_dtype)]

    def step(self, inputs, states, memory, memory_mask=None, keys=None, noise=None) -> tuple:
        """Goes on by one step, as decoding does.

        Several rows may look at one row of the memory, as the beams of a search do: `rows` is then
        a multiple of `batch`, and those that belong to one row of it stand together.

        Args:
            inputs: `[rows, features]`.
            states: what `begin` or the step before gave; each `[rows, …]`.
            memory: `[batch, steps, memory_features]`.
            memory_mask: bool `[batch, steps]`; default real everywhere.
            keys: what `attention.prepare(memory)` gave; default `None`: it is computed.
            noise: what is multiplied between the layers, a list of `[rows, size]` for every layer
                but the last; default `None`, nothing.

        Returns:
            `(outputs, states, weights)`: `[rows, units]`, the new states, float32 `[rows, steps]`.
        """
        states = list(states)
        if self.input_feeding:
            inputs = ops.concatenate([inputs, states.pop()], axis=-1)
        below, above = self._divide(states)
        between = self.lower.num_layers - 1  # the noise between the lower and the upper layers
        outputs, below = self.lower.step(inputs, below, noise and noise[:between])
        contexts, weights = self._attend(outputs, memory, memory_mask, keys)
        outputs = ops.concatenate([outputs, contexts], axis=-1)
        states = below
        if self.upper is not None:
            if noise:
                outputs = outputs * noise[between]
            outputs, above = self.upper.step(outputs, above, noise and noise[between + 1 :])
            outputs = ops.concatenate([outputs, contexts], axis=-1)
            states = [ops.concatenate(two, axis=1) for two in zip(below, above)]
        outputs = self.combine(outputs)
        states = [*states, outputs] if self.input_feeding else states
        return outputs, states, weights

    def _attend(self, queries, memory, memory_mask, keys) -> tuple:
        """Attends with queries `[rows, units]`, of which several may belong to a row of memory."""
        shape = ops.shape(memory)
        queries = ops.reshape(queries, (shape[0], -1, self.units))  # [batch, rows / batch, units]
        contexts, weights = self.attention(queries, memory, mask=memory_mask, keys=keys)
        return (
            ops.reshape(contexts, (-1, memory.shape[-1])),
            ops.reshape(weights, (-1, shape[1])),
        )

    def _divide(self, states) -> tuple[list, list]:
        """Divides states into those of the lower and those of the upper layers."""
        asking = self.lower.num_layers
        return [s[:, :asking] for s in states], [s[:, asking:] for s in states]

    # === Input feeding: a whole sequence, step by step ===

    def _run_by_steps(self, inputs, memory, memory_mask, initial_state, training) -> tuple:
        keys = self.attention.prepare(memory)
        noise = self._draw_noise(inputs, memory) if training and self.dropout else None

        def step(vectors, states):
            outputs, states, weights = self.step(vectors, states, memory, memory_mask, keys, noise)
            weights = ops.cast(weights, outputs.dtype)
            return ops.concatenate([outputs, weights], axis=-1), states

        states = self.begin(initial_state)
        cell = _StepOf(step, [state.shape[-1] for state in states], self.dtype_policy)
        loop = keras.layers.RNN(cell, return_sequences=True, dtype=self.dtype_policy)
        both = loop.call(inputs, initial_state=states)  # [batch, time, units + steps]
        return both[..., : self.units], ops.cast(both[..., self.units :], "float32")

    def _draw_noise(self, inputs, memory) -> list:
        """Draws what is multiplied between layers, in the order of the layers."""
        batch = ops.shape(inputs)[0]
        sizes = [self.units] * (self.num_layers - 1)
        if self.upper is not None:
            sizes[self.lower.num_layers - 1] += memory.shape[-1]
        ones = [ops.ones((batch, size), self.compute_dtype) for size in sizes]
        return [self._between(one, training=True) for one in ones]

    def get_initial_state(self, batch_size) -> list:
        """Returns the states before the first step: zeros, `[batch_size, num_layers, size]`."""
        shapes = [(batch_size, self.num_layers, size) for size in self.state_sizes]
        return [ops.zeros(shape, self.compute_dtype) for shape in shapes]

    # === Keras ===

    def compute_mask(self, inputs, mask=None):
        """Returns `None`: who gives padded inputs knows where they are."""
        return None

    def compute_output_spec(
        self, inputs, memory, memory_mask=None, initial_state=None, training=False
    ):
        """Returns shapes and types of outputs and attention."""
        batch, time = inputs.shape[:2]
        return (
            keras.KerasTensor((batch, time, self.units), dtype=self.compute_dtype),
            keras.KerasTensor((batch, time, memory.shape[1]), dtype="float32"),
        )

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "cell": serialize_cell(self.lower.cell),
            "attention": keras.saving.serialize_keras_object(self.attention),
            "num_layers": self.num_layers,
            "attend": self.attend,
            "input_feeding": self.input_feeding,
            "residual": self.residual,
            "dropout": self.dropout,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict):
        """Makes the layer from what `get_config` returned."""
        config = dict(config)
        for name in ("cell", "attention"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)


class _StepOf:
    """A step of the decoder, in the form in which `keras.layers.RNN` takes cells."""

    def __init__(self, step, state_size, dtype_policy):
        self._step = step
        self.state_size = state_size
        self.dtype_policy = dtype_policy
        self.compute_dtype = dtype_policy.compute_dtype

    def __call__(self, inputs, states, training=False):
        return self._step(inputs, states)

    call = __call__
