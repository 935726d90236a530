"""Token ids to vectors, and back to logits."""

import keras


@keras.saving.register_keras_serializable(package="textlstm")
class TokenEmbedding(keras.layers.ReversibleEmbedding):
    """Looks up a vector for every token id, and masks the padding.

    `keras.layers.ReversibleEmbedding` with the id of the padding as an argument: a SentencePiece
    model decides itself which id pads, and it is often not 0. Called with `reverse=True` it makes
    logits of hidden states with the same weights; `TiedHead` adds a bias to them.

    Args:
        vocabulary_size: number of ids.
        dim: size of a vector.
        pad_id: the id that pads short rows, whose steps are masked; default 0.
        **kwargs: the other options of `keras.layers.ReversibleEmbedding`
            (`embeddings_initializer`, `embeddings_regularizer`, `name`, `dtype`, …).

    Call arguments:
        inputs: ints in `[0, vocabulary_size)`, `[batch, time]`; with `reverse`, floats,
            `[batch, …, dim]`.
        reverse: whether to return logits; default `False`.

    Returns:
        Floats, `[batch, time, dim]`; the mask of the result is `inputs != pad_id`. With `reverse`,
        logits, `[batch, …, vocabulary_size]`, with the mask of the inputs.
    """

    def __init__(self, vocabulary_size: int, dim: int, pad_id: int = 0, **kwargs):
        super().__init__(vocabulary_size, dim, **kwargs)
        self.pad_id = pad_id
        self.supports_masking = True

    def compute_mask(self, inputs, mask=None):
        """Returns bool `[batch, time]`: True at tokens, False at padding."""
        if keras.backend.is_float_dtype(keras.backend.standardize_dtype(inputs.dtype)):
            return mask  # of hidden states, which become logits
        return keras.ops.not_equal(inputs, self.pad_id)

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        config = super().get_config()
        for name in ("input_dim", "output_dim", "mask_zero"):
            config.pop(name)
        return {
            **config,
            "vocabulary_size": self.input_dim,
            "dim": self.output_dim,
            "pad_id": self.pad_id,
        }
