"""Convolution over time, in front of a recurrent layer."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="textlstm")
class ConvolutionFront(keras.layers.Layer):
    """Reads short runs of tokens at once, and can shorten the sequence, before a recurrent layer.

    With the vectors `x_t` of a row, as rows, zero at masked steps and outside of the row:

        y_t = activation(Σ_k x_{t + k - (width - 1) // 2} W_k + b)        k = 0 … width - 1
        result_s = max over the real steps t in [s · pool_size, (s + 1) · pool_size) of y_t

    Padding changes nothing: a row gives the same whatever the width of its batch. With
    `pool_size` the recurrent layer has so many times fewer steps to take.

    Args:
        filters: size of the resulting vectors.
        width: number of steps that the convolution reads at once; default 3.
        pool_size: number of steps that become one; default 1, which keeps every step.
        activation: any that `keras.activations.get` takes; default `"relu"`.
        **kwargs: `name`, `dtype`, `trainable` of a Keras layer.

    Call arguments:
        sequence: floats, `[batch, time, features]`.
        mask: bool `[batch, time]`, in any pattern.

    Returns:
        Floats, `[batch, ceil(time / pool_size), filters]`. A step of the result is real, and
        True in `compute_mask`, if any of the steps it was made of is; the others are zeros.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> front = ConvolutionFront(64, width=5, pool_size=4)
        >>> front(keras.random.normal((8, 30, 32))).shape
        (8, 8, 64)

    References:
        - Zhou et al., A C-LSTM Neural Network for Text Classification, 2015.
    """

    def __init__(
        self, filters: int, width: int = 3, pool_size: int = 1, activation="relu", **kwargs
    ):
        for name, value in (("filters", filters), ("width", width), ("pool_size", pool_size)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"Argument `{name}` must be an integer of at least 1. Received: {value!r}"
                )
        super().__init__(**kwargs)
        self.filters = filters
        self.width = width
        self.pool_size = pool_size
        self.activation = keras.activations.get(activation)
        self.supports_masking = True
        self.convolution = keras.layers.Conv1D(
            filters,
            width,
            padding="same",
            activation=self.activation,
            dtype=self.dtype_policy,
            name="convolution",
        )

    def build(self, input_shape):
        """Creates `W` `[width, features, filters]` and `b` `[filters]`."""
        self.convolution.build(input_shape)

    def call(self, sequence, mask=None):
        """Convolves and pools; shapes and meaning as in the docstring of the class."""
        if mask is None:
            mask = ops.ones(ops.shape(sequence)[:2], dtype="bool")
        sequence = ops.where(mask[:, :, None], sequence, ops.zeros_like(sequence))
        outputs = self.convolution(sequence)  # [batch, time, filters]
        if self.pool_size > 1:
            outputs = ops.where(mask[:, :, None], outputs, ops.cast(_LOWEST, outputs.dtype))
            outputs = _max_over_time(outputs, self.pool_size)
            mask = self.compute_mask(sequence, mask)  # [batch, shorter]
        return ops.where(mask[:, :, None], outputs, ops.zeros_like(outputs))

    def compute_mask(self, sequence, mask=None):
        """Returns the mask of the result, bool `[batch, ceil(time / pool_size)]`."""
        if mask is None or self.pool_size == 1:
            return mask
        real = ops.cast(mask, "float32")[:, :, None]  # [batch, time, 1]
        return _max_over_time(real, self.pool_size)[:, :, 0] > 0

    def compute_output_shape(self, input_shape):
        """Returns `(batch, ceil(time / pool_size), filters)`."""
        batch, time = input_shape[:2]
        shorter = None if time is None else -(-time // self.pool_size)
        return (batch, shorter, self.filters)

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "width": self.width,
            "pool_size": self.pool_size,
            "activation": keras.activations.serialize(self.activation),
        }


_LOWEST = -6e4  # within the range of float16


def _max_over_time(sequence, size: int):
    """Takes the maxima of every `size` steps; the last of them may be fewer.

    `[batch, time, features]` to `[batch, ceil(time / size), features]`.
    """
    padding = [[0, 0], [0, size - 1], [0, 0]]
    sequence = ops.pad(sequence, padding, constant_values=_LOWEST)
    return ops.max_pool(sequence, size, size, padding="valid", data_format="channels_last")
