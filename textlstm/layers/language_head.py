"""Hidden states to the next token: logits, or -log p of a label."""

from collections.abc import Sequence

import keras
from keras import ops

from textlstm.errors import InputError
from textlstm.layers.adaptive_surprise import adaptive_log_probs, adaptive_surprise
from textlstm.layers.chunked_surprise import chunked_surprise
from textlstm.layers.embedding import TokenEmbedding
from textlstm.layers.smoothed_surprise import smoothed_surprise
from textlstm.layers.tied_head import TiedHead

# Of vocabularies above this size not all logits of a batch are held at once.
_LARGE_VOCABULARY = 8_192


@keras.saving.register_keras_serializable(package="textlstm")
class LanguageHead(keras.layers.Layer):
    """Says of each hidden state which token comes next.

    With the vectors E of the embedding, and a hidden state h, as a row:

        logits = (h W + b_W) Eᵀ + b      where h is not of the size of the vectors
        logits = h Eᵀ + b                where it is
        logits = h W + b                 not tied

    With `cutoffs` these are the logits within an adaptive softmax, whose log-probabilities are what
    the layer then gives: rare tokens stand in clusters, which are computed where they are needed
    (`adaptive_surprise`).

    Args:
        embedding: the `TokenEmbedding` that the tokens are read with.
        tie: whether its vectors make the logits (`TiedHead`); default `True`.
        cutoffs: the first ids of clusters of rare tokens, growing, above 0 and below the size of
            the vocabulary; low ids are to be frequent tokens, as those of SentencePiece and of word
            lists are. Default none: a plain softmax.
        **kwargs: `name`, `dtype`, `trainable` of a Keras layer; `dtype` is the embedding's by
            default.

    Call arguments:
        hidden: floats, `[batch, …, size]`.

    Returns:
        Floats, `[batch, …, vocabulary_size]`.

    Raises:
        InputError: if the cutoffs do not grow, or are no ids of the vocabulary.
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        tie: bool = True,
        cutoffs: Sequence[int] = (),
        **kwargs,
    ):
        ends = (0, *cutoffs, embedding.input_dim)
        if any(later <= earlier for earlier, later in zip(ends, ends[1:])):
            raise InputError(
                "Argument `cutoffs` must grow, from above 0 to below the size of the vocabulary, "
                f"{embedding.input_dim}. Received: {list(cutoffs)}"
            )
        kwargs.setdefault("dtype", embedding.dtype_policy)
        super().__init__(**kwargs)
        self.embedding = embedding
        self.tie = tie
        self.cutoffs = tuple(cutoffs)
        self.to_embedding = None
        if tie:
            self.head = TiedHead(embedding, dtype=self.dtype_policy, name="head")
        else:
            self.head = keras.layers.Dense(
                embedding.input_dim, dtype=self.dtype_policy, name="head"
            )
        self.supports_masking = True

    def build(self, input_shape):
        """Creates the weights for hidden states of this size."""
        if not self.embedding.built:
            self.embedding.build()
        size = self.embedding.output_dim
        if self.tie and input_shape[-1] != size:
            self.to_embedding = keras.layers.Dense(
                size, dtype=self.dtype_policy, name="to_embedding"
            )
            self.to_embedding.build(input_shape)
            input_shape = (*input_shape[:-1], size)
        self.head.build(input_shape)
        if self.cutoffs:
            shape = (len(self.cutoffs), input_shape[-1])
            self.clusters = self.add_weight(name="clusters", shape=shape)
            self.cluster_bias = self.add_weight(
                name="cluster_bias", shape=shape[:1], initializer="zeros"
            )

    def call(self, hidden):
        """Computes the logits of hidden states."""
        hidden = self._to_vectors(hidden)
        if not self.cutoffs:
            return self.head(hidden)
        return adaptive_log_probs(hidden, *self._weights(), self.cutoffs)

    def surprise(self, hidden, labels):
        """Computes -log p of labels.

        Args:
            hidden: floats, `[batch, time, size]`.
            labels: ints, `[batch, time]`.

        Returns:
            float32 `[batch, time]`.
        """
        if self.embedding.input_dim <= _LARGE_VOCABULARY and not self.cutoffs:
            return smoothed_surprise(self(hidden), labels, 0.0)
        hidden = self._to_vectors(hidden)
        rows, targets = ops.reshape(hidden, (-1, hidden.shape[-1])), ops.reshape(labels, (-1,))
        if self.cutoffs:
            surprise = adaptive_surprise(rows, *self._weights(), targets, self.cutoffs)
        else:
            surprise = chunked_surprise(rows, *self._weights(), targets)
        return ops.reshape(surprise, ops.shape(labels))

    def _weights(self) -> list:
        """Returns vectors and bias, and with cutoffs those of the clusters, as is computed in."""
        vectors = self.embedding.embeddings if self.tie else ops.transpose(self.head.kernel)
        weights = [vectors, self.head.bias]
        if self.cutoffs:
            weights += [self.clusters, self.cluster_bias]
        return [ops.cast(weight, self.compute_dtype) for weight in weights]

    def _to_vectors(self, hidden):
        return hidden if self.to_embedding is None else self.to_embedding(hidden)

    def compute_output_shape(self, input_shape):
        """Returns `(batch, …, vocabulary_size)`."""
        return (*input_shape[:-1], self.embedding.input_dim)

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        embedding = keras.saving.serialize_keras_object(self.embedding)
        return {
            **super().get_config(),
            "embedding": embedding,
            "tie": self.tie,
            "cutoffs": self.cutoffs,
        }

    @classmethod
    def from_config(cls, config: dict):
        """Makes the layer from what `get_config` returned."""
        embedding = keras.saving.deserialize_keras_object(config["embedding"])
        return cls(**{**config, "embedding": embedding})
