"""A loop over steps that goes on with one token a row: greedy search, and what overrides it."""

from collections.abc import Callable, Sequence

from keras import ops

# What stands for the logarithm of 0: a sum with it stays finite, and never wins.
NEVER = -1e30

# (ids [rows], states) -> (logits [rows, vocabulary], states); each state has its rows first.
Step = Callable


class Search:
    """Greedy search: every row goes on with its most probable token, until its end mark.

    A subclass overrides `choose`, and has another strategy.

    Args:
        end_id: id of the end mark.
        forbidden_ids: ids that are never chosen, such as those of unknown tokens and of padding.
        pad_id: id that stands behind the end mark; default 0.

    Call arguments:
        step: computes the logits of the next token, `(ids [rows], states)` to `(logits [rows,
            vocabulary], states)`; states are a list or other structure of tensors `[rows, …]`.
        states: the states before the first step.
        first_ids: what the first step is given, int32 `[rows]`: the begin mark.
        max_tokens: the most tokens of a row, the end mark not counted; a row that is so long gets
            the end mark, whatever its probability. An int, or an int32 scalar.

    Returns:
        `(ids, log_probs)`: int32 `[rows, max_tokens + 1]`, each row with its end mark and padding
        behind; float32 `[rows]`, the sum of log p over the tokens, the end mark included.

    Example:
        >>> search = Search(end_id=3)
        >>> ids, log_probs = search(step, states, first_ids, max_tokens=50)
    """

    def __init__(self, end_id: int, *, forbidden_ids: Sequence[int] = (), pad_id: int = 0):
        self.end_id = end_id
        self.forbidden_ids = tuple(forbidden_ids)
        self.pad_id = pad_id

    def choose(self, log_probs, n, ids):
        """Returns the next token of each row, int32 `[rows]`.

        Args:
            log_probs: log p of every token, float32 `[rows, vocabulary]`; `NEVER` for those that
                are forbidden.
            n: the number of the step, from 0.
            ids: what the rows hold so far, int32 `[rows, max_tokens + 1]`: the first n count,
                padding stands behind them.
        """
        return ops.cast(ops.argmax(log_probs, axis=-1), "int32")

    def log_probs(self, logits, is_last=False):
        """Returns log p of every token, float32 `[rows, vocabulary]`, as `choose` is given them.

        Args:
            logits: `[rows, vocabulary]`.
            is_last: bool scalar, whether only the end mark is allowed; default `False`.
        """
        return allowed_log_probs(logits, self.end_id, self.forbidden_ids, is_last)

    def __call__(self, step: Step, states, first_ids, *, max_tokens) -> tuple:
        """Runs the loop; see the class."""
        rows = ops.shape(first_ids)[0]
        places = ops.arange(max_tokens + 1, dtype="int32")

        def goes_on(n, last, ids, total, done, states):
            return ops.logical_and(n <= max_tokens, ops.logical_not(ops.all(done)))

        def go_on(n, last, ids, total, done, states):
            logits, states = step(last, states)
            log_probs = self.log_probs(logits, n == max_tokens)
            chosen = self.choose(log_probs, n, ids)
            chosen = ops.where(done, self.pad_id, chosen)  # [rows]
            gained = ops.take_along_axis(log_probs, chosen[:, None], axis=1)[:, 0]
            total = ops.where(done, total, total + gained)
            ids = ops.where(places == n, chosen[:, None], ids)
            done = ops.logical_or(done, chosen == self.end_id)
            return n + 1, chosen, ids, total, done, states

        ids = ops.full((rows, max_tokens + 1), self.pad_id, dtype="int32")
        total, done = ops.zeros((rows,), "float32"), ops.zeros((rows,), "bool")
        start = (ops.convert_to_tensor(0, "int32"), first_ids, ids, total, done, states)
        _, _, ids, total, _, _ = ops.while_loop(goes_on, go_on, start)
        return ids, total


def allowed_log_probs(logits, end_id: int, forbidden_ids: Sequence[int], is_last):
    """Turns logits into log p, float32 `[rows, vocabulary]`, and `NEVER` for what is not allowed.

    Args:
        logits: `[rows, vocabulary]`.
        end_id: id of the end mark; the only one allowed where `is_last`.
        forbidden_ids: ids that are not allowed.
        is_last: bool scalar.
    """
    log_probs = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    vocabulary = ops.arange(ops.shape(logits)[-1], dtype="int32")
    is_end = vocabulary == end_id
    allowed = ops.logical_or(is_end, ops.logical_not(is_last))
    for forbidden in forbidden_ids:
        allowed = ops.logical_and(allowed, vocabulary != forbidden)
    return ops.where(allowed, log_probs, NEVER)
