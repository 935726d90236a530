"""Beam search: several ways to go on are followed side by side; the best whole ones are kept."""

from collections.abc import Sequence

import keras
from keras import ops

from textlstm.decoding.search import NEVER, Step, allowed_log_probs


class BeamSearch:
    """Follows the `beam_size` most probable beginnings of each row, until so many are whole.

    At each step every beginning is continued by every token. Of the `beam_size` best continuations
    those that end with the end mark are whole, and take part no more; the best of the others go on.
    A row is done when it has `beam_size` whole ones; at `max_tokens` all that go on get their end
    mark. Whole ones are ranked by

        score = log p / ((5 + length) / 6)^length_penalty        length: tokens with the end mark

    as longer ones would lose otherwise: every token makes them less probable. With `beam_size` 1
    this is greedy search. What a row gets does not depend on the other rows.

    Args:
        end_id: id of the end mark.
        beam_size: number of beginnings; at least 1. An int, or an int32 scalar.
        length_penalty: the exponent; default 1.0, 0 for none. A number, or a float32 scalar.
        no_repeat_ngram: no sequence of so many tokens comes twice in a row's answer; default 0,
            any may.
        forbidden_ids: ids that are never chosen.
        pad_id: id that stands behind the end mark; default 0.

    Call arguments:
        step: as of `Search`, for rows that are `beam_size` times as many.
        states: the states before the first step, a structure of tensors `[rows, …]`.
        first_ids: int32 `[rows]`.
        max_tokens: the most tokens of an answer, the end mark not counted.

    Returns:
        `(ids, scores)`: int32 `[rows, beam_size, max_tokens + 1]`, best first, each with its end
        mark and padding behind; float32 `[rows, beam_size]`. Where there are fewer answers than
        `beam_size`, the rest is padding, with the score `NEVER`.

    References:
        - Wu et al., Google's Neural Machine Translation System, arXiv:1609.08144, 2016 (the
          length penalty).

    Example:
        >>> search = BeamSearch(end_id=3, beam_size=5)
        >>> ids, scores = search(step, states, first_ids, max_tokens=50)
        >>> best = ids[:, 0]
    """

    def __init__(
        self,
        end_id: int,
        *,
        beam_size,
        length_penalty=1.0,
        no_repeat_ngram: int = 0,
        forbidden_ids: Sequence[int] = (),
        pad_id: int = 0,
    ):
        self.end_id = end_id
        self.beam_size = beam_size
        self.length_penalty = length_penalty
        self.no_repeat_ngram = no_repeat_ngram
        self.forbidden_ids = tuple(forbidden_ids)
        self.pad_id = pad_id

    def __call__(self, step: Step, states, first_ids, *, max_tokens) -> tuple:
        """Runs the loop; see the class."""
        beams, rows = self.beam_size, ops.shape(first_ids)[0]
        width = max_tokens + 1
        places = ops.arange(width, dtype="int32")

        def goes_on(n, last, ids, total, whole_ids, scores, states):
            return ops.logical_and(n <= max_tokens, ops.any(scores[:, -1] <= NEVER))

        def go_on(n, last, ids, total, whole_ids, scores, states):
            logits, states = step(ops.reshape(last, (-1,)), states)
            vocabulary = ops.shape(logits)[-1]
            log_probs = allowed_log_probs(logits, self.end_id, self.forbidden_ids, n == max_tokens)
            if self.no_repeat_ngram:
                flat_ids = ops.reshape(ids, (-1, width))
                repeats = _repeating_tokens(
                    flat_ids, n, self.no_repeat_ngram, vocabulary, self.end_id
                )
                log_probs = ops.where(repeats, NEVER, log_probs)
            # Twice as many as there are beams: so many go on even if all others end.
            totals = total[:, :, None] + ops.reshape(log_probs, (rows, beams, vocabulary))
            totals, chosen = ops.top_k(ops.reshape(totals, (rows, -1)), 2 * beams)
            chosen = ops.cast(chosen, "int32")
            parents, tokens = chosen // vocabulary, chosen % vocabulary  # [rows, 2 · beams]
            longer = ops.where(places == n, tokens[:, :, None], _pick(ids, parents))
            totals = ops.maximum(totals, NEVER)
            ends = tokens == self.end_id

            # === What is whole: not of rows that are done, and only from among the best beams ===
            open_rows = scores[:, -1:] <= NEVER  # [rows, 1]
            among_best = ops.arange(2 * beams, dtype="int32") < beams
            is_whole = ops.logical_and(ops.logical_and(ends, among_best), open_rows)
            is_whole = ops.logical_and(is_whole, totals > NEVER)
            divisor = length_divisor(ops.cast(n + 1, "float32"), self.length_penalty)
            new_scores = ops.where(is_whole, totals / divisor, NEVER)
            scores, kept = ops.top_k(ops.concatenate([scores, new_scores], axis=1), beams)
            whole_ids = _pick(ops.concatenate([whole_ids, longer], axis=1), kept)

            # === What goes on ===
            total, kept = ops.top_k(ops.where(ends, NEVER, totals), beams)
            ids, last, parents = _pick(longer, kept), _pick(tokens, kept), _pick(parents, kept)
            states = keras.tree.map_structure(
                lambda state: _pick_rows(state, parents, beams, rows), states
            )
            return n + 1, last, ids, total, whole_ids, scores, states

        ids = ops.full((rows, beams, width), self.pad_id, dtype="int32")
        scores = ops.full((rows, beams), NEVER, dtype="float32")
        # All beams of a row begin alike: only the first may be continued at the first step.
        total = ops.where(ops.arange(beams, dtype="int32") == 0, 0.0, scores)
        last = ops.zeros((rows, beams), "int32") + first_ids[:, None]
        states = keras.tree.map_structure(
            lambda state: _pick_rows(state, ops.zeros((rows, beams), "int32"), 1, rows), states
        )
        start = (ops.convert_to_tensor(0, "int32"), last, ids, total, ids, scores, states)
        _, _, _, _, ids, scores, _ = ops.while_loop(goes_on, go_on, start)
        ids = ops.where(scores[:, :, None] > NEVER, ids, self.pad_id)
        return ids, scores


def length_divisor(length, length_penalty):
    """Returns what log p is divided by, `((5 + length) / 6)^length_penalty`."""
    return ((5.0 + length) / 6.0) ** length_penalty


def _pick(values, index):
    """Returns of each row the entries at `index`: `[rows, n, …]`, `[rows, m]` to `[rows, m, …]`."""
    shape = ops.shape(values)
    flat = ops.reshape(values, (shape[0] * shape[1], *shape[2:]))
    index = ops.cast(index, "int32") + shape[1] * ops.arange(shape[0], dtype="int32")[:, None]
    return ops.take(flat, index, axis=0)


def _pick_rows(state, parents, beams, rows):
    """Returns a state `[rows · beams, …]` in the order of `parents`, `[rows, m]`."""
    index = parents + beams * ops.arange(rows, dtype="int32")[:, None]
    return ops.take(state, ops.reshape(index, (-1,)), axis=0)


def _repeating_tokens(ids, n, size: int, vocabulary, end_id: int):
    """Says which tokens would end a sequence of `size` tokens that was there before.

    Args:
        ids: `[rows, width]`, of which the first `n` count.
        n: int32 scalar.
        size: of the sequences that come once only.
        vocabulary: number of tokens.
        end_id: the one token that may always come.

    Returns:
        bool `[rows, vocabulary]`.
    """
    rows, width = ops.shape(ids)
    places = ops.arange(width, dtype="int32")
    # At which places the `size - 1` tokens before are those that the row ends with now.
    alike = ops.logical_and(places < n, places >= size - 1)[None]  # [1, width]
    for back in range(1, size):
        latest = ops.take(ids, ops.maximum(n - back, 0), axis=1)[:, None]  # [rows, 1]
        before = ops.take(ids, ops.maximum(places - back, 0), axis=1)  # [rows, width]
        alike = ops.logical_and(alike, before == latest)
    alike = ops.broadcast_to(ops.logical_and(alike, n >= size - 1), (rows, width))
    # One column more than tokens takes what does not count.
    tokens = ops.where(ops.logical_and(alike, ids != end_id), ids, vocabulary)
    at = ops.arange(rows, dtype="int32")[:, None] * (vocabulary + 1) + tokens
    marks = ops.zeros((rows * (vocabulary + 1),), "int32")
    marks = ops.scatter_update(marks, ops.reshape(at, (-1, 1)), ops.ones((rows * width,), "int32"))
    return ops.reshape(marks, (rows, vocabulary + 1))[:, :vocabulary] > 0
