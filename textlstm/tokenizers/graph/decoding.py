"""Ids to strings: `SentencePieceGraph.decode`.

1. The ids that count are put one after the other, those of all rows.
2. Each becomes the text of its piece, without the leading space as long as its row has no text
   yet.
3. If the model spells unknown characters as bytes, bytes that make up a character stay, and any
   other byte becomes U+FFFD (`_spell_bytes`).
4. The texts of each row are joined.
"""

import tensorflow as tf

from textlstm.tokenizers import sentencepiece_model as model
from textlstm.tokenizers.graph.arrays import starts_of
from textlstm.tokenizers.graph.characters import decode_utf8, inside_characters
from textlstm.tokenizers.graph.tables import BytePieces, Surfaces


def decode_ids(
    ids: tf.Tensor,
    lengths: tf.Tensor,
    num_pieces: int,
    surfaces: Surfaces,
    byte_pieces: BytePieces | None,
) -> tf.Tensor:
    """Turns ids into strings.

    Args:
        ids: int32 [batch, longest].
        lengths: int32 [batch], how many ids of each row count.
        num_pieces: Ids from here on give nothing.
        surfaces: What pieces look like.
        byte_pieces: Which pieces spell bytes, or `None` if none do.

    Returns:
        string [batch].
    """
    num_rows = tf.shape(ids)[0]
    counts = tf.sequence_mask(lengths, tf.shape(ids)[1]) & (ids < num_pieces)
    places = tf.where(counts)
    ids = tf.gather_nd(ids, places)  # [tokens]
    row = tf.cast(places[:, 0], tf.int32)
    starts = starts_of(tf.reduce_sum(tf.cast(counts, tf.int32), axis=1))  # [rows]

    # Until a row has any text, pieces lose their leading space.
    ends_first = tf.cast(~tf.gather(surfaces.keeps_first, ids), tf.int32)
    sums = tf.concat([[0], tf.cumsum(ends_first)], 0)
    is_first = tf.equal(sums[:-1], tf.gather(sums, tf.gather(starts, row)))
    text = tf.where(is_first, tf.gather(surfaces.first, ids), tf.gather(surfaces.inside, ids))
    if byte_pieces is not None:
        text = _spell_bytes(text, ids, row, byte_pieces)
    joined = tf.strings.unsorted_segment_join(text, row, num_rows)
    return tf.ensure_shape(joined, [None])


def _spell_bytes(
    text: tf.Tensor, ids: tf.Tensor, row: tf.Tensor, byte_pieces: BytePieces
) -> tf.Tensor:
    """Replaces the text of byte pieces by their bytes, or U+FFFD; all [tokens]."""
    # -1 for pieces that are no bytes; a row ends with such a one.
    byte = tf.gather(byte_pieces.bytes_of, ids)
    n = tf.size(byte)
    padded = tf.concat([byte, tf.fill([3], -1)], 0)
    padded_row = tf.concat([row, tf.fill([3], -1)], 0)
    ahead = [
        tf.where(tf.equal(row, padded_row[i : n + i]), padded[i : n + i], -1) for i in (1, 2, 3)
    ]
    size, code = decode_utf8(byte, *ahead)
    size = tf.where(byte < 0, 1, size)
    malformed = tf.equal(code, model.MALFORMED) & ~inside_characters(size)
    spelled = tf.gather(byte_pieces.strings, tf.maximum(byte, 0))
    spelled = tf.where(malformed, b"\xef\xbf\xbd", spelled)
    return tf.where(byte >= 0, spelled, text)
