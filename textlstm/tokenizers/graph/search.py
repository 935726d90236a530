"""The search for the best paths through the lattices of all segments at once.

`search` scores all nodes, rank by rank: what leads to a node begins at lower ranks of its
segment, so that the score of a node is final when its rank comes. The loop over the ranks does
nothing but raise scores (`_advance`); which edge gave a node its score is seen afterwards, for
many ranks at once (`_winners`).

When the score at a place has passed `SCORE_LIMIT`, SentencePiece subtracts it from all paths that
are open there. That is rare: *stretches* of ranks are searched without looking, and searched
again up to the place where the limit was passed. A stretch is

1. an advance over up to `STRETCH` ranks;
2. if the limit was passed, the advance once more, up to that rank;
3. the edges that won;
4. if the limit was passed, the subtraction (`_reset`).
"""

import tensorflow as tf

from textlstm.tokenizers.graph.arrays import ANY_LENGTH, BIG, places_where
from textlstm.tokenizers.graph.lattice import Edges, Segments

# SentencePiece subtracts the score so far from all open paths when it has grown to this.
SCORE_LIMIT = 100_000.0
# How many ranks are searched before looking whether that has happened.
STRETCH = 1024
INFINITY = float("inf")


def search(
    begin: tf.Tensor, edges: Edges, segments: Segments
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Scores all nodes, given the scores before the segments.

    Args:
        begin: float32 [segments], the score before each segment.
        edges: The edges to search.
        segments: The segments.

    Returns:
        float32 [segments], the score behind each; int32 [nodes], the name of the last edge of
        the best path to each node, or BIG; bool [segments], whether scores were reset in it.
    """
    n, num_segments = tf.size(segments.of_place), tf.size(segments.first)
    num_ranks = tf.size(edges.offsets) - 1

    def stretch(rank, score, best, was_reset):
        stop = tf.minimum(rank + STRETCH, num_ranks)
        after = _advance(edges, rank, stop, score)
        at = edges.visited[edges.visits[rank] : edges.visits[stop]]
        over = places_where(tf.abs(tf.gather(after, at)) > SCORE_LIMIT)
        is_over = tf.size(over) > 0

        def again():
            stop = tf.gather(segments.rank, at[over[0]])
            return stop, _advance(edges, rank, stop, score)

        stop, after = tf.cond(is_over, again, lambda: (stop, after))
        best = _winners(edges, rank, stop, score, after, best)
        after, was_reset = tf.cond(
            is_over,
            lambda: _reset(edges, segments, stop, after, was_reset),
            lambda: (after, was_reset),
        )
        return stop, after, best, was_reset

    score = tf.fill((n + num_segments)[None], -INFINITY)
    score = tf.tensor_scatter_nd_update(score, segments.first[:, None], begin)
    best = tf.fill((n + num_segments)[None], BIG)
    _, score, best, was_reset = tf.while_loop(
        lambda rank, *_: rank < num_ranks,
        stretch,
        (0, score, best, tf.zeros([num_segments], tf.bool)),
        shape_invariants=(tf.TensorShape([]), *(ANY_LENGTH,) * 3),
        parallel_iterations=1,
    )
    return score[n:], best, was_reset


def _advance(edges: Edges, rank: tf.Tensor, stop: tf.Tensor, score: tf.Tensor) -> tf.Tensor:
    """Follows the edges from the ranks before `stop`; returns the scores, float32 [nodes]."""

    def follow(rank, score):
        a = edges.offsets[rank][None]
        size = edges.offsets[rank + 1][None] - a
        weight = tf.slice(edges.weight, a, size)
        reached = tf.gather(score, tf.slice(edges.source, a, size)) + weight
        target = tf.slice(edges.target, a, size)
        return rank + 1, tf.tensor_scatter_nd_max(score, target[:, None], reached)

    return tf.while_loop(
        lambda rank, score: rank < stop,
        follow,
        (rank, score),
        shape_invariants=(tf.TensorShape([]), ANY_LENGTH),
        parallel_iterations=1,
    )[1]


def _winners(
    edges: Edges,
    rank: tf.Tensor,
    stop: tf.Tensor,
    before: tf.Tensor,
    after: tf.Tensor,
    best: tf.Tensor,
) -> tf.Tensor:
    """Finds the edges that raised scores.

    The first edge to reach the best score wins a tie; edges are in order of their source. What
    was as good already had an earlier source.

    Args:
        edges: The edges.
        rank: The first rank from which edges were followed.
        stop: The rank behind the last one.
        before: float32 [nodes], the scores before that.
        after: float32 [nodes], the scores now.
        best: int32 [nodes], as `search` returns it.

    Returns:
        `best`, brought up to date.
    """
    a, b = edges.offsets[rank], edges.offsets[stop]
    target = edges.target[a:b]
    reached = tf.gather(after, edges.source[a:b]) + edges.weight[a:b]
    now = tf.gather(after, target)
    won = places_where(tf.equal(reached, now) & (now > tf.gather(before, target)))
    index = tf.gather(target, won)[:, None]
    best = tf.tensor_scatter_nd_update(best, index, tf.fill(tf.shape(won), BIG))
    return tf.tensor_scatter_nd_min(best, index, tf.gather(edges.names, won + a))


def _reset(
    edges: Edges, segments: Segments, rank: tf.Tensor, score: tf.Tensor, was_reset: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Subtracts scores that have passed the limit.

    Args:
        edges: The edges.
        segments: The segments.
        rank: The rank whose places are looked at.
        score: float32 [nodes].
        was_reset: bool [segments].

    Returns:
        `score`, from these places on and in their segments less the scores there; `was_reset`.
    """
    n, num_segments = tf.size(segments.of_place), tf.size(segments.first)
    at = edges.visited[edges.visits[rank] : edges.visits[rank + 1]]
    now = tf.gather(score, at)
    over = places_where(tf.abs(now) > SCORE_LIMIT)
    at, now = tf.gather(at, over), tf.gather(now, over)
    index = tf.gather(segments.of_place, at)[:, None]
    shape = num_segments[None]
    amount = tf.scatter_nd(index, now, shape)
    since = tf.scatter_nd(index, at, shape)
    of_node = tf.concat([segments.of_place, tf.range(num_segments)], 0)
    ahead = tf.range(n + num_segments) >= tf.gather(since, of_node)
    score -= tf.where(ahead, tf.gather(amount, of_node), 0.0)
    hit = tf.scatter_nd(index, tf.ones_like(at), shape) > 0
    return score, was_reset | hit
