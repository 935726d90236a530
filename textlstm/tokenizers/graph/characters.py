"""Bytes to code points, and code points to bytes, by the rules of UTF-8.

`read_characters` is step 2 of `SentencePieceGraph.encode`:

1. Rows are put one after the other, with a NUL byte for every mark (below).
2. From every byte at once a character of one to four bytes is read (`decode_utf8`).
3. Bytes over which a character reaches are left out (`inside_characters`). What is left are the
   *places* of the text; a byte that is not part of a well-formed character is a place of its own
   and holds MALFORMED.
4. The marks are written.

`decode_utf8` and `utf8_byte` also serve where ids spell bytes.
"""

from typing import NamedTuple

import tensorflow as tf

from textlstm.tokenizers import sentencepiece_model as model
from textlstm.tokenizers.graph.arrays import places_where


class Characters(NamedTuple):
    """The characters of several rows.

    Attributes:
        codes: int32 [places], code points or marks.
        has_content: bool [rows], whether a row has any byte.
        data: int32 [bytes], the bytes themselves.
        first_bytes: int32 [places], where in `data` a character begins.
        place_of: int32 [bytes], to which place a byte belongs.
    """

    codes: tf.Tensor
    has_content: tf.Tensor
    data: tf.Tensor
    first_bytes: tf.Tensor
    place_of: tf.Tensor


def read_characters(
    text: tf.Tensor, sizes: tf.Tensor, has_head: bool, has_tail: bool
) -> Characters:
    """Turns bytes into code points.

    Each row is laid out as HEAD (if the model puts a space before texts), its characters, TAIL
    (if it puts one after), END. In the bytes these marks are NULs, which are never part of
    another character.

    Args:
        text: string [rows].
        sizes: int32 [rows], the number of bytes of each.
        has_head: Whether there is a HEAD.
        has_tail: Whether there is a TAIL.

    Returns:
        The characters of all rows.
    """
    head, tail = int(has_head), int(has_tail)
    joined = tf.strings.join(["\0" * head, text, "\0" * (tail + 1)])
    data = tf.cast(tf.io.decode_raw(tf.strings.reduce_join(joined), tf.uint8), tf.int32)
    ends = tf.cumsum(sizes + (head + tail + 1)) - 1  # [rows], the bytes that become END

    # The next three bytes; what a row lacks is NUL or belongs to no continuation.
    padded = tf.pad(data, [[0, 3]])
    n = tf.size(data)
    second, third, fourth = padded[1 : n + 1], padded[2 : n + 2], padded[3 : n + 3]
    size, code = decode_utf8(data, second, third, fourth)
    inner = inside_characters(size)
    marks = [ends]
    values = [tf.fill(tf.shape(ends), model.END)]
    if has_head:
        marks.append(ends - sizes - 1)
        values.append(tf.fill(tf.shape(ends), model.HEAD))
    if has_tail:
        marks.append(ends - 1)
        values.append(tf.fill(tf.shape(ends), model.TAIL))
    code = tf.tensor_scatter_nd_update(code, tf.concat(marks, 0)[:, None], tf.concat(values, 0))
    first_bytes = places_where(~inner)  # [places]
    return Characters(
        codes=tf.gather(code, first_bytes),
        has_content=sizes > 0,
        data=data,
        first_bytes=first_bytes,
        place_of=tf.cumsum(tf.cast(~inner, tf.int32)) - 1,
    )


def decode_utf8(first, second, third, fourth) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads a character from each place.

    Args:
        first: int32 [n], the byte there.
        second: int32 [n], the one behind it.
        third: int32 [n], the one behind that.
        fourth: int32 [n], the one behind that.

    Returns:
        How many bytes the character has (1 if malformed), and its code point or MALFORMED.
    """

    def tail(byte):
        return tf.equal(tf.bitwise.bitwise_and(byte, -64), 0x80)  # 10xxxxxx

    def low(byte):
        return tf.bitwise.bitwise_and(byte, 0x3F)

    second_tail = tail(second)
    third_tail = second_tail & tail(third)
    two = tf.bitwise.bitwise_and(first, 0x1F) * 64 + low(second)
    is_two = tf.equal(tf.bitwise.bitwise_and(first, -32), 0xC0) & second_tail & (two >= 0x80)
    three = (tf.bitwise.bitwise_and(first, 0x0F) * 64 + low(second)) * 64 + low(third)
    is_three = tf.equal(tf.bitwise.bitwise_and(first, -16), 0xE0) & third_tail
    is_three &= (three >= 0x800) & ((three < 0xD800) | (three > 0xDFFF))
    four = ((tf.bitwise.bitwise_and(first, 7) * 64 + low(second)) * 64 + low(third)) * 64 + low(
        fourth
    )
    is_four = tf.equal(tf.bitwise.bitwise_and(first, -8), 0xF0) & third_tail & tail(fourth)
    is_four &= (four >= 0x10000) & (four <= 0x10FFFF)
    one = tf.where((first >= 0) & (first < 0x80), first, model.MALFORMED)
    size = (
        1
        + tf.cast(is_two, tf.int32)
        + 2 * tf.cast(is_three, tf.int32)
        + 3 * tf.cast(is_four, tf.int32)
    )
    return size, tf.where(is_two, two, tf.where(is_three, three, tf.where(is_four, four, one)))


def inside_characters(size: tf.Tensor) -> tf.Tensor:
    """Returns which bytes continue a character that begins `size` bytes long before them."""
    padded = tf.pad(size, [[3, 0]])
    n = tf.size(size)
    return (padded[2 : n + 2] > 1) | (padded[1 : n + 1] > 2) | (padded[0:n] > 3)


def utf8_byte(code: tf.Tensor, size: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
    """Returns byte `offset` of the `size` bytes of a code point in UTF-8."""
    bits = tf.bitwise.right_shift(code, 6 * (size - 1 - offset))
    lead = tf.gather(tf.constant([0, 0, 0xC0, 0xE0, 0xF0]), size)
    return tf.where(
        tf.equal(offset, 0),
        tf.bitwise.bitwise_or(lead, bits),
        tf.bitwise.bitwise_or(tf.bitwise.bitwise_and(bits, 0x3F), 0x80),
    )
