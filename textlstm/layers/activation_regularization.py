"""Penalties on the outputs of a recurrent layer."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="textlstm")
class ActivationRegularization(keras.layers.Layer):
    """Adds to the loss how large the outputs of a recurrent layer are, and how fast they change.

    With the outputs h_t of size d, over all real steps (both steps of a change are real) of all
    rows:

        alpha · mean(h_t²) + beta · mean((h_{t+1} - h_t)²)

    The first term keeps outputs small (AR), the second makes them change slowly (TAR). As in the
    paper, the first is of the outputs after dropout, the second of those before.

    Args:
        alpha: weight of the size; default 2.0.
        beta: weight of the change; default 1.0.
        **kwargs: `name`, `dtype`, `trainable` of a Keras layer.

    Call arguments:
        outputs: floats, `[batch, time, d]`.
        dropped: the same outputs after dropout; default `None`: they are those.
        mask: bool `[batch, time]`, which steps are real; default `None`, all. A mask that a layer
            below attached is used as it is everywhere in Keras.
        training: whether the penalties are added; default `False`.

    Returns:
        `dropped`, or `outputs` if there is none.

    Raises:
        ValueError: if a weight is negative.

    References:
        - Merity, McCann and Socher, Revisiting Activation Regularization for Language RNNs, 2017,
          arXiv:1708.01009.
    """

    def __init__(self, alpha: float = 2.0, beta: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        if alpha < 0 or beta < 0:
            raise ValueError(
                f"Arguments `alpha` and `beta` of {type(self).__name__} must be 0 or more. "
                f"Received: alpha={alpha!r}, beta={beta!r}"
            )
        self.alpha = alpha
        self.beta = beta
        self.supports_masking = True

    def call(self, outputs, dropped=None, mask=None, training=False):
        """Adds the penalties; see the class."""
        dropped = outputs if dropped is None else dropped
        if not training:
            return dropped
        if mask is None:
            mask = ops.ones(ops.shape(outputs)[:2], "bool")
        if self.alpha:
            sizes = ops.square(ops.cast(dropped, "float32"))
            self.add_loss(self.alpha * _mean(sizes, mask))
        if self.beta:
            wide = ops.cast(outputs, "float32")
            changes = ops.square(wide[:, 1:] - wide[:, :-1])
            self.add_loss(self.beta * _mean(changes, ops.logical_and(mask[:, 1:], mask[:, :-1])))
        return dropped

    def compute_output_spec(self, outputs, dropped=None, mask=None, training=False):
        """Returns the shape and type of the outputs."""
        return keras.KerasTensor(outputs.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "alpha": self.alpha, "beta": self.beta}


def _mean(values, mask):
    """Returns the mean of values `[batch, time, d]` at real steps; 0 where there are none."""
    real = ops.cast(mask, "float32")  # [batch, time]
    count = ops.sum(real) * values.shape[-1]
    return ops.sum(ops.sum(values, axis=-1) * real) / ops.maximum(count, 1.0)
