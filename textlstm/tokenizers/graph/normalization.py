"""The text as the pieces see it: step 3 of `SentencePieceGraph.encode`.

How `normalize` does what SentencePiece's normalizer does from left to right, at all places at
once:

1. From every place the normalization rules are walked, byte by byte, for their longest match
   (`_longest_rules`). User-defined symbols stay as they are, and come before rules.
2. Matches may overlap. Which of them count follows from jumping from match to match, beginning
   at the left (`visited_places`). So the text is parted into *chunks*, each of which is
   consumed at once (`_find_chunks`).
3. Every chunk is replaced by its characters, of which there may be any number.
4. Surplus spaces go (`_is_kept`); the other spaces, and the marks for the space before or behind
   a text, become "▁".
"""

from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from textlstm.tokenizers import sentencepiece_model as model
from textlstm.tokenizers.graph.arrays import (
    ANY_LENGTH,
    last_true,
    owners_of,
    places_where,
    visited_places,
)
from textlstm.tokenizers.graph.characters import Characters
from textlstm.tokenizers.graph.matches import Symbols
from textlstm.tokenizers.graph.tables import Rules


@dataclass(frozen=True)
class Whitespace:
    """How a model treats white space.

    Attributes:
        symbol: The code point that stands for a space inside of pieces.
        has_head: Whether a space is put before each text.
        has_tail: Whether a space is put behind each text.
        removes_extra: Whether spaces at the ends go, and of several only the first stays.
    """

    symbol: int
    has_head: bool
    has_tail: bool
    removes_extra: bool

    @classmethod
    def of(cls, tables: model.SentencePieceTables) -> "Whitespace":
        """Returns that of a model."""
        return cls(
            symbol=model.SPACE_SYMBOL if tables.escape_whitespaces else ord(" "),
            has_head=tables.add_dummy_prefix and not tables.whitespace_as_suffix,
            has_tail=tables.add_dummy_prefix and tables.whitespace_as_suffix,
            removes_extra=tables.remove_extra_whitespaces,
        )


class _Chunks(NamedTuple):
    """Stretches of the text, from left to right, and what they become.

    Attributes:
        source: int32 [chunks], where in `sources` the characters begin that a chunk becomes.
        count: int32 [chunks], how many these are.
        sources: int32 [any], all replacements of the rules, and the text.
    """

    source: tf.Tensor
    count: tf.Tensor
    sources: tf.Tensor


def normalize(
    characters: Characters,
    rules: Rules | None,
    symbols: Symbols | None,
    whitespace: Whitespace,
) -> tf.Tensor:
    """Applies the rules and treats the white space.

    Args:
        characters: The text.
        rules: The normalization rules, if there are any.
        symbols: The user-defined symbols from each place, or `None` if the model has none.
        whitespace: How white space is treated.

    Returns:
        int32 [places], in general not as many as before, each row ended by END.
    """
    # What is copied: MALFORMED as U+FFFD.
    codes = tf.where(tf.equal(characters.codes, model.MALFORMED), 0xFFFD, characters.codes)
    if rules is None and symbols is None:
        # Every character is a chunk and stays what it is.
        chunks = _Chunks(tf.range(tf.size(codes)), tf.ones_like(codes), codes)
        offset = tf.zeros_like(codes)
    else:
        chunks = _find_chunks(characters, codes, rules, symbols)
        owner, offset = owners_of(chunks.count)
        codes = tf.gather(chunks.sources, tf.gather(chunks.source, owner) + offset)
    keep = _is_kept(codes, offset, chunks, characters.has_content, whitespace)
    is_space = tf.equal(codes, ord(" ")) | tf.equal(codes, model.HEAD) | tf.equal(codes, model.TAIL)
    return tf.gather(tf.where(is_space, whitespace.symbol, codes), places_where(keep))


def _find_chunks(
    characters: Characters,
    codes: tf.Tensor,
    rules: Rules | None,
    symbols: Symbols | None,
) -> _Chunks:
    """Parts the text into what is consumed at once; arguments as in `normalize`."""
    places = tf.range(tf.size(codes))
    span = tf.ones_like(codes)  # [places], how many characters are consumed from each place
    source = places  # [places], where in `sources` is what they become
    count = span  # [places], how many characters that is
    sources, shift = codes, 0
    if rules is not None:
        at, size, rule = _longest_rules(characters, rules)
        sources = tf.concat([rules.codes, codes], 0)
        shift = tf.size(rules.codes)
        index = at[:, None]
        span = tf.tensor_scatter_nd_update(span, index, size)
        source = tf.tensor_scatter_nd_update(source + shift, index, tf.gather(rules.starts, rule))
        count = tf.tensor_scatter_nd_update(count, index, tf.gather(rules.lengths, rule))
    if symbols is not None:
        found = symbols.size > 0
        span = tf.where(found, symbols.size, span)
        source = tf.where(found, places + shift, source)
        count = tf.where(found, symbols.size, count)
    visited = tf.cond(
        tf.reduce_any(span > 1), lambda: places_where(visited_places(span)), lambda: places
    )
    visited = tf.ensure_shape(visited, [None])
    return _Chunks(tf.gather(source, visited), tf.gather(count, visited), sources)


def _longest_rules(characters: Characters, rules: Rules) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Walks the rules from every place; their array is described at `NormalizationRules`.

    Args:
        characters: The text.
        rules: The rules.

    Returns:
        `at`, the places where a rule matches; `size`, how many places the longest match from
        there has; `rule`, its replacement. All int32 [hits].
    """
    first_bytes = characters.first_bytes
    best = tf.fill(tf.shape(first_bytes), -1)
    best_end = tf.zeros_like(first_bytes)

    def walk(at, byte, state, best, best_end):
        # at: place [alive]; byte: place of the next byte; state: in the double array.
        label = tf.gather(characters.data, byte)
        slot = tf.bitwise.bitwise_xor(state, label)
        alive = places_where(tf.equal(tf.gather(rules.labels, slot), label) & (label > 0))
        at, slot = tf.gather(at, alive), tf.gather(slot, alive)
        byte = tf.gather(byte, alive) + 1
        value = tf.gather(rules.values, slot)
        hits = places_where(value >= 0)
        index = tf.gather(at, hits)[:, None]
        best = tf.tensor_scatter_nd_update(best, index, tf.gather(value, hits))
        best_end = tf.tensor_scatter_nd_update(best_end, index, tf.gather(byte, hits))
        return at, byte, tf.gather(rules.jumps, slot), best, best_end

    places = tf.range(tf.size(first_bytes))
    *_, best, best_end = tf.while_loop(
        lambda at, *_: tf.size(at) > 0,
        walk,
        (places, first_bytes, tf.fill(tf.shape(places), rules.first_state), best, best_end),
        shape_invariants=(ANY_LENGTH,) * 5,
        parallel_iterations=1,
    )
    at = places_where(best >= 0)
    # Bytes that end a match are followed by the first byte of a place.
    size = tf.gather(characters.place_of, tf.gather(best_end, at)) - at
    return at, size, tf.gather(best, at)


def _is_kept(
    codes: tf.Tensor,
    offset: tf.Tensor,
    chunks: _Chunks,
    has_content: tf.Tensor,
    whitespace: Whitespace,
) -> tf.Tensor:
    """Says which characters stay.

    Args:
        codes: int32 [places].
        offset: int32 [places], each one's place within its chunk.
        chunks: The chunks.
        has_content: bool [rows], whether the row has any byte.
        whitespace: How white space is treated.

    Returns:
        bool [places].
    """
    is_end = tf.equal(codes, model.END)
    row = tf.cumsum(tf.cast(is_end, tf.int32), exclusive=True)
    keep = tf.ones_like(is_end)
    if whitespace.removes_extra:
        keep = ~_is_surplus_space(codes, offset, row, whitespace.symbol)
    elif whitespace.has_head:
        keep = tf.not_equal(codes, model.HEAD) | tf.gather(has_content, row)
    if whitespace.has_tail:
        if whitespace.removes_extra:
            has_content = _has_more_than_spaces(chunks, tf.size(has_content))
        keep &= tf.not_equal(codes, model.TAIL) | tf.gather(has_content, row)
    return keep


def _is_surplus_space(
    codes: tf.Tensor, offset: tf.Tensor, row: tf.Tensor, symbol: int
) -> tf.Tensor:
    """Says which spaces follow others, or stand at an end of their row; all [places]."""
    is_space = tf.equal(codes, ord(" "))
    is_head = tf.equal(codes, model.HEAD)
    is_end = tf.equal(codes, model.END)
    # A space goes if only spaces lie between it and the last character of the chunk before, that
    # one included. What precedes a text counts as a space.
    blank = is_space | is_end | is_head
    here = tf.range(tf.size(codes))
    follows = is_space & (last_true(~blank, -2) < here - offset - 1)
    # Spaces at the end go, and "▁" too.
    blank = is_space | is_head | tf.equal(codes, symbol)
    solid = tf.cumsum(tf.cast(~(blank | is_end | tf.equal(codes, model.TAIL)), tf.int32))
    row_solid = tf.gather(solid, places_where(is_end))
    return follows | (blank & tf.equal(solid, tf.gather(row_solid, row)))


def _has_more_than_spaces(chunks: _Chunks, num_rows: tf.Tensor) -> tf.Tensor:
    """Says which rows, bool [rows], hold anything but chunks that become a single space."""
    single = tf.where(tf.equal(chunks.count, 1), tf.gather(chunks.sources, chunks.source), -1)
    is_end = tf.equal(single, model.END)
    other = ~(is_end | tf.equal(single, model.TAIL) | tf.equal(single, ord(" ")))
    row = tf.cumsum(tf.cast(is_end, tf.int32), exclusive=True)
    return tf.math.unsorted_segment_max(tf.cast(other, tf.int32), row, num_rows) > 0
