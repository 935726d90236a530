"""The loss and the metrics that Keras does not have."""

import keras
from keras import ops

from textlstm.layers import smoothed_surprise


@keras.saving.register_keras_serializable(package="textlstm")
class SmoothedSparseCategoricalCrossentropy(keras.losses.Loss):
    """The cross-entropy with smoothed labels, from logits, for labels that are numbers.

    A row, or a token, of class y asks of K classes for the distribution

        q_k = (1 − ε) · [k = y] + ε / K

    instead of for class y alone, so that logits do not grow without end:

        loss = −Σ_k q_k log p_k = (1 − ε) · (−log p_y) + ε · mean_k(−log p_k)

    with p = softmax(logits). `keras.losses.CategoricalCrossentropy` has `label_smoothing`, but
    takes one-hot labels only.

    Args:
        label_smoothing: ε, in [0, 1).
        **kwargs: `name`, `reduction`, `dtype` of a Keras loss.

    Call arguments:
        y_true: ints, `[batch, …]`.
        y_pred: logits, `[batch, …, K]`.

    Raises:
        ValueError: if `label_smoothing` is out of its range.

    References:
        - Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016.
    """

    def __init__(self, label_smoothing: float, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                f"Argument `label_smoothing` must be in [0, 1). Received: {label_smoothing!r}"
            )
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        """Computes the loss of each row, or token, `[batch, …]`."""
        return smoothed_surprise(y_pred, y_true, self.label_smoothing)

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="textlstm")
class MicroF1(keras.metrics.F1Score):
    """The F1 score over all decisions of a multi-label model, from logits.

    With the true positives, false positives and false negatives of all rows and labels counted
    together, a label being given where its probability is above 1/2:

        F1 = 2 TP / (2 TP + FP + FN)

    It is `keras.metrics.F1Score(average="micro", threshold=0.5)`, which takes probabilities.

    Args:
        name: default `"f1"`.
        dtype: of a Keras metric.
    """

    def __init__(self, name: str = "f1", dtype=None):
        super().__init__(average="micro", threshold=0.5, name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Counts a batch: multi-hot `[batch, labels]`, logits `[batch, labels]`."""
        super().update_state(y_true, ops.sigmoid(y_pred), sample_weight)

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {"name": self.name, "dtype": self.dtype}


@keras.saving.register_keras_serializable(package="textlstm")
class Perplexity(keras.metrics.Mean):
    """The perplexity: exp of the mean of −log p over all tokens, each with its weight.

    A model that were as unsure, at every token, as one that chooses among N with equal chances,
    has a perplexity of N.

    Args:
        from_logits: whether predictions are logits (default), or −log p of the labels already.
        name: default `"perplexity"`.
        dtype: of a Keras metric.
    """

    def __init__(self, from_logits: bool = True, name: str = "perplexity", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.from_logits = from_logits

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Counts a batch.

        Args:
            y_true: ints, `[batch, …]`.
            y_pred: logits, `[batch, …, K]`, or −log p, `[batch, …]`.
            sample_weight: floats, `[batch, …]`.
        """
        surprise = smoothed_surprise(y_pred, y_true, 0.0) if self.from_logits else y_pred
        super().update_state(surprise, sample_weight)

    def result(self):
        """Returns exp of the mean."""
        return ops.exp(super().result())

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {"from_logits": self.from_logits, "name": self.name, "dtype": self.dtype}


@keras.saving.register_keras_serializable(package="textlstm")
class MeanSurprise(keras.losses.Loss):
    """The mean of −log p of all tokens, each with its weight, where a model gives just that.

    Args:
        reduction: of a Keras loss; default the mean, each token with its weight.
        name: default `"surprise"`.
        dtype: of a Keras loss.

    Call arguments:
        y_true: the labels; they have no effect.
        y_pred: −log p of the labels, `[batch, …]`.
    """

    def __init__(self, reduction="mean_with_sample_weight", name="surprise", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true, y_pred):
        """Returns −log p."""
        return y_pred
