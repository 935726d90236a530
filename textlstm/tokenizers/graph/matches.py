"""Where pieces occur in a text: step 4 of `SentencePieceGraph.encode`.

The functions walk a tree of pieces from every place at once. In step `depth` each walk that is
still alive looks up its next node by the character `depth` places ahead; walks without a next
node are dropped, so that the loop ends when the longest piece has ended.

- `find_matches` finds all pieces, and where the text can be cut because none crosses. What
  follows treats each *segment* between two cuts by itself.
- `find_characters` takes only the first step: which characters are pieces.
- `find_symbols` finds the longest user-defined symbol from each place.
"""

from typing import NamedTuple

import tensorflow as tf

from textlstm.tokenizers.graph.arrays import ANY_LENGTH, join, places_where
from textlstm.tokenizers.graph.tables import TrieLookup

# Matches are collected by their length; room for so many lengths is made before the walk.
USUAL_DEPTH = 16


class Matches(NamedTuple):
    """All occurrences of pieces in a text.

    Attributes:
        single: int32 [places], the piece that a character alone is, or -1.
        start: int32 [edges], where each match of two or more characters begins.
        stop: int32 [edges], the place behind it.
        piece: int32 [edges], the piece's id.
        nth: int32 [edges], the number of the match (from 1) among those that begin where it does.
        per_place: int32 [places], how many edges begin there.
        is_cut: bool [places], whether a segment begins there.
    """

    single: tf.Tensor
    start: tf.Tensor
    stop: tf.Tensor
    piece: tf.Tensor
    nth: tf.Tensor
    per_place: tf.Tensor
    is_cut: tf.Tensor


class Symbols(NamedTuple):
    """The longest user-defined symbol from each place.

    Attributes:
        size: int32 [places], how many characters it has; 0 if there is none.
        ids: int32 [places], its id, or -1.
    """

    size: tf.Tensor
    ids: tf.Tensor


def find_matches(numbers: tf.Tensor, trie: TrieLookup) -> Matches:
    """Finds all pieces, and where to cut.

    Args:
        numbers: int32 [places], the characters' numbers; 0 at END, so that no match crosses it.
        trie: The pieces.

    Returns:
        The matches.
    """
    node = trie.following(tf.zeros_like(numbers), numbers)  # [places]
    start, stop, piece, nth = tf.unstack(_walk_pieces(numbers, node, trie), axis=1)
    n = tf.size(numbers)
    ones = tf.ones_like(start)
    per_place = tf.math.unsorted_segment_sum(ones, start, n)
    closing = tf.math.unsorted_segment_sum(ones, stop, n)
    crossing = tf.cumsum(tf.concat([[0], per_place[:-1]], 0) - closing)
    return Matches(
        tf.gather(trie.ids, node), start, stop, piece, nth, per_place, tf.equal(crossing, 0)
    )


def find_characters(numbers: tf.Tensor, trie: TrieLookup) -> tf.Tensor:
    """Returns the piece that each character alone is, or -1; both int32 [places]."""
    return tf.gather(trie.ids, trie.following(tf.zeros_like(numbers), numbers))


def _walk_pieces(numbers: tf.Tensor, node: tf.Tensor, trie: TrieLookup) -> tf.Tensor:
    """Finds the pieces of two or more characters.

    Args:
        numbers: int32 [places].
        node: int32 [places], the node that the character there leads to from the root, or 0.
        trie: The pieces.

    Returns:
        int32 [edges, 4]: start, stop, piece and nth of `Matches`.
    """

    def walk(depth, at, node, nth, found):
        node = trie.following(node, tf.gather(numbers, at + depth))
        alive = places_where(node > 0)
        at, node, nth = tf.gather(at, alive), tf.gather(node, alive), tf.gather(nth, alive)
        piece = tf.gather(trie.ids, node)
        is_hit = piece >= 0
        edges = tf.stack([at, tf.fill(tf.shape(at), depth + 1) + at, piece, nth], 1)
        found = found.write(depth - 1, tf.gather(edges, places_where(is_hit)))
        return depth + 1, at, node, nth + tf.cast(is_hit, tf.int32), found

    found = tf.TensorArray(
        tf.int32,
        size=USUAL_DEPTH,
        dynamic_size=True,
        infer_shape=False,
        element_shape=[None, 4],
    )
    first = places_where(node > 0)
    depth, *_, found = tf.while_loop(
        lambda depth, at, *_: tf.size(at) > 0,
        walk,
        (1, first, tf.gather(node, first), tf.ones_like(first), found),
        shape_invariants=(tf.TensorShape([]), *(ANY_LENGTH,) * 3, tf.TensorShape(None)),
        parallel_iterations=1,
    )
    return join(found, depth - 1, USUAL_DEPTH, tf.zeros([0, 4], tf.int32))


def find_symbols(numbers: tf.Tensor, trie: TrieLookup) -> Symbols:
    """Finds the longest user-defined symbol from each place.

    Args:
        numbers: int32 [places], the characters' numbers; 0 at marks.
        trie: The symbols.

    Returns:
        The symbols. They may overlap.
    """

    def walk(depth, at, node, size, best):
        node = trie.following(node, tf.gather(numbers, at + depth))
        alive = places_where(node > 0)
        at, node = tf.gather(at, alive), tf.gather(node, alive)
        value = tf.gather(trie.ids, node)
        hits = places_where(value >= 0)
        index = tf.gather(at, hits)
        size = tf.tensor_scatter_nd_update(
            size, index[:, None], tf.fill(tf.shape(index), depth + 1)
        )
        best = tf.tensor_scatter_nd_update(best, index[:, None], tf.gather(value, hits))
        return depth + 1, at, node, size, best

    places = tf.range(tf.size(numbers))
    *_, size, best = tf.while_loop(
        lambda depth, at, *_: tf.size(at) > 0,
        walk,
        (
            0,
            places,
            tf.zeros_like(places),
            tf.zeros_like(numbers),
            tf.fill(tf.shape(numbers), -1),
        ),
        shape_invariants=(tf.TensorShape([]), *(ANY_LENGTH,) * 4),
        parallel_iterations=1,
    )
    return Symbols(size, best)
