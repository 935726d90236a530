"""The cross-entropy of labels, smoothed or not, with its gradient written out."""

from keras import ops

from textlstm.kernels.custom_gradient import custom_gradient


def smoothed_surprise(logits, labels, smoothing: float):
    """Computes the cross-entropy of labels, smoothed or not, from logits.

    With the logits z of K classes and lse = log Σ_k exp z_k it is

        lse − (1 − ε) z_y − ε mean_k z_k

    and its gradient softmax(z)_k − (1 − ε) [k = y] − ε / K. That is written out here: what a
    backend derives by itself passes several times as often over all logits, which of a large
    vocabulary are most of what a training step touches.

    Args:
        logits: floats, `[…, K]`.
        labels: ints, `[…]`, or `[…, 1]` as Keras may give those of rows.
        smoothing: ε.

    Returns:
        float32 `[…]`.
    """
    logits = ops.convert_to_tensor(logits)
    classes = logits.shape[-1]
    labels = ops.reshape(ops.cast(labels, "int32"), ops.shape(logits)[:-1])

    @custom_gradient
    def surprise(logits):
        wide = ops.cast(logits, "float32")
        highest = ops.max(wide, axis=-1, keepdims=True)
        fits = ops.exp(wide - highest)
        total = ops.sum(fits, axis=-1, keepdims=True)
        of_label = ops.take_along_axis(wide, labels[..., None], axis=-1)[..., 0]
        loss = (highest + ops.log(total))[..., 0] - (1 - smoothing) * of_label
        if smoothing:
            loss = loss - smoothing * ops.mean(wide, axis=-1)

        def gradient(*args, upstream=None):
            d_loss = args[0] if upstream is None else upstream  # as backends give it
            d_loss = ops.cast(d_loss, "float32")[..., None]
            asked = (1 - smoothing) * ops.one_hot(labels, classes)
            d_logits = fits * (d_loss / total) - d_loss * (asked + smoothing / classes)
            return ops.cast(d_logits, logits.dtype)

        return loss, gradient

    return surprise(logits)
