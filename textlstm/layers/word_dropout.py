"""Dropout of whole words."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="textlstm")
class WordDropout(keras.layers.Layer):
    """Sets whole word vectors to zero while training, so that no single word is relied upon.

    Each token is dropped with probability `rate`, by a draw of its own. With `vocabulary_size`
    each word of the vocabulary is, by one draw for all its tokens in the batch. The vectors that
    stay are multiplied by 1 / (1 - rate), as in `keras.layers.Dropout`, so that the expected value
    stays what it is without dropout.

    Args:
        rate: probability of being dropped, in [0, 1).
        vocabulary_size: number of ids. Default: each token is drawn for by itself.
        seed: of the draws; default a random one.
        **kwargs: `name`, `dtype`, `trainable` of a Keras layer.

    Call arguments:
        vectors: floats, `[batch, time, dim]`.
        ids: ints, `[batch, time]`, the tokens of the vectors; needed with `vocabulary_size`.
        training: whether to drop; default `False`.

    Returns:
        Floats, `[batch, time, dim]`.

    Raises:
        ValueError: if `rate` is out of its range, or `ids` are missing.

    Example:
        >>> WordDropout(0.2)(embedding(ids), training=True)
        >>> WordDropout(0.1, vocabulary_size=4000)(embedding(ids), ids, training=True)

    References:
        - Iyyer et al., Deep Unordered Composition Rivals Syntactic Methods for Text
          Classification, ACL 2015 (tokens).
        - Gal and Ghahramani, A Theoretically Grounded Application of Dropout in Recurrent Neural
          Networks, NIPS 2016 (words of the vocabulary).
    """

    def __init__(
        self, rate: float, vocabulary_size: int | None = None, seed: int | None = None, **kwargs
    ):
        if not 0 <= rate < 1:
            raise ValueError(f"Argument `rate` must be in [0, 1). Received: {rate!r}")
        super().__init__(**kwargs)
        self.rate = rate
        self.vocabulary_size = vocabulary_size
        self.seed = seed
        # Without dropout there is no state to save, as in `keras.layers.Dropout`.
        self.seed_generator = keras.random.SeedGenerator(seed) if rate > 0 else None
        self.supports_masking = True
        self.built = True

    def call(self, vectors, ids=None, training=False):
        """Drops words; shapes and meaning as in the docstring of the class."""
        if not training or self.rate == 0:
            return vectors
        if self.vocabulary_size is None:
            factors = self._draw(ops.shape(vectors)[:2], vectors.dtype)  # [batch, time]
        elif ids is None:
            raise ValueError(
                f"Layer {self.name!r} drops words of the vocabulary and must be called with "
                "(vectors, ids). Received: ids=None"
            )
        else:
            factors = ops.take(self._draw((self.vocabulary_size,), vectors.dtype), ids, axis=0)
        return vectors * factors[:, :, None]

    def _draw(self, shape, dtype):
        """Draws what to multiply by: 0 or 1 / (1 - rate)."""
        return keras.random.dropout(ops.ones(shape, dtype), self.rate, seed=self.seed_generator)

    def compute_mask(self, vectors, mask=None):
        """Passes the mask on: a dropped word is still a step."""
        return mask

    def compute_output_shape(self, vectors_shape, ids_shape=None):
        """Returns the shape of the vectors."""
        return vectors_shape

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "rate": self.rate,
            "vocabulary_size": self.vocabulary_size,
            "seed": self.seed,
        }
