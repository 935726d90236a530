"""BPE merging where pieces are marked as unused, which is rare.

Unused pieces take part in merging, but must not come out: they are taken apart again. For this
SentencePiece remembers, for the whole text, which two symbols it last considered merging into an
unused piece, and takes the piece apart into these, wherever it stands. So here the order in which
pairs are merged matters beyond their segment, and rows merge one pair after the other:

1. Notes, `halves`, are made of all pairs that could merge into an unused piece (`_remember`).
2. Each row merges its best pair, the leftmost first of several, and notes what the new symbol
   could merge into with its neighbours; until no row has a pair (`_merge_best`).
3. Unused pieces are replaced by their halves until there are none (`_take_apart`).
"""

from typing import NamedTuple

import tensorflow as tf

from textlstm.tokenizers.graph.arrays import ANY_LENGTH, BIG, places_where
from textlstm.tokenizers.graph.tables import Merges, UnusedPieces


class _Symbols(NamedTuple):
    """The symbols that are still to be merged.

    Attributes:
        at: int32 [symbols], where each begins.
        symbol: int32 [symbols].
        segment: int32 [symbols], its segment; only pairs within one are merged.
        row: int32 [symbols], its row.
    """

    at: tf.Tensor
    symbol: tf.Tensor
    segment: tf.Tensor
    row: tf.Tensor


def merge_one_by_one(
    starts: tf.Tensor,
    symbol: tf.Tensor,
    segment: tf.Tensor,
    row: tf.Tensor,
    result: tf.Tensor,
    merges: Merges,
    unused: UnusedPieces,
) -> tf.Tensor:
    """Merges one pair of a row after the other, and takes unused pieces apart again.

    Args:
        starts: int32 [symbols], where the symbols to merge begin.
        symbol: int32 [places], the symbol that begins there.
        segment: int32 [places].
        row: int32 [places].
        result: int32 [places], what has become of each place: its symbol, or -1 inside of one.
        merges: What merges.
        unused: What must not come out.

    Returns:
        `result`, brought up to date.
    """
    todo = _Symbols(starts, *(tf.gather(values, starts) for values in (symbol, segment, row)))
    num_slots = (tf.reduce_max(row) + 1) * (unused.count + 1)
    halves = tf.zeros([num_slots, 2], tf.int32)
    same = tf.equal(todo.segment[:-1], todo.segment[1:])
    right = tf.where(same, todo.symbol[1:], 0)
    halves = _remember(halves, todo.symbol[:-1], right, todo.row[:-1], merges, unused)
    _, result, halves = tf.while_loop(
        lambda todo, *_: tf.size(todo.at) > 0,
        lambda *state: _merge_best(*state, merges, unused),
        (todo, result, halves),
        shape_invariants=(
            _Symbols(*(ANY_LENGTH,) * 4),
            ANY_LENGTH,
            tf.TensorShape([None, 2]),
        ),
        parallel_iterations=1,
    )
    return _take_apart(result, row, halves, unused)


def _remember(
    halves: tf.Tensor,
    left: tf.Tensor,
    right: tf.Tensor,
    row: tf.Tensor,
    merges: Merges,
    unused: UnusedPieces,
) -> tf.Tensor:
    """Notes pairs that could merge into an unused piece.

    Args:
        halves: int32 [slots, 2], the pairs noted last. Every row has a slot for each unused
            piece, and one more.
        left: int32 [pairs], the left symbol of each pair.
        right: int32 [pairs], the right one; 0 if there is none.
        row: int32 [pairs].
        merges: What merges.
        unused: What must not come out.

    Returns:
        `halves`, brought up to date.
    """
    number = tf.gather(unused.numbers, merges.pairs(left, right))
    noted = places_where(number > 0)
    slot = tf.gather(row * (unused.count + 1) + number, noted)
    pair = tf.gather(tf.stack([left, right], 1), noted)
    return tf.tensor_scatter_nd_update(halves, slot[:, None], pair)


def _merge_best(
    todo: _Symbols, result: tf.Tensor, halves: tf.Tensor, merges: Merges, unused: UnusedPieces
) -> tuple[_Symbols, tf.Tensor, tf.Tensor]:
    """Merges the best pair of each row; the rows that are done are left out."""
    at, symbol, segment, row = todo
    n = tf.size(at)
    places = tf.range(n)
    padded = tf.concat([symbol, [0, 0]], 0)
    padded_segment = tf.concat([segment, [-1, -1]], 0)
    same = tf.equal(segment, padded_segment[1 : n + 1])
    merged = tf.where(same, merges.pairs(symbol, padded[1 : n + 1]), 0)
    rank = tf.gather(merges.ranks, merged)
    is_last = tf.not_equal(row, tf.concat([row[1:], [-1]], 0))
    local = tf.cumsum(tf.cast(is_last, tf.int32), exclusive=True)  # rows from 0
    best = tf.gather(tf.math.segment_max(rank, local), local)
    alive = best > 0
    leftmost = tf.math.segment_min(tf.where(alive & tf.equal(rank, best), places, BIG), local)
    chosen = tf.gather(leftmost, places_where(leftmost < BIG))  # [rows alive]
    new = tf.gather(merged, chosen)
    here, its_row = tf.gather(segment, chosen), tf.gather(row, chosen)
    result = tf.tensor_scatter_nd_update(result, tf.gather(at, chosen)[:, None], new)
    result = tf.tensor_scatter_nd_update(
        result, tf.gather(at, chosen + 1)[:, None], tf.fill(tf.shape(chosen), -1)
    )

    # The pair with the symbol before is considered first, then that with the one behind.
    before = tf.maximum(chosen - 1, 0)
    joined = (chosen > 0) & tf.equal(tf.gather(segment, before), here)
    left = tf.where(joined, tf.gather(symbol, before), 0)
    halves = _remember(halves, left, new, its_row, merges, unused)
    joined = tf.equal(tf.gather(padded_segment, chosen + 2), here)
    right = tf.where(joined, tf.gather(padded, chosen + 2), 0)
    halves = _remember(halves, new, right, its_row, merges, unused)

    symbol = tf.tensor_scatter_nd_update(symbol, chosen[:, None], new)
    consumed = tf.scatter_nd((chosen + 1)[:, None], tf.ones_like(chosen), n[None]) > 0
    keep = places_where(alive & ~consumed)
    todo = _Symbols(*(tf.gather(values, keep) for values in (at, symbol, segment, row)))
    return todo, result, halves


def _take_apart(
    result: tf.Tensor, row: tf.Tensor, halves: tf.Tensor, unused: UnusedPieces
) -> tf.Tensor:
    """Replaces unused pieces by their halves, until there are none.

    Args:
        result: int32 [places], what has become of each place.
        row: int32 [places].
        halves: int32 [slots, 2], as `_remember` leaves it.
        unused: What must not come out.

    Returns:
        `result`, brought up to date.
    """

    def unused_in(result):
        return places_where(tf.gather(unused.numbers, tf.maximum(result, 0)) > 0)

    def halve(result):
        at = unused_in(result)
        number = tf.gather(unused.numbers, tf.gather(result, at))
        pair = tf.gather(halves, tf.gather(row, at) * (unused.count + 1) + number)  # [tokens, 2]
        behind = at + tf.gather(unused.sizes, pair[:, 0])
        result = tf.tensor_scatter_nd_update(result, at[:, None], pair[:, 0])
        return [tf.tensor_scatter_nd_update(result, behind[:, None], pair[:, 1])]

    return tf.while_loop(
        lambda result: tf.size(unused_in(result)) > 0,
        halve,
        [result],
        shape_invariants=[ANY_LENGTH],
        parallel_iterations=1,
    )[0]
