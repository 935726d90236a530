"""The cross-entropy over a large vocabulary, with rare tokens in clusters of their own."""

from collections.abc import Sequence

from keras import ops

from textlstm.layers.chunked_surprise import chunked_surprise


def adaptive_surprise(hidden, vectors, bias, clusters, cluster_bias, labels, cutoffs):
    """Computes -log p of labels under an adaptive softmax, each cluster for its own tokens alone.

    The vocabulary is cut at the `cutoffs` into the frequent tokens, with the lowest ids, and
    clusters of rarer ones. For a hidden state h, with C the vectors of the clusters and V_0, V_1, …
    those of the tokens before and between the cutoffs:

        p(y) = softmax(h [V_0; C]ᵀ)_y                           y frequent
        p(y) = softmax(h [V_0; C]ᵀ)_i · softmax(h V_iᵀ)_y       y in cluster i

    (biases left out). Of text, where a few thousand words are most of what is said, most tokens
    then need V_0 alone; the others are brought together, and a cluster is computed for those.

    Grave et al. give clusters vectors of lower dimensions; here they are whole, so that they can be
    those of the embedding.

    Args:
        hidden: floats, `[tokens, dim]`.
        vectors: of all tokens, `[vocabulary_size, dim]`.
        bias: `[vocabulary_size]`.
        clusters: C, `[len(cutoffs), dim]`.
        cluster_bias: `[len(cutoffs)]`.
        labels: ints, `[tokens]`.
        cutoffs: the first id of each cluster, growing.

    Returns:
        float32 `[tokens]`.

    References:
        - Grave et al., Efficient Softmax Approximation for GPUs, ICML 2017.
    """
    labels = ops.cast(labels, "int32")
    first = cutoffs[0]
    head_labels = labels
    for number, (start, end) in enumerate(_ranges(cutoffs, vectors.shape[0])):
        is_inside = ops.logical_and(labels >= start, labels < end)
        head_labels = ops.where(is_inside, first + number, head_labels)
    surprise = chunked_surprise(
        hidden,
        ops.concatenate([vectors[:first], clusters], axis=0),
        ops.concatenate([bias[:first], cluster_bias], axis=0),
        head_labels,
    )
    for start, end in _ranges(cutoffs, vectors.shape[0]):
        is_inside = ops.logical_and(labels >= start, labels < end)
        order = ops.argsort(ops.cast(ops.logical_not(is_inside), "int32"))  # those inside first
        inside = chunked_surprise(
            ops.take(hidden, order, axis=0),
            vectors[start:end],
            bias[start:end],
            ops.clip(ops.take(labels, order) - start, 0, end - start - 1),
            count=ops.sum(ops.cast(is_inside, "int32")),
        )
        surprise = surprise + ops.take(inside, ops.argsort(order))
    return surprise


def adaptive_log_probs(hidden, vectors, bias, clusters, cluster_bias, cutoffs):
    """Computes log p of all tokens under an adaptive softmax.

    Args:
        hidden: floats, `[…, dim]`.
        vectors: as of `adaptive_surprise`, like the rest.
        bias: see there.
        clusters: see there.
        cluster_bias: see there.
        cutoffs: see there.

    Returns:
        float32 `[…, vocabulary_size]`.
    """

    def log_softmax(vectors, bias):
        logits = ops.matmul(hidden, ops.transpose(vectors)) + bias
        return ops.log_softmax(ops.cast(logits, "float32"), axis=-1)

    first = cutoffs[0]
    head = log_softmax(
        ops.concatenate([vectors[:first], clusters], axis=0),
        ops.concatenate([bias[:first], cluster_bias], axis=0),
    )
    parts = [head[..., :first]]
    for number, (start, end) in enumerate(_ranges(cutoffs, vectors.shape[0])):
        inside = log_softmax(vectors[start:end], bias[start:end])
        parts.append(head[..., first + number, None] + inside)
    return ops.concatenate(parts, axis=-1)


def _ranges(cutoffs: Sequence[int], vocabulary_size: int) -> list[tuple[int, int]]:
    """Returns where each cluster begins and ends."""
    return list(zip(cutoffs, [*cutoffs[1:], vocabulary_size]))
