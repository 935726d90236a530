"""Token vectors from the training texts themselves: which tokens stand near which."""

import numpy as np
import scipy.sparse
from sklearn.utils.extmath import randomized_svd

from textlstm.data.corpus import EncodedCorpus
from textlstm.errors import InputError

# Exponent of the counts of neighbours: it holds rare ones back (Levy et al., 2015).
_SMOOTHING = 0.75
# Rows are counted in chunks of about so many tokens, which bounds the memory.
_CHUNK_TOKENS = 1_000_000


def own_vectors(
    corpus: EncodedCorpus,
    vocabulary_size: int,
    dim: int,
    *,
    window: int = 5,
    scale: float = 0.1,
    seed: int = 0,
) -> np.ndarray:
    """Makes a vector for each token from its neighbours in a corpus.

    A model that begins with them knows already which tokens are used alike; the labels need not
    teach it. With n_ij the number of times that token j stands up to `window` tokens from token i,
    each time divided by that distance:

        P_ij = max(0, log(n_ij / (n_i · q_j)))        q_j = n_j^0.75 / Σ_k n_k^0.75,  n_i = Σ_j n_ij
        P ≈ U Σ Vᵀ                                    the `dim` largest singular values
        vector of i = U_i √Σ, made as long as the others, less the mean of all

    Args:
        corpus: the rows; unlabelled ones serve as well.
        vocabulary_size: number of ids of the tokenizer.
        dim: size of the vectors.
        window: how far a neighbour may stand; default 5.
        scale: standard deviation of the numbers; default 0.1.
        seed: of the decomposition; default 0.

    Returns:
        float32 `[vocabulary_size, dim]`; zeros for tokens that the corpus has not. For
        `embedding.set_weights([…])`.

    Raises:
        InputError: if an id is beyond `vocabulary_size`, or `dim` is not below it.

    References:
        - Levy and Goldberg, Neural Word Embedding as Implicit Matrix Factorization, NIPS 2014.
        - Levy, Goldberg and Dagan, Improving Distributional Similarity with Lessons Learned from
          Word Embeddings, TACL 3, 2015.

    Example:
        >>> corpus = model.encode(texts)
        >>> shape = model.tokenizer.vocabulary_size, model.embedding.output_dim
        >>> model.embedding.set_weights([own_vectors(corpus, *shape)])
    """
    if not 1 <= dim < vocabulary_size:
        raise InputError(
            f"vectors of {dim} numbers cannot be made for {vocabulary_size} tokens; the size must "
            "be at least 1 and below the number of tokens"
        )
    counts = _count_neighbours(corpus, vocabulary_size, window).tocoo()
    totals = np.asarray(counts.sum(axis=1)).ravel()  # [ids]
    smoothed = totals**_SMOOTHING
    smoothed /= max(smoothed.sum(), 1e-12)
    values = np.log(counts.data / (totals[counts.row] * smoothed[counts.col]))
    positive = values > 0
    places = counts.row[positive], counts.col[positive]
    table = scipy.sparse.csr_matrix((values[positive], places), shape=counts.shape)
    left, singular, _ = randomized_svd(table, dim, n_iter=4, random_state=seed)
    vectors = left * np.sqrt(singular)  # [ids, dim]
    seen = np.linalg.norm(vectors, axis=1) > 1e-6
    vectors[~seen] = 0
    if seen.any():
        vectors[seen] /= np.linalg.norm(vectors[seen], axis=1, keepdims=True)
        vectors[seen] -= vectors[seen].mean(axis=0)
        vectors *= scale / max(vectors[seen].std(), 1e-12)
    return vectors.astype(np.float32)


def _count_neighbours(corpus: EncodedCorpus, size: int, window: int) -> scipy.sparse.csr_matrix:
    """Returns how often tokens are neighbours, divided by their distance, float32 `[ids, ids]`."""
    counts = scipy.sparse.csr_matrix((size, size), dtype=np.float32)
    ends = np.cumsum(corpus.lengths, dtype=np.int64)
    row = 0
    while row < len(corpus):
        done = ends[row - 1] if row else 0
        stop = max(row + 1, int(np.searchsorted(ends, done + _CHUNK_TOKENS, side="right")))
        ids = np.concatenate([corpus.ids(at) for at in range(row, stop)])
        if len(ids) and ids.max() >= size:
            raise InputError(
                f"the corpus has the id {ids.max()}, beyond the {size} of the vocabulary; give the "
                "size of the tokenizer that encoded it"
            )
        rows = np.repeat(np.arange(row, stop), corpus.lengths[row:stop])
        for distance in range(1, window + 1):
            together = rows[:-distance] == rows[distance:]
            pair = ids[:-distance][together], ids[distance:][together]
            shares = np.full(len(pair[0]), 1 / distance, np.float32)
            counts += scipy.sparse.coo_matrix((shares, pair), shape=counts.shape).tocsr()
        row = stop
    return counts + counts.T
