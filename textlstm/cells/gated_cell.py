"""The weights that the built-in cells have in common, laid out as Keras lays them out."""

from keras import activations, constraints, initializers, ops, regularizers

from textlstm.cells.cell import Cell


class GatedCell(Cell):
    """A cell whose gates are rows of one matrix product with the inputs and one with the state.

    A subclass names its gates in order in `gates`; with G gates the weights are

    - `kernel`            `[features, G · units]`, from the inputs,
    - `recurrent_kernel`  `[units, G · units]`, from the hidden state,
    - `bias`              `[G · units]`,

    each holding the gates side by side, in that order. It is the layout of the cell of the same
    name in `keras.layers`, so that weights move from one to the other by `set_weights`.

    Args:
        units: size of the hidden state, a positive int.
        activation: of the candidate (and of the output), default `"tanh"`.
        recurrent_activation: of the gates, default `"sigmoid"`.
        use_bias: whether a bias is added, default `True`.
        kernel_initializer: of `kernel`, default `"glorot_uniform"`.
        recurrent_initializer: of `recurrent_kernel`, default `"orthogonal"`.
        bias_initializer: of `bias`, default `"zeros"`.
        kernel_regularizer: penalty on `kernel`, default none.
        recurrent_regularizer: penalty on `recurrent_kernel`, default none.
        bias_regularizer: penalty on `bias`, default none.
        kernel_constraint: on `kernel`, default none.
        recurrent_constraint: on `recurrent_kernel`, default none.
        bias_constraint: on `bias`, default none.
        **kwargs: `name`, `dtype`, `trainable` of a Keras layer.

    Raises:
        ValueError: if `units` is not a positive int.
    """

    gates: tuple[str, ...] = ()

    def __init__(
        self,
        units: int,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias: bool = True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
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
        self.recurrent_activation = activations.get(recurrent_activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
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
            shape=(self.units, width),
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

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """The shape of `bias`."""
        return (len(self.gates) * self.units,)

    def initial_bias(self, shape, dtype=None):
        """Returns the first value of `bias`; a hook for cells that begin a gate open."""
        return self.bias_initializer(shape, dtype=dtype)

    def project_inputs(self, inputs):
        """Computes `inputs · kernel + bias`, `[batch, (time,) G · units]`."""
        projected = ops.matmul(inputs, self.kernel)
        return projected if self.bias is None else projected + self.bias

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": initializers.serialize(self.recurrent_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "recurrent_regularizer": regularizers.serialize(self.recurrent_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "recurrent_constraint": constraints.serialize(self.recurrent_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }
