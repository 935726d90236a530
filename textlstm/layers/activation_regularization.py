"""Penalties on the outputs of a recurrent layer."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="textlstm")
class ActivationRegularization(keras.layers.Layer):
    """Adds to the loss how large the outputs of a recurrent layer are, and how fast they change.

    With the outputs h_t of size d, over all rows and steps:

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

    def call(self, outputs, dropped=None, training=False):
        """Adds the penalties; see the class."""
        dropped = outputs if dropped is None else dropped
        if training and self.alpha:
            self.add_loss(self.alpha * ops.mean(ops.square(ops.cast(dropped, "float32"))))
        if training and self.beta:
            wide = ops.cast(outputs, "float32")
            # A window of one step has no change: the sum of nothing, not the mean.
            changes = ops.square(wide[:, 1:] - wide[:, :-1])
            count = ops.maximum(ops.size(changes), 1)
            self.add_loss(self.beta * ops.sum(changes) / ops.cast(count, "float32"))
        return dropped

    def compute_output_spec(self, outputs, dropped=None, training=False):
        """Returns the shape and type of the outputs."""
        return keras.KerasTensor(outputs.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "alpha": self.alpha, "beta": self.beta}
