"""Adam, with one operation a weight."""

import keras


@keras.saving.register_keras_serializable(package="textlstm")
class Adam(keras.optimizers.Adam):
    """Keras's Adam, faster under TensorFlow: what it computes for a weight is one operation.

    With the gradient g at step t, and √, ² and / by elements:

        m ← β₁ m + (1 − β₁) g
        v ← β₂ v + (1 − β₂) g²
        w ← w − rate · √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + ε)

    `keras.optimizers.Adam` says this in ten operations, each of which passes over the whole weight;
    of a large vocabulary that is a good part of a training step. Arguments, variables and, to
    rounding, results are those of `keras.optimizers.Adam`; so is the way taken on other backends,
    under a distribution strategy, and with `amsgrad` or accumulated gradients. (Of a gradient that
    comes by rows, as an embedding's does, Keras squares what several tokens give to one row apart;
    here, as everywhere else, it is added up first.)

    Args:
        *args: of `keras.optimizers.Adam`.
        **kwargs: likewise.

    References:
        - Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015.
    """

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        """Updates all weights, without a sum over replicas where there is one alone.

        Keras's sum is a custom gradient, by which TensorFlow keeps each traced graph for ever.
        """
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            if not tf.distribute.has_strategy():
                for gradient, variable in zip(grads, trainable_variables):
                    held = variable.value if isinstance(variable, keras.Variable) else variable
                    self.update_step(gradient, held, learning_rate)
                return
        super()._backend_update_step(grads, trainable_variables, learning_rate)

    def update_step(self, gradient, variable, learning_rate):
        """Updates one weight."""
        is_plain = not self.amsgrad and not self.gradient_accumulation_steps
        if not is_plain or keras.backend.backend() != "tensorflow":
            return super().update_step(gradient, variable, learning_rate)
        import tensorflow as tf

        if tf.distribute.has_strategy():
            return super().update_step(gradient, variable, learning_rate)
        index = self._get_variable_index(variable)
        dtype = tf.as_dtype(variable.dtype)
        step = tf.cast(self.iterations.value + 1, dtype)
        beta_1, beta_2 = (tf.cast(beta, dtype) for beta in (self.beta_1, self.beta_2))
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,  # TensorFlow's own variable: Keras has unwrapped it
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=beta_1**step,
            beta2_power=beta_2**step,
            lr=tf.cast(learning_rate, dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, dtype),
            # The gradient of an embedding comes by rows, some of them several times.
            grad=tf.cast(tf.convert_to_tensor(gradient), dtype),
        )
