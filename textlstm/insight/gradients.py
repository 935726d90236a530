"""The gradient with respect to what flows inside a model, under each backend that trains."""

import keras

from textlstm.errors import InputError


def gradient_of(function, inputs):
    """Computes d Σ function(inputs) / d inputs.

    Args:
        function: takes a float tensor and gives floats `[rows]`.
        inputs: what it takes.

    Returns:
        `(values, gradient)`: what the function gave, and a tensor like `inputs`.

    Raises:
        InputError: if the backend is neither TensorFlow nor JAX.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        inputs = tf.convert_to_tensor(inputs)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            values = function(inputs)
        return values, tape.gradient(values, inputs)
    if backend == "jax":
        import jax

        def total(inputs):
            values = function(inputs)
            return values.sum(), values

        gradient, values = jax.grad(total, has_aux=True)(inputs)
        return values, gradient
    raise InputError(
        f"gradients are computed under TensorFlow or JAX, and Keras's backend is {backend!r}; "
        "start Python with KERAS_BACKEND=tensorflow"
    )
