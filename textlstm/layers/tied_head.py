"""Hidden states to logits with the weights of the embedding."""

import keras

from textlstm.layers.embedding import TokenEmbedding


@keras.saving.register_keras_serializable(package="textlstm")
class TiedHead(keras.layers.Layer):
    """Logits over the vocabulary, from the vectors by which the embedding looks its tokens up.

    With the vectors `E` of the embedding and a hidden state `h`, as a row:

        logits = h Eᵀ + b

    `E` stays one variable, which belongs to the embedding: it is counted, saved and updated once,
    by the sum of its gradients from both uses. A model that ties its weights has so many fewer of
    them, and commonly a lower perplexity.

    Args:
        embedding: the `TokenEmbedding`, with tied weights (its default).
        **kwargs: `name`, `dtype`, `trainable` of a Keras layer; `dtype` is the embedding's by
            default.

    Call arguments:
        hidden: floats, `[batch, …, dim]`, of the embedding's `dim`.
        matrix: what `prepare` gave; default `None`: it is computed.

    Returns:
        Floats, `[batch, …, vocabulary_size]`.

    Raises:
        ValueError: if `hidden` has another size than the vectors of the embedding.

    Example:
        >>> embedding = TokenEmbedding(vocabulary_size=4000, dim=64)
        >>> head = TiedHead(embedding)
        >>> head(LSTM(64, return_sequences=True)(embedding(ids))).shape
        (8, 20, 4000)

    References:
        - Press and Wolf, Using the Output Embedding to Improve Language Models, EACL 2017.
        - Inan et al., Tying Word Vectors and Word Classifiers, ICLR 2017.
    """

    def __init__(self, embedding: TokenEmbedding, **kwargs):
        if not isinstance(embedding, TokenEmbedding) or not embedding.tie_weights:
            raise ValueError(
                "Argument `embedding` must be a TokenEmbedding with tied weights. "
                f"Received: {embedding!r}"
            )
        kwargs.setdefault("dtype", embedding.dtype_policy)
        super().__init__(**kwargs)
        self.embedding = embedding
        self.supports_masking = True

    def build(self, input_shape):
        """Creates `b` `[vocabulary_size]`."""
        if input_shape[-1] != self.embedding.output_dim:
            raise ValueError(
                f"Layer {self.name!r} takes hidden states of size {self.embedding.output_dim}, "
                f"the `dim` of its embedding. Received: shape={tuple(input_shape)}; give both one "
                "size, or put a Dense layer between them"
            )
        if not self.embedding.built:
            self.embedding.build()
        self.bias = self.add_weight(
            name="bias", shape=(self.embedding.input_dim,), initializer="zeros"
        )

    def prepare(self):
        """Returns Eᵀ, `[dim, vocabulary_size]`, which a loop of steps computes once, before it."""
        # The embedding itself would multiply in float32 under a mixed policy.
        vectors = keras.ops.cast(self.embedding.embeddings, self.compute_dtype)
        return keras.ops.transpose(vectors)

    def call(self, hidden, matrix=None):
        """Computes the logits of hidden states."""
        return keras.ops.matmul(hidden, self.prepare() if matrix is None else matrix) + self.bias

    def compute_output_shape(self, input_shape):
        """Returns `(batch, …, vocabulary_size)`."""
        return (*input_shape[:-1], self.embedding.input_dim)

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "embedding": keras.saving.serialize_keras_object(self.embedding),
        }

    @classmethod
    def from_config(cls, config: dict):
        """Makes the layer from what `get_config` returned."""
        embedding = keras.saving.deserialize_keras_object(config["embedding"])
        return cls(**{**config, "embedding": embedding})
