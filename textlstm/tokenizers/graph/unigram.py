"""Segmentation by a unigram model: step 5 of `SentencePieceGraph.encode`.

The tokens of a text are those of the path of the highest score through its lattice. Segments do
not influence each other's paths, but for one thing: SentencePiece adds the scores up in float32
from the beginning of the text, so how a near-tie comes out depends, by rounding, on all that
precedes. `best_paths` therefore searches again until nothing changes:

1. All segments are searched at once, each starting from the score before it (at first 0).
2. The best paths are traced back, which gives tokens (`_trace`).
3. The scores of these tokens are added up from the beginning of each text (`_sum_anew`), which
   gives scores before all segments as they would be if these were the right tokens.
4. If these are the scores that the search started from, the tokens are the right ones.

The first segment of a text is right at once, and a segment is right if what precedes is; so this
ends, and as near-ties are rare, mostly after the second search.

Where SentencePiece resets a score that has grown too large (see `search`), sums begin anew.
"""

from typing import NamedTuple

import tensorflow as tf

from textlstm.tokenizers.graph.arrays import ANY_LENGTH, BIG, places_where, reach, starts_of
from textlstm.tokenizers.graph.lattice import (
    Edges,
    Segments,
    edges_of,
    make_edges,
    make_segments,
)
from textlstm.tokenizers.graph.matches import Matches
from textlstm.tokenizers.graph.search import search

# From this length on a segment is worth not to be searched twice.
LONG_SEGMENT = 256


class _State(NamedTuple):
    """What is known after some searches.

    Attributes:
        begin: float32 [segments], the score before each.
        previous: float32 [segments], the same, one search ago.
        ends: float32 [segments], the score behind each.
        was_reset: bool [segments], whether scores were reset inside.
        best: int32 [nodes], the last edge of the best path to each, or BIG.
        chained: bool [segments], whether a sum of scores begins there.
        places: int32 [tokens], where the tokens of the best paths begin.
        edges: int32 [tokens], their edges.
        is_stable: bool, whether the search started from the right scores.
    """

    begin: tf.Tensor
    previous: tf.Tensor
    ends: tf.Tensor
    was_reset: tf.Tensor
    best: tf.Tensor
    chained: tf.Tensor
    places: tf.Tensor
    edges: tf.Tensor
    is_stable: tf.Tensor


def best_paths(
    matches: Matches,
    tokens: tf.Tensor,
    is_end: tf.Tensor,
    scores: tf.Tensor,
    unknown_score: float,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Finds the path of the highest score through each segment.

    Args:
        matches: The matches in the text.
        tokens: int32 [places], the token that each character is by itself.
        is_end: bool [places], whether it is END.
        scores: float32 [pieces].
        unknown_score: The score of a character that is no piece.

    Returns:
        `places`, int32 [tokens], where the tokens begin, ascending, and their `ids`.
    """
    single_scores = tf.where(
        matches.single >= 0, tf.gather(scores, tf.maximum(matches.single, 0)), unknown_score
    )
    single_scores = tf.where(is_end, 0.0, single_scores)
    segments = make_segments(matches.is_cut)
    edges, token_of = make_edges(matches, segments, tokens, single_scores, scores)

    is_last = tf.gather(is_end, segments.first)  # [segments]; END is a segment of its own
    row_first = tf.concat([[True], is_last[:-1]], 0)
    num_segments = tf.size(segments.first)
    num_nodes = tf.size(segments.of_place) + num_segments
    zeros = tf.zeros([num_segments])
    none = tf.zeros([0], tf.int32)
    state = _State(
        begin=zeros,
        previous=zeros - 1.0,
        ends=zeros,
        was_reset=tf.zeros([num_segments], tf.bool),
        best=tf.fill(num_nodes[None], BIG),
        chained=row_first,
        places=none,
        edges=none,
        is_stable=tf.constant(False),
    )
    [state] = tf.while_loop(
        lambda state: ~state.is_stable,
        lambda state: [_improve(state, edges, segments, row_first)],
        [state],
        shape_invariants=[_State(*(ANY_LENGTH,) * 8, tf.TensorShape([]))],
        parallel_iterations=1,
    )
    return state.places, tf.gather(token_of, state.edges)


def _improve(state: _State, edges: Edges, segments: Segments, row_first: tf.Tensor) -> _State:
    """Steps 1 to 4; `row_first`, bool [segments], says which segments begin a text."""
    ends, best, was_reset = _search_moved(state, edges, segments)
    places, taken = _trace(best, edges.source, segments)
    # Add the scores up anew, from the beginning of each text or from the last reset.
    chained = tf.cond(
        tf.reduce_any(was_reset),
        lambda: row_first | _behind_first_resets(was_reset, state.chained),
        lambda: row_first,
    )
    chained = tf.ensure_shape(chained, [None])
    begin = tf.where(row_first, 0.0, tf.concat([[0.0], ends[:-1]], 0))
    begin = _sum_anew(begin, chained, places, tf.gather(edges.weight, taken), segments)
    return _State(
        begin=begin,
        previous=state.begin,
        ends=ends,
        was_reset=was_reset,
        best=best,
        chained=chained,
        places=places,
        edges=taken,
        is_stable=tf.reduce_all(tf.equal(begin, state.begin)),
    )


def _search_moved(
    state: _State, edges: Edges, segments: Segments
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Searches all segments, or only those before which the score has changed.

    Segments that begin with the same score as before end as before, too. To leave them out pays
    if there are long ones.

    Args:
        state: What is known.
        edges: All edges.
        segments: The segments.

    Returns:
        `ends`, `best` and `was_reset` of all segments, as in `_State`.
    """
    has_long = segments.longest > LONG_SEGMENT
    moved = tf.not_equal(state.begin, state.previous)
    some = tf.cond(has_long, lambda: edges_of(edges, moved, segments), lambda: edges)
    ends, best, was_reset = search(state.begin, some, segments)
    searched = moved | ~has_long
    return (
        tf.where(searched, ends, state.ends),
        tf.where(best < BIG, best, state.best),
        tf.where(searched, was_reset, state.was_reset),
    )


def _trace(best: tf.Tensor, source: tf.Tensor, segments: Segments) -> tuple[tf.Tensor, tf.Tensor]:
    """Follows the best edges back from the ends of all segments.

    Args:
        best: int32 [nodes], the best edge to each, or BIG.
        source: int32 [edges], where it begins.
        segments: The segments.

    Returns:
        The tokens in the order of the text: where they begin, and their edges; int32 [tokens].
    """
    n, num_segments = tf.size(segments.of_place), tf.size(segments.first)
    parent = tf.gather(source, tf.minimum(best, tf.size(source) - 1))  # [nodes]
    is_first = tf.concat([segments.is_cut, tf.zeros([num_segments], tf.bool)], 0)
    parent = tf.where(is_first, tf.range(n + num_segments), parent)
    path = reach(parent, n + tf.range(num_segments), is_first)
    edge = tf.gather(best, path)
    taken = tf.tensor_scatter_nd_update(
        tf.fill(n[None], -1), tf.gather(source, edge)[:, None], edge
    )  # [places]
    places = places_where(taken >= 0)
    return places, tf.gather(taken, places)


def _sum_anew(
    begin: tf.Tensor,
    chained: tf.Tensor,
    places: tf.Tensor,
    weights: tf.Tensor,
    segments: Segments,
) -> tf.Tensor:
    """Adds up the scores of the tokens, one after the other, as SentencePiece does.

    Args:
        begin: float32 [segments], the score before each, where a chain begins.
        chained: bool [segments], whether a *chain*, a sum of its own, begins there.
        places: int32 [tokens], where the tokens begin.
        weights: float32 [tokens], their scores.
        segments: The segments.

    Returns:
        float32 [segments], the score before each.
    """
    n = tf.size(segments.of_place)
    heads = places_where(chained)  # [chains]
    starts = tf.gather(segments.first, heads)
    is_start = tf.scatter_nd(starts[:, None], tf.ones_like(starts), n[None])  # [places]
    chain = tf.cumsum(tf.gather(is_start, places)) - 1  # [tokens]
    sizes = tf.math.bincount(chain)
    ragged = tf.RaggedTensor.from_row_lengths(weights, sizes, validate=False)
    table = tf.concat([tf.gather(begin, heads)[:, None], ragged.to_tensor(0.0)], 1)
    # table is [chains, 1 + tokens]; its sum before each token.
    sums = tf.cumsum(table, axis=1)
    inside = tf.range(tf.size(chain)) - tf.gather(starts_of(sizes), chain)
    before = tf.gather_nd(sums, tf.stack([chain, inside], 1))
    at_place = tf.tensor_scatter_nd_update(tf.zeros(n[None]), places[:, None], before)
    return tf.gather(at_place, segments.first)


def _behind_first_resets(was_reset: tf.Tensor, chained: tf.Tensor) -> tf.Tensor:
    """Says before which segments chains of sums begin because of resets.

    Of the resets in one chain only the first is sure: what follows has begun wrongly.

    Args:
        was_reset: bool [segments].
        chained: bool [segments], where chains began so far.

    Returns:
        bool [segments].
    """
    link = tf.cumsum(tf.cast(chained, tf.int32)) - 1
    count = tf.cumsum(tf.cast(was_reset, tf.int32))
    before = tf.gather(count - tf.cast(was_reset, tf.int32), places_where(chained))
    sure = was_reset & tf.equal(count - tf.gather(before, link), 1)
    return tf.concat([[False], sure[:-1]], 0)
