"""Segmentation by a BPE model: step 5 of `SentencePieceGraph.encode`.

SentencePiece begins with the characters as *symbols* and merges two neighbours after the other,
always the pair of the best rank in the text, the leftmost first of several. Pairs of different
segments do not influence each other, so here all segments merge at once, in rounds (`_merge`):

1. For every pair of neighbours within a segment, the symbol that they give, and its rank.
2. The best rank of each segment. Segments without any pair are done, and left out.
3. All pairs of that rank are chosen; where they overlap, every other one (`_every_other`).
4. SentencePiece merges them one by one, so that a pair which arises from the first may come
   before the second; segments where that happens merge one pair only in this round (`_safe`).
5. The left symbol of a chosen pair becomes the merged one, the right one goes.

Segments in which an unused piece occurs are left to `merge_one_by_one`.
"""

import tensorflow as tf

from textlstm.tokenizers.graph.arrays import ANY_LENGTH, BIG, last_true, places_where
from textlstm.tokenizers.graph.bpe_unused import merge_one_by_one
from textlstm.tokenizers.graph.matches import Matches, Symbols
from textlstm.tokenizers.graph.tables import Merges, UnusedPieces
from textlstm.tokenizers.graph.tokens import with_symbols

# What may have become of a place, apart from its symbol.
INSIDE, UNTOUCHED = -1, -2


def merge_symbols(
    numbers: tf.Tensor,
    matches: Matches,
    tokens: tf.Tensor,
    is_end: tf.Tensor,
    symbols: Symbols | None,
    merges: Merges,
    unused: UnusedPieces | None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Merges neighbouring symbols, the best pair first.

    Args:
        numbers: int32 [places], the characters' numbers.
        matches: The matches in the text.
        tokens: int32 [places], the token that each character is by itself.
        is_end: bool [places], whether it is END.
        symbols: The user-defined symbols from each place, or `None` if the model has none.
        merges: What merges.
        unused: What must not come out, or `None` if all may.

    Returns:
        `places`, int32 [tokens], where the tokens begin, ascending, and their `ids`.
    """
    segment = tf.cumsum(tf.cast(matches.is_cut, tf.int32)) - 1  # [places]
    symbol = tf.gather(merges.of_character, numbers)  # [places]
    starts, tokens = with_symbols(tokens, symbols)
    if symbols is not None:
        # User-defined symbols are left alone: symbol 0 merges with nothing.
        symbol = tf.where(symbols.ids >= 0, 0, symbol)

    # What has become of each place: its symbol, INSIDE of one, or UNTOUCHED.
    result = tf.fill(tf.shape(numbers), INSIDE)
    result = tf.tensor_scatter_nd_update(
        result, starts[:, None], tf.fill(tf.shape(starts), UNTOUCHED)
    )
    if unused is None:
        result = _merge_in_rounds(starts, symbol, segment, result, merges)
    else:
        is_unused = tf.gather(unused.is_unused, matches.piece)  # [edges]
        one_by_one = tf.math.unsorted_segment_max(
            tf.cast(is_unused, tf.int32),
            tf.gather(segment, matches.start),
            tf.reduce_max(segment) + 1,
        )  # [segments]
        one_by_one = tf.gather(one_by_one > 0, tf.gather(segment, starts))  # [symbols]
        in_rounds = tf.gather(starts, places_where(~one_by_one))
        result = _merge_in_rounds(in_rounds, symbol, segment, result, merges)
        starts = tf.gather(starts, places_where(one_by_one))
        row = tf.cumsum(tf.cast(is_end, tf.int32), exclusive=True)
        result = merge_one_by_one(starts, symbol, segment, row, result, merges, unused)

    places = places_where(tf.not_equal(result, INSIDE))
    result = tf.gather(result, places)
    ids = tf.where(
        result >= 0, tf.gather(merges.ids, tf.maximum(result, 0)), tf.gather(tokens, places)
    )
    return places, ids


def _merge_in_rounds(
    starts: tf.Tensor, symbol: tf.Tensor, segment: tf.Tensor, result: tf.Tensor, merges: Merges
) -> tf.Tensor:
    """Merges all segments at once, until none has anything to merge.

    Args:
        starts: int32 [symbols], where the symbols to merge begin.
        symbol: int32 [places], the symbol that begins there.
        segment: int32 [places].
        result: int32 [places], what has become of each place.
        merges: What merges.

    Returns:
        `result`, brought up to date.
    """
    *_, result = tf.while_loop(
        lambda at, *_: tf.size(at) > 0,
        lambda *state: _merge(*state, merges),
        (starts, tf.gather(symbol, starts), tf.gather(segment, starts), result),
        shape_invariants=(ANY_LENGTH,) * 4,
        parallel_iterations=1,
    )
    return result


def _merge(
    at: tf.Tensor, symbol: tf.Tensor, segment: tf.Tensor, result: tf.Tensor, merges: Merges
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """A round of merging.

    Args:
        at: int32 [symbols], where each begins.
        symbol: int32 [symbols].
        segment: int32 [symbols].
        result: int32 [places], what has become of each place.
        merges: What merges.

    Returns:
        The same, without the segments that are done.
    """
    same = tf.equal(segment, _next_in(segment, -1))
    merged = tf.where(same, merges.pairs(symbol, _next_in(symbol, 0)), 0)
    rank = tf.gather(merges.ranks, merged)
    local = tf.cumsum(tf.cast(~same, tf.int32), exclusive=True)  # segments from 0
    best = tf.gather(tf.math.segment_max(rank, local), local)
    alive = best > 0
    chosen = alive & tf.equal(rank, best)
    chosen = tf.cond(
        tf.reduce_any(chosen[1:] & chosen[:-1]),
        lambda: _every_other(chosen),
        lambda: chosen,
    )
    several = tf.math.segment_sum(tf.cast(chosen, tf.int32), local) > 1
    chosen = tf.cond(
        tf.reduce_any(several),
        lambda: _safe(chosen, several, local, symbol, merged, best, merges),
        lambda: chosen,
    )
    chosen = tf.ensure_shape(chosen, [None])

    consumed = tf.concat([tf.zeros_like(chosen[:1]), chosen[:-1]], 0)
    symbol = tf.where(chosen, merged, symbol)
    changed = places_where(chosen)
    left, right = tf.gather(at, changed), tf.gather(at, changed + 1)
    result = tf.tensor_scatter_nd_update(
        result,
        tf.concat([left, right], 0)[:, None],
        tf.concat([tf.gather(symbol, changed), tf.fill(tf.shape(right), INSIDE)], 0),
    )
    keep = places_where(alive & ~consumed)
    return tf.gather(at, keep), tf.gather(symbol, keep), tf.gather(segment, keep), result


def _next_in(values: tf.Tensor, fill: int) -> tf.Tensor:
    """Returns the value behind each one; behind the last one `fill`."""
    return tf.concat([values[1:], tf.fill(tf.minimum(tf.shape(values), 1), fill)], 0)


def _every_other(chosen: tf.Tensor) -> tf.Tensor:
    """Keeps the first, third, fifth... of each run of chosen places."""
    places = tf.range(tf.size(chosen))
    before = places - last_true(~chosen, -1)  # 1 for the first of a run
    return chosen & tf.equal(before % 2, 1)


def _safe(
    chosen: tf.Tensor,
    several: tf.Tensor,
    local: tf.Tensor,
    symbol: tf.Tensor,
    merged: tf.Tensor,
    best: tf.Tensor,
    merges: Merges,
) -> tf.Tensor:
    """Of the chosen pairs, keeps those that may be merged at once.

    Args:
        chosen: bool [symbols], whether to merge with the next symbol.
        several: bool [segments], where more than one is chosen.
        local: int32 [symbols], the segment.
        symbol: int32 [symbols].
        merged: int32 [symbols], what a symbol gives with the next one.
        best: int32 [symbols], the rank of the chosen pairs of the segment.
        merges: What merges.

    Returns:
        bool [symbols]. Where merging all would skip a pair that comes first, only the leftmost.
    """
    n = tf.size(symbol)
    at = places_where(chosen & tf.gather(several, local))
    here = tf.gather(local, at)
    new = tf.gather(merged, at)
    # With what follows, as it was; with what precedes, as it is after all merges to the left.
    after = tf.minimum(at + 2, n - 1)
    right = tf.where(
        (at + 2 < n) & tf.equal(tf.gather(local, after), here), tf.gather(symbol, after), 0
    )
    before = tf.maximum(at - 1, 0)
    two_before = tf.maximum(at - 2, 0)
    left = tf.where(
        (at > 1) & tf.gather(chosen, two_before),
        tf.gather(merged, two_before),
        tf.gather(symbol, before),
    )
    left = tf.where((at > 0) & tf.equal(tf.gather(local, before), here), left, 0)
    arising = tf.maximum(
        tf.gather(merges.ranks, merges.pairs(new, right)),
        tf.gather(merges.ranks, merges.pairs(left, new)),
    )
    bad = tf.math.unsorted_segment_max(
        tf.cast(arising >= tf.gather(best, at), tf.int32), here, tf.size(several)
    )
    places = tf.range(n)
    leftmost = tf.math.segment_min(tf.where(chosen, places, BIG), local)
    return chosen & ((tf.gather(bad, local) <= 0) | tf.equal(places, tf.gather(leftmost, local)))
