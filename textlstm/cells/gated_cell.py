"""The weights that the built-in cells have in common, laid out as Keras lays them out."""

import keras
import numpy as np
from keras import activations, constraints, initializers, ops, regularizers

from textlstm.cells.gate_weights import GateWeights
from textlstm.cells.noisy_cell import NoisyCell

# Added to the variance by layer normalisation, so that a sum of zeros stays zero.
LAYER_NORM_EPSILON = 1e-5


class GatedCell(NoisyCell):
    """A cell whose gates are rows of one matrix product with the inputs and one with the state.

    A subclass names its gates in order in `gates`, and the letters they have in its equations in
    `symbols`; it writes `compute_gates`, and `next_states` by means of it. With G gates the weights
    are

    - `kernel`            `[features, G · units]`, from the inputs,
    - `recurrent_kernel`  `[size of h, G · units]`, from the hidden state,
    - `bias`              `[G · units]`,

    each holding the gates side by side, in that order. It is the layout of the cell of the same
    name in `keras.layers`, so that weights move from one to the other by `set_weights`.

    With `layer_norm` (Ba et al., 2016) each of the two products is normalised by itself, before
    they are added:

        LN(x_t W_x) ⊙ a_x + LN(h_{t-1} W_h) ⊙ a_h + b        LN(z) = (z - mean(z)) / √(var(z) + ε)

    Mean and variance run over the whole row of `G · units` numbers, all gates together, as in the
    paper's LSTM; ε is 1e-5. The gains begin at one, and `bias` stands for the sum of the paper's
    three biases:

    - `kernel_gain`       `[G · units]`, a_x,
    - `recurrent_gain`    `[G · units]`, a_h.

    With `weight_drop` p (Merity et al., 2018) every number of `recurrent_kernel` is zero with
    probability p while training, and the others are divided by 1 - p; one draw holds for all rows
    and steps of a sequence.

    Args:
        units: size of each gate, a positive int.
        activation: of the candidate (and of the output), default `"tanh"`.
        use_bias: whether a bias is added, default `True`.
        layer_norm: whether the products are normalised, default `False`.
        kernel_initializer: of `kernel`, default `"glorot_uniform"`.
        recurrent_initializer: of `recurrent_kernel`, default `"orthogonal"`.
        bias_initializer: of `bias`, default `"zeros"`.
        kernel_regularizer: penalty on `kernel`, default none.
        recurrent_regularizer: penalty on `recurrent_kernel`, default none.
        bias_regularizer: penalty on `bias`, default none.
        kernel_constraint: on `kernel`, default none.
        recurrent_constraint: on `recurrent_kernel`, default none.
        bias_constraint: on `bias`, default none.
        weight_drop: p, the share of `recurrent_kernel` that is dropped, in [0, 1); default 0.
        **kwargs: `recurrent_dropout`, `zoneout`, `seed` (see `NoisyCell`: the first is a mask on
            what the products see of h, one for a row at all steps; the second lets states keep
            their values), and `name`, `dtype`, `trainable` of a Keras layer.

    Attributes:
        gates: the names of the gates, in the order of the weights.
        gate_weights: a view of the weights by the names of the equations, see `GateWeights`.

    Raises:
        ValueError: if `units` is not a positive int, or a rate not in [0, 1).

    References:
        - Merity, Keskar and Socher, Regularizing and Optimizing LSTM Language Models, ICLR 2018.
        - Ba, Kiros and Hinton, Layer Normalization, 2016, arXiv:1607.06450.
    """

    gates: tuple[str, ...] = ()
    symbols: str = ""

    def __init__(
        self,
        units: int,
        activation="tanh",
        use_bias: bool = True,
        layer_norm: bool = False,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        weight_drop: float = 0.0,
        **kwargs,
    ):
        if isinstance(units, bool) or not isinstance(units, int) or units <= 0:
            raise ValueError(
                f"Argument `units` of {type(self).__name__} must be a positive integer. "
                f"Received: units={units!r}"
            )
        super().__init__(**kwargs)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.layer_norm = layer_norm
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.weight_drop = self._rate("weight_drop", weight_drop)
        if self.weight_drop and self.seed_generator is None:
            self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.state_size = [units]
        self.output_size = units

    def build(self, input_shape):
        """Creates the weights for inputs of shape `[batch, features]`."""
        width = len(self.gates) * self.units
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], width),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.output_size, width),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=self.bias_shape,
                initializer=self.initial_bias,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.kernel_gain = self.recurrent_gain = None
        if self.layer_norm:
            self.kernel_gain = self.add_weight(
                name="kernel_gain", shape=(width,), initializer="ones"
            )
            self.recurrent_gain = self.add_weight(
                name="recurrent_gain", shape=(width,), initializer="ones"
            )

    def for_sequence(self, training: bool = False):
        """Returns the cell itself, or with `weight_drop` one like it with a dropped kernel."""
        if not (training and self.weight_drop):
            return self
        # Not a copy as Keras makes it, which would have variables of its own.
        cell = object.__new__(type(self))
        vars(cell).update(vars(self))
        kernel = ops.cast(self.recurrent_kernel, self.compute_dtype)
        vars(cell)["recurrent_kernel"] = keras.random.dropout(
            kernel, self.weight_drop, seed=self.seed_generator
        )
        return cell

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """The shape of `bias`."""
        return (len(self.gates) * self.units,)

    @property
    def input_bias(self):
        """What of `bias` is added to the product with the inputs, `[G · units]`, or `None`."""
        return self.bias

    def initial_bias(self, shape, dtype=None):
        """Returns the first value of `bias`; a hook for cells that begin a gate open."""
        return self.bias_initializer(shape, dtype=dtype)

    def normalize(self, product, gain):
        """Normalises a product with the weights of all gates, where the cell has `layer_norm`."""
        if not self.layer_norm:
            return product
        return ops.layer_normalization(product, gain, epsilon=LAYER_NORM_EPSILON)

    def project_inputs(self, inputs):
        """Computes `inputs · kernel + bias`, `[batch, (time,) G · units]`."""
        projected = self.normalize(ops.matmul(inputs, self.kernel), self.kernel_gain)
        return projected if self.input_bias is None else projected + self.input_bias

    def project_hidden(self, h):
        """Computes `h · recurrent_kernel`, `[batch, G · units]`."""
        return self.normalize(ops.matmul(h, self.recurrent_kernel), self.recurrent_gain)

    def compute_gates(self, projected, states) -> dict:
        """Computes the gates of one step.

        Args:
            projected: what `project_inputs` gave for this step, `[batch, G · units]`.
            states: the states before the step, a list of tensors `[batch, size]`.

        Returns:
            A dict from each name in `gates` to `[batch, units]`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `compute_gates`.")

    @property
    def gate_weights(self) -> GateWeights:
        """The weights by the names of the equations: `cell.gate_weights["W_xi"]`.

        Raises:
            ValueError: if the cell has no weights yet.
        """
        if not self.built:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} has no weights yet: build it, or call it on "
                "inputs, before reading `gate_weights`."
            )
        return GateWeights(self.weight_parts())

    def weight_parts(self) -> dict:
        """Returns where each of the `gate_weights` stands: name to `(variable, index)`."""
        parts = {}
        for prefix, variable in (("W_x", self.kernel), ("W_h", self.recurrent_kernel)):
            parts |= {f"{prefix}{s}": (variable, np.s_[:, c]) for s, c in self._columns()}
        if self.use_bias:
            parts |= self.bias_parts()
        if self.layer_norm:
            for prefix, variable in (("a_x", self.kernel_gain), ("a_h", self.recurrent_gain)):
                parts |= {f"{prefix}{s}": (variable, c) for s, c in self._columns()}
        return parts

    def bias_parts(self) -> dict:
        """Returns what `weight_parts` says of the bias."""
        return {f"b_{s}": (self.bias, c) for s, c in self._columns()}

    def _columns(self) -> list[tuple[str, slice]]:
        """The symbol of each gate, and the columns it has in the weights."""
        return [
            (symbol, slice(gate * self.units, (gate + 1) * self.units))
            for gate, symbol in enumerate(self.symbols)
        ]

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "layer_norm": self.layer_norm,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": initializers.serialize(self.recurrent_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "recurrent_regularizer": regularizers.serialize(self.recurrent_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "recurrent_constraint": constraints.serialize(self.recurrent_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "weight_drop": self.weight_drop,
        }
