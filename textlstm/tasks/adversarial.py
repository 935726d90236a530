"""Adversarial training: learning to answer right also where token vectors are moved for the worse.

Imports TensorFlow: the direction for the worse is a gradient with respect to vectors inside of the
model, and Keras has no such function that all its backends share.
"""

import keras
import tensorflow as tf


def adversarial_train_step(model, data, size: float) -> dict:
    """Takes one step on a batch as it is, and moved for the worse; see `StringClassifier.compile`.

    Args:
        model: a compiled `StringClassifier` whose `call` takes a `shift`.
        data: `(ids, labels)` or `(ids, labels, weights)`.
        size: ε, the size of the move, a share of the norm of the vectors.

    Returns:
        The metrics by name. The loss is that of both together, the others are of the batch as it
        is.
    """
    ids, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
    variables = model.trainable_variables

    def run(shift):
        """Returns loss and logits, and the gradients of the loss: of the shift, of the weights."""
        with tf.GradientTape() as tape:
            tape.watch(shift)
            logits = model(ids, training=True, shift=shift)
            loss = model.compute_loss(
                x=ids, y=labels, y_pred=logits, sample_weight=weights, training=True
            )
            scaled = model.optimizer.scale_loss(loss)
        return loss, logits, tape.gradient(scaled, [shift, *variables])

    vectors = tf.convert_to_tensor(model.embedding(ids))  # [batch, time, embedding_dim]
    loss, logits, (direction, *gradients) = run(tf.zeros_like(vectors))
    real = model.embedding.compute_mask(ids)[:, :, None]
    # One tape after the other: within another tape TensorFlow would prepare every loop for
    # gradients of gradients, which takes minutes.
    moved_loss, _, (_, *moved) = run(worst_shift(vectors, direction, real, size))
    loss = (loss + moved_loss) / 2
    gradients = [_mean(one, other) for one, other in zip(gradients, moved)]
    model.optimizer.apply_gradients(zip(gradients, variables))
    # Under a tf.distribute strategy Keras divides the loss of each replica by their number.
    replicas = tf.cast(tf.distribute.get_strategy().num_replicas_in_sync, loss.dtype)
    model._loss_tracker.update_state(replicas * loss, sample_weight=tf.shape(ids)[0])
    return model.compute_metrics(ids, labels, logits, sample_weight=weights)


def worst_shift(vectors, gradient, real, size: float):
    """Returns the move of a text's vectors that raises its loss the most, to first order.

        r = ε ‖v‖ g / ‖g‖

    Args:
        vectors: v, `[batch, time, embedding_dim]`.
        gradient: g, of the loss with respect to them.
        real: bool, `[batch, time, 1]`; padding does not count for ‖v‖, and is not moved.
        size: ε.

    Returns:
        r, like `vectors`; zeros for a row whose gradient is 0.
    """

    def norm(x):
        return tf.sqrt(tf.reduce_sum(tf.square(x), axis=[1, 2], keepdims=True))

    real = tf.cast(real, tf.float32)
    gradient = tf.cast(gradient, tf.float32) * real
    # Divided by the largest first: the squares of gradients of 1e-20 would all be 0.
    gradient = tf.math.divide_no_nan(
        gradient, tf.reduce_max(tf.abs(gradient), axis=[1, 2], keepdims=True)
    )
    length = size * norm(tf.cast(vectors, tf.float32) * real)
    return tf.cast(length * tf.math.divide_no_nan(gradient, norm(gradient)), vectors.dtype)


def _mean(one, other):
    """Returns the mean of two gradients; where both are of a few rows, so is the mean."""
    if one is None:  # of a weight that takes no part
        return None
    if isinstance(one, tf.IndexedSlices) and isinstance(other, tf.IndexedSlices):
        values = tf.concat([one.values, other.values], axis=0) / 2
        indices = tf.concat([one.indices, other.indices], axis=0)
        return tf.IndexedSlices(values, indices, one.dense_shape)
    return (tf.convert_to_tensor(one) + tf.convert_to_tensor(other)) / 2
