"""Attention: for each query, a mean of the steps of a memory, weighted by how well they fit it."""

import math

import keras
from keras import ops

from textlstm.errors import InputError


class Attention(keras.layers.Layer):
    """What every attention layer is; a new kind overrides `score`, and `prepare` with its weights.

    With the queries q_t and the steps m_s of the memory, as rows:

        k_s  = prepare(m_s)
        e_ts = score(q_t, k_s)
        a_ts = exp(e_ts) / Σ_s' exp(e_ts')          over the real steps of the memory
        c_t  = Σ_s a_ts m_s

    The keys k_s do not depend on the queries: who asks step by step, as a decoder does, prepares
    them once and gives them to every call.

    Args:
        **kwargs: `name`, `dtype`, `trainable` of a Keras layer.

    Call arguments:
        queries: floats, `[batch, time, features]`.
        memory: floats, `[batch, steps, memory_features]`.
        mask: bool `[batch, steps]`, True where the memory is real; default `None`, everywhere.
        keys: what `prepare(memory)` gave; default `None`: it is computed.

    Returns:
        `(contexts, weights)`: `[batch, time, memory_features]`, and the a_ts, `[batch, time,
        steps]`, which sum to 1 over the real steps (to 0 where there is none).
    """

    def prepare(self, memory):
        """Computes the keys of a memory, `[batch, steps, key_features]`."""
        return memory

    def score(self, queries, keys):
        """Computes how well queries and keys fit.

        Args:
            queries: `[batch, time, features]`.
            keys: `[batch, steps, key_features]`.

        Returns:
            Floats, `[batch, time, steps]`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `score`.")

    def build(self, queries_shape, memory_shape):
        """Creates the weights, if the kind has any."""

    def call(self, queries, memory, mask=None, keys=None):
        """Attends; shapes and meaning as in the docstring of the class."""
        keys = self.prepare(memory) if keys is None else keys
        scores = ops.cast(self.score(queries, keys), "float32")  # exp wants the digits
        real = 1.0
        if mask is not None:
            real = ops.cast(mask, "float32")[:, None, :]  # [batch, 1, steps]
            scores = scores - 1e9 * (1 - real)
        fits = ops.exp(scores - ops.max(scores, axis=-1, keepdims=True)) * real
        weights = fits / ops.maximum(ops.sum(fits, axis=-1, keepdims=True), 1e-9)
        return ops.matmul(ops.cast(weights, memory.dtype), memory), weights

    def compute_mask(self, queries, mask=None):
        """Returns `None`: contexts are masked as their queries are."""
        return None

    def compute_output_spec(self, queries, memory, mask=None, keys=None):
        """Returns shapes and types of contexts and weights."""
        batch, time = queries.shape[:2]
        contexts = (batch, time, memory.shape[-1])
        return (
            keras.KerasTensor(contexts, dtype=self.compute_dtype),
            keras.KerasTensor((batch, time, memory.shape[1]), dtype="float32"),
        )

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return super().get_config()  # Keras's own guess takes no dtype policy


@keras.saving.register_keras_serializable(package="textlstm")
class DotAttention(Attention):
    """The score is a dot product: e = q · m. Queries and memory are of the same size.

    Raises:
        ValueError: when it is built, if they are not.

    References:
        - Luong, Pham and Manning, Effective Approaches to Attention-based Neural Machine
          Translation, EMNLP 2015 ("dot").
    """

    def build(self, queries_shape, memory_shape):
        """Checks the sizes; there are no weights."""
        if queries_shape[-1] != memory_shape[-1]:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} needs queries and a memory of the same "
                f"size. Received: {queries_shape[-1]} and {memory_shape[-1]}; "
                "GeneralAttention takes any."
            )

    def score(self, queries, keys):
        """Computes q · k, `[batch, time, steps]`."""
        return ops.matmul(queries, ops.transpose(keys, (0, 2, 1)))


@keras.saving.register_keras_serializable(package="textlstm")
class ScaledAttention(DotAttention):
    """A dot product with a scale that is learned: e = g (q · m), g beginning as 1 / √size.

    Without it the scores of large vectors begin large, and softmax gives nearly all to one step.

    References:
        - Vaswani et al., Attention Is All You Need, NIPS 2017 (the scale, there fixed).
    """

    def build(self, queries_shape, memory_shape):
        """Creates the scalar g."""
        super().build(queries_shape, memory_shape)
        self.scale = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(1 / math.sqrt(queries_shape[-1])),
            name="scale",
        )

    def score(self, queries, keys):
        """Computes g (q · m), `[batch, time, steps]`."""
        return ops.cast(self.scale, queries.dtype) * super().score(queries, keys)


@keras.saving.register_keras_serializable(package="textlstm")
class GeneralAttention(DotAttention):
    """A dot product with a matrix between: e = q · (m W), of sizes that may differ.

    References:
        - Luong, Pham and Manning, Effective Approaches to Attention-based Neural Machine
          Translation, EMNLP 2015 ("general").
    """

    def build(self, queries_shape, memory_shape):
        """Creates `W`, `[memory_features, features]`."""
        self.kernel = self.add_weight(
            shape=(memory_shape[-1], queries_shape[-1]), initializer="glorot_uniform", name="kernel"
        )

    def prepare(self, memory):
        """Computes m W, `[batch, steps, features]`."""
        return ops.matmul(memory, ops.cast(self.kernel, memory.dtype))


@keras.saving.register_keras_serializable(package="textlstm")
class AdditiveAttention(Attention):
    """A small network with one hidden layer: e = tanh(q W + m U + b) · v.

    It holds `[batch, time, steps, units]` numbers at once: more than the products, for long texts.

    Args:
        units: size of the hidden layer; default `None`, that of the queries.
        **kwargs: `name`, `dtype`, `trainable` of a Keras layer.

    References:
        - Bahdanau, Cho and Bengio, Neural Machine Translation by Jointly Learning to Align and
          Translate, ICLR 2015.
    """

    def __init__(self, units: int | None = None, **kwargs):
        super().__init__(**kwargs)
        if units is not None and (not isinstance(units, int) or units < 1):
            raise ValueError(
                f"Argument `units` must be an integer of at least 1, or None. Received: {units!r}"
            )
        self.units = units

    def build(self, queries_shape, memory_shape):
        """Creates `W` `[features, units]`, `U` `[memory_features, units]`, `b`, `v` `[units]`."""
        units = self.units or queries_shape[-1]
        glorot = keras.initializers.GlorotUniform
        self.query_kernel = self.add_weight(
            shape=(queries_shape[-1], units), initializer=glorot(), name="query_kernel"
        )
        self.memory_kernel = self.add_weight(
            shape=(memory_shape[-1], units), initializer=glorot(), name="memory_kernel"
        )
        self.bias = self.add_weight(shape=(units,), initializer="zeros", name="bias")
        self.score_kernel = self.add_weight(
            shape=(units, 1), initializer=glorot(), name="score_kernel"
        )

    def prepare(self, memory):
        """Computes m U + b, `[batch, steps, units]`."""
        dtype = memory.dtype
        return ops.matmul(memory, ops.cast(self.memory_kernel, dtype)) + ops.cast(self.bias, dtype)

    def score(self, queries, keys):
        """Computes tanh(q W + m U + b) · v, `[batch, time, steps]`."""
        queries = ops.matmul(queries, ops.cast(self.query_kernel, queries.dtype))
        hidden = ops.tanh(queries[:, :, None] + keys[:, None])  # [batch, time, steps, units]
        return ops.matmul(hidden, ops.cast(self.score_kernel, hidden.dtype))[..., 0]

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "units": self.units}


ATTENTIONS = {
    "dot": DotAttention,
    "scaled": ScaledAttention,
    "general": GeneralAttention,
    "additive": AdditiveAttention,
}


def make_attention(kind: str, **kwargs) -> Attention:
    """Makes an attention layer by its name.

    Args:
        kind: `"dot"`, `"scaled"`, `"general"` or `"additive"`.
        **kwargs: arguments of the layer.

    Raises:
        InputError: for a name that is none of these.
    """
    if kind not in ATTENTIONS:
        raise InputError(
            f"Argument `attention` must be one of {sorted(ATTENTIONS)}. Received: {kind!r}"
        )
    return ATTENTIONS[kind](**kwargs)
