"""A sequence of vectors to one vector, over the real tokens only."""

import keras
from keras import ops

from textlstm.errors import InputError


class SequencePooling(keras.layers.Layer):
    """What every pooling layer is: `[batch, time, features]` and a mask to one vector a row.

    A new kind of pooling overrides `pool`, and `output_features` where the size changes.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def pool(self, sequence, mask):
        """Pools one batch.

        Args:
            sequence: floats, `[batch, time, features]`.
            mask: bool, `[batch, time]`: True where there is a token.

        Returns:
            Floats, `[batch, output_features(features)]`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `pool`.")

    def output_features(self, features: int) -> int:
        """Returns the size of the pooled vector for inputs of `features` features."""
        return features

    def call(self, sequence, mask=None):
        """Pools `sequence`; without a mask every step counts."""
        if mask is None:
            mask = ops.ones(ops.shape(sequence)[:2], dtype="bool")
        return self.pool(sequence, mask)

    def compute_mask(self, sequence, mask=None):
        """Returns `None`: a pooled vector has no steps to mask."""
        return None

    def compute_output_shape(self, input_shape):
        """Returns `(batch, features)`."""
        return (input_shape[0], self.output_features(input_shape[-1]))


@keras.saving.register_keras_serializable(package="textlstm")
class LastPooling(SequencePooling):
    """The output at the last real token; with `bidirectional`, of each direction's last.

    Args:
        bidirectional: whether the second half of the features comes from a backward direction,
            whose last step is the first real token; default `False`.
    """

    def __init__(self, bidirectional: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.bidirectional = bidirectional

    def pool(self, sequence, mask):
        """Picks the outputs, `[batch, features]`."""
        return _pool_last(sequence, mask, self.bidirectional)

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "bidirectional": self.bidirectional}


@keras.saving.register_keras_serializable(package="textlstm")
class MeanPooling(SequencePooling):
    """The mean over the real tokens (zeros for a row that has none)."""

    def pool(self, sequence, mask):
        """Averages, `[batch, features]`."""
        return _pool_mean(sequence, mask)


@keras.saving.register_keras_serializable(package="textlstm")
class MaxPooling(SequencePooling):
    """The greatest value of each feature over the real tokens (zeros for a row that has none)."""

    def pool(self, sequence, mask):
        """Takes the maxima, `[batch, features]`."""
        return _pool_max(sequence, mask)


@keras.saving.register_keras_serializable(package="textlstm")
class ConcatPooling(SequencePooling):
    """Last, mean and maximum side by side: `[batch, 3 · features]`.

    Args:
        bidirectional: as in `LastPooling`.

    References:
        - Howard and Ruder, Universal Language Model Fine-tuning for Text Classification, ACL 2018.
    """

    def __init__(self, bidirectional: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.bidirectional = bidirectional

    def pool(self, sequence, mask):
        """Pools three times, `[batch, 3 · features]`."""
        last = _pool_last(sequence, mask, self.bidirectional)
        parts = [last, _pool_mean(sequence, mask), _pool_max(sequence, mask)]
        return ops.concatenate(parts, axis=-1)

    def output_features(self, features: int) -> int:
        """Returns `3 · features`."""
        return 3 * features

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "bidirectional": self.bidirectional}


@keras.saving.register_keras_serializable(package="textlstm")
class AttentionPooling(SequencePooling):
    """A weighted mean over the real tokens, with weights that are learned from the outputs.

    With the output `h_t` of step t, as a row:

        u_t = tanh(h_t W + b)
        a_t = exp(u_t · v) / Σ_s exp(u_s · v)         over the real tokens s
        result = Σ_t a_t h_t

    Args:
        units: size of `u_t`; default: the number of features.

    References:
        - Yang et al., Hierarchical Attention Networks for Document Classification, NAACL 2016.
    """

    def __init__(self, units: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        """Creates `W` `[features, units]`, `b` `[units]` and `v` `[units]`."""
        features = input_shape[-1]
        units = self.units or features
        self.kernel = self.add_weight(name="kernel", shape=(features, units))
        self.bias = self.add_weight(name="bias", shape=(units,), initializer="zeros")
        self.context = self.add_weight(name="context", shape=(units,), initializer="random_normal")

    def compute_weights(self, sequence, mask):
        """Returns the attention weights, `[batch, time]`: 0 at padding, and their sum is 1."""
        hidden = ops.tanh(ops.matmul(sequence, self.kernel) + self.bias)  # [batch, time, units]
        scores = ops.sum(hidden * self.context, axis=-1)  # [batch, time]
        scores = ops.where(mask, scores, ops.cast(-6e4, scores.dtype))
        weights = ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))
        weights = weights * ops.cast(mask, scores.dtype)
        return weights / ops.maximum(ops.sum(weights, axis=-1, keepdims=True), 1e-4)

    def pool(self, sequence, mask):
        """Takes the weighted mean, `[batch, features]`."""
        return ops.sum(sequence * self.compute_weights(sequence, mask)[:, :, None], axis=1)

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "units": self.units}


POOLINGS = {
    "last": LastPooling,
    "mean": MeanPooling,
    "max": MaxPooling,
    "concat": ConcatPooling,
    "attention": AttentionPooling,
}


def make_pooling(kind: str, bidirectional: bool = False, **kwargs) -> SequencePooling:
    """Makes a pooling layer by its kind.

    Args:
        kind: "last", "mean", "max", "concat" or "attention".
        bidirectional: whether the second half of the features was read from the end; of "last" and
            "concat".
        **kwargs: of the layer.

    Raises:
        InputError: if there is no such kind.
    """
    if kind not in POOLINGS:
        raise InputError(
            f"Argument `pooling` must be one of {sorted(POOLINGS)}. Received: {kind!r}"
        )
    if kind in ("last", "concat"):
        kwargs["bidirectional"] = bidirectional
    return POOLINGS[kind](**kwargs)


def _pool_last(sequence, mask, bidirectional: bool):
    steps = ops.arange(ops.shape(mask)[1], dtype="int32")  # [time]
    last = ops.max(ops.where(mask, steps, 0), axis=1)  # [batch]
    if not bidirectional:
        return _at(sequence, last)
    first = ops.cast(ops.argmax(ops.cast(mask, "int32"), axis=1), "int32")  # [batch]
    forward, backward = ops.split(sequence, 2, axis=-1)
    return ops.concatenate([_at(forward, last), _at(backward, first)], axis=-1)


def _pool_mean(sequence, mask):
    weights = ops.cast(mask, sequence.dtype)[:, :, None]  # [batch, time, 1]
    return ops.sum(sequence * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1)


def _pool_max(sequence, mask):
    real = mask[:, :, None]  # [batch, time, 1]
    lowest = ops.cast(-6e4, sequence.dtype)  # within the range of float16
    greatest = ops.max(ops.where(real, sequence, lowest), axis=1)
    return ops.where(ops.any(real, axis=1), greatest, ops.zeros_like(greatest))


def _at(sequence, steps):
    """Picks a step of each row: `[batch, time, features]`, `[batch]` to `[batch, features]`."""
    return ops.squeeze(ops.take_along_axis(sequence, steps[:, None, None], axis=1), axis=1)
