"""Small helpers over flat arrays, which all other files of this package build upon.

Rows of text, runs of characters and chains of tokens never get an axis of their own here: they
lie one after the other in one flat array, and every operation treats all of its *places* at once.

- `places_where`, `starts_of`, `owners_of`, `last_true`: from lengths and marks to places.
- `reach`: all places on chains in which each place points to the next one.
- `visited_places`: where one stops who walks from the left in strides of different widths.
- `join`: what a loop has collected, as one array.
"""

import numpy as np
import tensorflow as tf

# More than any place: "none" where the least of several places is taken.
BIG = np.iinfo(np.int32).max
# The shape of loop variables whose length changes.
ANY_LENGTH = tf.TensorShape([None])


def places_where(mask: tf.Tensor) -> tf.Tensor:
    """Returns the places, int32 [count], where a vector is true."""
    return tf.cast(tf.where(mask)[:, 0], tf.int32)


def starts_of(lengths: tf.Tensor) -> tf.Tensor:
    """Returns where each of several consecutive runs of `lengths` begins."""
    return tf.cumsum(lengths, exclusive=True)


def owners_of(lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Unfolds runs: for each element of all runs, its run and its place within the run."""
    starts = starts_of(lengths)
    total = tf.reduce_sum(lengths)
    runs = places_where(lengths > 0)
    first = tf.gather(starts, runs)
    marks = tf.scatter_nd(first[:, None], tf.ones_like(first), total[None])
    owner = tf.gather(runs, tf.cumsum(marks) - 1)
    return owner, tf.range(total) - tf.gather(starts, owner)


def last_true(mask: tf.Tensor, default: int) -> tf.Tensor:
    """Returns, for each place, the last place at or before it where `mask` is true."""
    places = tf.concat([[default], places_where(mask)], 0)
    return tf.gather(places, tf.cumsum(tf.cast(mask, tf.int32)))


def reach(following: tf.Tensor, roots: tf.Tensor, sink: tf.Tensor) -> tf.Tensor:
    """Follows chains of places, all at once, by doubling the length of the jumps.

    Args:
        following: int32 [places], the place behind each place.
        roots: int32 [chains], where the chains begin; no two chains meet before a sink.
        sink: bool [places], where chains stop. `following` of a sink must be a sink.

    Returns:
        int32 [count], all places on the chains that are no sinks, in no order.
    """

    def unfinished(fresh, reached, jump):
        return tf.size(fresh) > 0

    def double(fresh, reached, jump):
        fresh = tf.gather(jump, reached)
        fresh = tf.gather(fresh, places_where(~tf.gather(sink, fresh)))
        return fresh, tf.concat([reached, fresh], 0), tf.gather(jump, jump)

    roots = tf.gather(roots, places_where(~tf.gather(sink, roots)))
    return tf.while_loop(
        unfinished,
        double,
        (roots, roots, following),
        shape_invariants=(ANY_LENGTH, ANY_LENGTH, following.shape),
        parallel_iterations=1,
    )[1]


def visited_places(span: tf.Tensor) -> tf.Tensor:
    """Says at which places one stops who walks from the left, `span` places at a time.

    Places over which no span passes are stopped at for certain. From there the others are found
    by following the chains.

    Args:
        span: int32 [places], at least 1.

    Returns:
        bool [places].
    """
    n = tf.size(span)
    places = tf.range(n)
    long = places_where(span > 1)
    stop = tf.minimum(tf.gather(places + span, long), n)
    shape = (n + 1)[None]
    opening = tf.scatter_nd((long + 1)[:, None], tf.ones_like(long), shape)
    closing = tf.scatter_nd(stop[:, None], tf.ones_like(long), shape)
    sure = tf.equal(tf.cumsum(opening - closing), 0)  # [n + 1]
    following = tf.concat([tf.minimum(places + span, n), n[None]], 0)
    # Sure places are where chains stop: their successors are never asked for.
    following_or_self = tf.where(sure, tf.range(n + 1), following)
    roots = tf.gather(following, tf.gather(long, places_where(tf.gather(sure, long))))
    reached = reach(following_or_self, roots, sure)
    marks = tf.tensor_scatter_nd_update(sure, reached[:, None], tf.ones_like(reached, tf.bool))
    return marks[:n]


def join(array: tf.TensorArray, count: tf.Tensor, size: tf.Tensor, empty: tf.Tensor) -> tf.Tensor:
    """Concatenates what a loop has written into a tensor array.

    Args:
        array: Its first `count` elements have been written.
        count: int32, from 0.
        size: The size, at least 1, that the array was made with. It may have grown.
        empty: What the elements that were not reached are to hold: nothing.

    Returns:
        The elements, one after the other.
    """
    _, array = tf.while_loop(
        lambda i, array: i < size,
        lambda i, array: (i + 1, array.write(i, empty)),
        (count, array),
        parallel_iterations=1,
    )
    return tf.ensure_shape(array.concat(), [None, *empty.shape[1:]])
