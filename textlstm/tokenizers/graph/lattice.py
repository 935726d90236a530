"""The matches of a text as the edges of a graph, in the order in which a search takes them.

A unigram model scores a way to cut a text into pieces. All ways together are the paths through a
*lattice*: its nodes are the places between characters, its edges the pieces, and the characters
by themselves. No edge crosses a cut, so each segment has a lattice of its own. The *rank* of a
place is its distance from the beginning of its segment. The search goes through the ranks of all
segments together, so `make_edges` sorts:

1. places by rank (and within a rank by segment, the longest segments first), which is the order
   of visits;
2. edges by the visit of the place where they begin, then by length.

`edges_of` leaves some segments out, to search only the others again.
"""

from typing import NamedTuple

import tensorflow as tf

from textlstm.tokenizers.graph.arrays import places_where, starts_of
from textlstm.tokenizers.graph.matches import Matches


class Segments(NamedTuple):
    """The parts of a text between its cuts.

    Attributes:
        is_cut: bool [places], whether a segment begins there.
        first: int32 [segments], the place where each begins.
        size: int32 [segments], how many places each has.
        of_place: int32 [places], the segment of each place.
        rank: int32 [places], each one's place within its segment.
        longest: int32, the largest size.
    """

    is_cut: tf.Tensor
    first: tf.Tensor
    size: tf.Tensor
    of_place: tf.Tensor
    rank: tf.Tensor
    longest: tf.Tensor


class Edges(NamedTuple):
    """The edges in the order of the search.

    A node is a place, or, for the end of a segment, `places + segment`: the place there also
    begins the next segment.

    Attributes:
        source: int32 [edges], the place where an edge begins.
        target: int32 [edges], the node to which it leads.
        weight: float32 [edges], the score of its piece.
        names: int32 [edges], the number of the edge among those of all segments.
        offsets: int32 [ranks + 1], where the edges begin whose source has a rank.
        visited: int32 [places], the places in the order of their visits.
        visits: int32 [ranks + 1], where in `visited` the places of a rank begin.
    """

    source: tf.Tensor
    target: tf.Tensor
    weight: tf.Tensor
    names: tf.Tensor
    offsets: tf.Tensor
    visited: tf.Tensor
    visits: tf.Tensor


def make_segments(is_cut: tf.Tensor) -> Segments:
    """Parts a text at its cuts, bool [places]."""
    n = tf.size(is_cut)
    of_place = tf.cumsum(tf.cast(is_cut, tf.int32)) - 1
    first = places_where(is_cut)
    size = tf.concat([first[1:], n[None]], 0) - first
    rank = tf.range(n) - tf.gather(first, of_place)
    return Segments(is_cut, first, size, of_place, rank, tf.reduce_max(size))


def make_edges(
    matches: Matches,
    segments: Segments,
    tokens: tf.Tensor,
    token_scores: tf.Tensor,
    scores: tf.Tensor,
) -> tuple[Edges, tf.Tensor]:
    """Puts matches and single characters into the order of the search.

    Args:
        matches: The matches.
        segments: The segments.
        tokens: int32 [places], the token that each character is by itself.
        token_scores: float32 [places], the scores of these.
        scores: float32 [pieces].

    Returns:
        The edges, and int32 [edges], their tokens.
    """
    n, num_segments = tf.size(segments.of_place), tf.size(segments.first)
    places = tf.range(n)

    # Places in the order in which the search visits them. Longer segments come first within a
    # rank.
    by_size = tf.argsort(segments.size, direction="DESCENDING", stable=True)
    nth_segment = tf.math.invert_permutation(by_size)
    with_size = tf.math.bincount(segments.size, minlength=segments.longest + 1)
    per_rank = tf.cumsum(with_size[1:], reverse=True)  # [ranks], segments longer than a rank
    rank_starts = starts_of(per_rank)
    visit = tf.gather(rank_starts, segments.rank) + tf.gather(nth_segment, segments.of_place)
    visited = tf.math.invert_permutation(visit)  # [places], as `visit`

    # Edges in the same order: of those that begin at one place the character comes first.
    offsets = starts_of(tf.gather(matches.per_place, visited) + 1)  # [places], by visit
    place_offset = tf.gather(offsets, visit)  # [places]
    order = tf.math.invert_permutation(
        tf.concat([place_offset, tf.gather(place_offset, matches.start) + matches.nth], 0)
    )
    behind = tf.concat([places + 1, matches.stop], 0)
    node_of = tf.concat(
        [
            tf.where(segments.is_cut, n + segments.of_place - 1, places),
            n[None] + num_segments - 1,
        ],
        0,
    )  # [places + 1], the node to which an edge leads that stops there
    weight = tf.concat([token_scores, tf.gather(scores, matches.piece)], 0)
    edges = Edges(
        source=tf.gather(tf.concat([places, matches.start], 0), order),
        target=tf.gather(tf.gather(node_of, behind), order),
        weight=tf.gather(weight, order),
        names=tf.range(tf.size(order)),
        offsets=tf.concat([tf.gather(offsets, rank_starts), tf.size(order)[None]], 0),
        visited=visited,
        visits=tf.concat([rank_starts, n[None]], 0),
    )
    return edges, tf.gather(tf.concat([tokens, matches.piece], 0), order)


def edges_of(edges: Edges, chosen: tf.Tensor, segments: Segments) -> Edges:
    """Leaves out the edges of all segments but some.

    Args:
        edges: The edges of all segments.
        chosen: bool [segments].
        segments: The segments.

    Returns:
        Fewer edges. The nodes remain.
    """
    keep = tf.gather(chosen, tf.gather(segments.of_place, edges.source))
    counts = tf.concat([[0], tf.cumsum(tf.cast(keep, tf.int32))], 0)
    kept = places_where(keep)
    visit_keep = tf.gather(chosen, tf.gather(segments.of_place, edges.visited))
    visit_counts = tf.concat([[0], tf.cumsum(tf.cast(visit_keep, tf.int32))], 0)
    return Edges(
        source=tf.gather(edges.source, kept),
        target=tf.gather(edges.target, kept),
        weight=tf.gather(edges.weight, kept),
        names=kept,
        offsets=tf.gather(counts, edges.offsets),
        visited=tf.gather(edges.visited, places_where(visit_keep)),
        visits=tf.gather(visit_counts, edges.visits),
    )
