"""The cross-entropy over a large vocabulary, a part of the tokens at a time."""

from keras import ops

from textlstm.kernels.custom_gradient import custom_gradient

# So many logits are held at once, about: 64 MB of float32.
_LOGITS = 2**24
# Where only some tokens count, so many are computed at once: at most so many in vain.
_TOKENS_THAT_COUNT = 128


def chunked_surprise(hidden, vectors, bias, labels, count=None):
    """Computes -log p of labels from hidden states, without ever holding the logits of all.

    With z = h Vᵀ + b for each hidden state h, and y its label:

        -log p(y) = log Σ_k exp z_k - z_y

    The logits of all tokens of a batch over a vocabulary of tens of thousands are gigabytes, with
    their gradient. So they are made for some hundreds of tokens at a time; only the logarithm of
    each sum is kept. The gradient makes them once more:

        dz = softmax(z) - [k = y]        dh = dz V        dV = Σ dzᵀ h        db = Σ dz

    Args:
        hidden: floats, `[tokens, dim]`.
        vectors: V, `[vocabulary_size, dim]`.
        bias: b, `[vocabulary_size]`.
        labels: ints, `[tokens]`.
        count: number of the tokens, from the first on, that are computed at all, an int or a scalar
            tensor; default: all. The surprise of the others is 0.

    Returns:
        float32 `[tokens]`.
    """
    vocabulary_size, dim = vectors.shape
    tokens = ops.shape(hidden)[0]
    most = max(16, _LOGITS // vocabulary_size)
    if count is not None:
        most = min(most, _TOKENS_THAT_COUNT)
    chunks = tokens // most + 1
    size = tokens // chunks + 1  # alike in all, so that little is padded
    count = ops.cast(tokens if count is None else count, "int32")
    used = (count + size - 1) // size  # chunks with a token that counts
    labels = _in_chunks(ops.cast(labels, "int32"), chunks, size)

    def logits_of(h, vectors, bias):
        return ops.cast(ops.matmul(h, ops.transpose(vectors)) + bias, "float32")

    @custom_gradient
    def surprise(hidden, vectors, bias):
        parts = _in_chunks(hidden, chunks, size)  # [chunks, size, dim]

        def of_chunk(n, totals, surprises):
            z = logits_of(parts[n], vectors, bias)
            total = ops.logsumexp(z, axis=-1)
            surprise = total - ops.take_along_axis(z, labels[n][:, None], axis=-1)[:, 0]
            totals = ops.slice_update(totals, (n, 0), total[None])
            return n + 1, totals, ops.slice_update(surprises, (n, 0), surprise[None])

        zeros = ops.zeros((chunks, size), "float32")
        start = ops.convert_to_tensor(0, "int32")
        _, totals, surprises = ops.while_loop(
            lambda n, *_: n < used, of_chunk, (start, zeros, zeros)
        )
        counts = ops.cast(ops.arange(tokens, dtype="int32") < count, "float32")

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            weights = _in_chunks(counts * ops.cast(upstream, "float32"), chunks, size)

            def of_chunk(n, d_hidden, d_vectors, d_bias):
                h, y, total, weight = (x[n] for x in (parts, labels, totals, weights))
                z = logits_of(h, vectors, bias)
                dz = ops.exp(z - total[:, None]) - ops.one_hot(y, vocabulary_size)
                dz = ops.cast(weight[:, None] * dz, h.dtype)
                d_hidden = ops.slice_update(d_hidden, (n * size, 0), ops.matmul(dz, vectors))
                d_vectors += ops.cast(ops.matmul(ops.transpose(dz), h), "float32")
                d_bias += ops.sum(ops.cast(dz, "float32"), axis=0)
                return n + 1, d_hidden, d_vectors, d_bias

            zeros = (
                ops.zeros((chunks * size, dim), hidden.dtype),
                ops.zeros((vocabulary_size, dim), "float32"),
                ops.zeros((vocabulary_size,), "float32"),
            )
            _, d_hidden, d_vectors, d_bias = ops.while_loop(
                lambda n, *_: n < used, of_chunk, (start, *zeros)
            )
            d_hidden = d_hidden[:tokens]
            return d_hidden, ops.cast(d_vectors, vectors.dtype), ops.cast(d_bias, bias.dtype)

        return counts * ops.reshape(surprises, (-1,))[:tokens], gradient

    return surprise(hidden, vectors, bias)


def _in_chunks(rows, chunks, size):
    """Returns `[tokens, …]` as `[chunks, size, …]`, with zeros behind the last one."""
    behind = chunks * size - ops.shape(rows)[0]
    rows = ops.pad(rows, [[0, behind]] + [[0, 0]] * (len(rows.shape) - 1))
    return ops.reshape(rows, (chunks, size, *rows.shape[1:]))
