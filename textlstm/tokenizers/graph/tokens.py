"""What is common to all kinds of models around their segmentation, which is the heart of step 5.

- Before: `character_tokens` gives each character the token that it is by itself, and
  `with_symbols` puts user-defined symbols in their places. For a character model these already
  are the tokens; BPE merging begins with them.
- Behind: `finish`, step 6 of `SentencePieceGraph.encode`, makes one id of each run of unknown
  tokens, or the ids of their bytes, and counts.
"""

import tensorflow as tf

from textlstm.tokenizers import sentencepiece_model as model
from textlstm.tokenizers.graph.arrays import owners_of, places_where, visited_places
from textlstm.tokenizers.graph.characters import utf8_byte
from textlstm.tokenizers.graph.matches import Symbols


def character_tokens(
    single: tf.Tensor, is_end: tf.Tensor, unknown_id: int, end_id: int
) -> tf.Tensor:
    """Returns the token that each character is by itself.

    Args:
        single: int32 [places], the piece that it is, or -1.
        is_end: bool [places], whether it is END.
        unknown_id: The id of what is no piece.
        end_id: The id of END.

    Returns:
        int32 [places].
    """
    ids = tf.where(single >= 0, single, unknown_id)
    return tf.where(is_end, end_id, ids)


def with_symbols(ids: tf.Tensor, symbols: Symbols | None) -> tuple[tf.Tensor, tf.Tensor]:
    """Puts user-defined symbols in the places of their characters.

    Args:
        ids: int32 [places], of the characters.
        symbols: The symbols from each place, or `None` if the model has none.

    Returns:
        `starts`, int32 [tokens], where characters and symbols begin; and int32 [places], the id
        of the symbol that begins at a place, or else of the character there.
    """
    if symbols is None:
        return tf.range(tf.size(ids)), ids
    starts = places_where(visited_places(tf.maximum(symbols.size, 1)))
    return starts, tf.where(symbols.ids >= 0, symbols.ids, ids)


def finish(
    ids: tf.Tensor,
    codes: tf.Tensor,
    unknown_id: int,
    byte_ids: tf.Tensor | None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Joins unknown tokens, or spells them as bytes, and counts.

    Args:
        ids: int32 [tokens].
        codes: int32 [tokens], the character with which each begins.
        unknown_id: The id of unknown tokens.
        byte_ids: int32 [256], the ids of bytes, or `None` if unknown tokens are to be joined.

    Returns:
        `ids`, int32 [total], and `lengths`, int32 [rows].
    """
    is_end = tf.equal(codes, model.END)
    unknown = tf.equal(ids, unknown_id) & ~is_end
    if byte_ids is not None:
        # An unknown token is one character; its UTF-8 bytes become ids.
        size = 1 + tf.add_n([tf.cast(codes >= limit, tf.int32) for limit in (0x80, 0x800, 0x10000)])
        owner, offset = owners_of(tf.where(unknown, size, 1))
        byte = utf8_byte(tf.gather(codes, owner), tf.gather(size, owner), offset)
        ids = tf.where(tf.gather(unknown, owner), tf.gather(byte_ids, byte), tf.gather(ids, owner))
        is_end = tf.gather(is_end, owner)
    else:
        repeated = unknown & tf.concat([tf.zeros_like(unknown[:1]), unknown[:-1]], 0)
        keep = places_where(~repeated)
        ids, is_end = tf.gather(ids, keep), tf.gather(is_end, keep)
    ends = places_where(is_end) + 1
    return ids, ends - tf.concat([[0], ends[:-1]], 0)
