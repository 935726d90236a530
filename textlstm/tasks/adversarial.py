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

    def loss_and_logits(shift):
        logits = model(ids, training=True, shift=shift)
        loss = model.compute_loss(
            x=ids, y=labels, y_pred=logits, sample_weight=weights, training=True
        )
        return loss, logits

    vectors = tf.convert_to_tensor(model.embedding(ids))  # [batch, time, embedding_dim]
    nothing = tf.zeros_like(vectors)
    with tf.GradientTape() as tape:
        with tf.GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(nothing)
            loss, logits = loss_and_logits(nothing)
            scaled = model.optimizer.scale_loss(loss)
        with tape.stop_recording():
            real = model.embedding.compute_mask(ids)[:, :, None]
            shift = worst_shift(vectors, inner.gradient(scaled, nothing), real, size)
        moved_loss, _ = loss_and_logits(shift)
        loss = (loss + moved_loss) / 2
        scaled = model.optimizer.scale_loss(loss)
    variables = model.trainable_variables
    model.optimizer.apply_gradients(zip(tape.gradient(scaled, variables), variables))
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
