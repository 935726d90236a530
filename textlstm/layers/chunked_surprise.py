"""The cross-entropy over a large vocabulary, a part of the tokens at a time."""

from keras import ops

# So many logits are held at once, about: 64 MB of float32.
_LOGITS = 2**24


def chunked_surprise(hidden, vectors, bias, labels):
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

    Returns:
        float32 `[tokens]`.
    """
    vocabulary_size, dim = vectors.shape
    size = max(16, _LOGITS // vocabulary_size)
    tokens = ops.shape(hidden)[0]
    chunks = (tokens + size - 1) // size
    labels = _in_chunks(ops.cast(labels, "int32"), chunks, size)

    def logits_of(h, vectors, bias):
        return ops.cast(ops.matmul(h, ops.transpose(vectors)) + bias, "float32")

    @ops.custom_gradient
    def surprise(hidden, vectors, bias):
        parts = _in_chunks(hidden, chunks, size)  # [chunks, size, dim]

        def of_chunk(chunk):
            h, y = chunk
            z = logits_of(h, vectors, bias)
            total = ops.logsumexp(z, axis=-1)
            return total, total - ops.take_along_axis(z, y[:, None], axis=-1)[:, 0]

        totals, surprises = ops.map(of_chunk, (parts, labels))  # [chunks, size] each

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            weights = _in_chunks(ops.cast(upstream, "float32"), chunks, size)

            def of_chunk(n, d_hidden, d_vectors, d_bias):
                h, y, total, weight = (x[n] for x in (parts, labels, totals, weights))
                z = logits_of(h, vectors, bias)
                dz = ops.exp(z - total[:, None]) - ops.one_hot(y, vocabulary_size)
                dz = ops.cast(weight[:, None] * dz, h.dtype)
                d_hidden = ops.slice_update(d_hidden, (n * size, 0), ops.matmul(dz, vectors))
                d_vectors += ops.cast(ops.matmul(ops.transpose(dz), h), "float32")
                d_bias += ops.sum(ops.cast(dz, "float32"), axis=0)
                return n + 1, d_hidden, d_vectors, d_bias

            start = (
                ops.convert_to_tensor(0, "int32"),
                ops.zeros((chunks * size, dim), hidden.dtype),
                ops.zeros((vocabulary_size, dim), "float32"),
                ops.zeros((vocabulary_size,), "float32"),
            )
            _, d_hidden, d_vectors, d_bias = ops.while_loop(
                lambda n, *_: n < chunks, of_chunk, start
            )
            d_hidden = d_hidden[:tokens]
            return d_hidden, ops.cast(d_vectors, vectors.dtype), ops.cast(d_bias, bias.dtype)

        return ops.reshape(surprises, (-1,))[:tokens], gradient

    return surprise(hidden, vectors, bias)


def _in_chunks(rows, chunks, size: int):
    """Returns `[tokens, …]` as `[chunks, size, …]`, with zeros behind the last one."""
    behind = chunks * size - ops.shape(rows)[0]
    rows = ops.pad(rows, [[0, behind]] + [[0, 0]] * (len(rows.shape) - 1))
    return ops.reshape(rows, (chunks, size, *rows.shape[1:]))
