"""Sampling: every token is drawn, by its probability, from among the likelier ones."""

from collections.abc import Sequence

from keras import ops

from textlstm.decoding.search import NEVER, Search

# Odd numbers whose bits look random: multiplied by, they spread every bit over the higher ones.
_SPREAD = (0x7FEB352D, 0x846CA68B - 2**32)
_STRIDE = 0x9E3779B9 - 2**32


class Sampler(Search):
    """Draws the next token of every row, where greedy search takes the most probable one.

    With log p of all tokens and the options, in this order:

        log p_v ← r · log p_v                       for tokens v that the row holds already
        p_v     ← p_v^(1 / temperature) / Σ …
        keep the `top_k` likeliest tokens
        of them, keep the likeliest until their p sum to `top_p` of all kept
        of them, keep those with p ≥ `min_p` · max p
        draw one of those that are kept, by p

    with r the `repetition_penalty`. The likeliest token is always kept: `top_k=1` is greedy search,
    as is `temperature=0`.

    What a row draws depends on its seed and the number of the step alone (`uniform_noise`). So the
    same seed gives the same text, alone or in any batch, in Python and in an export.

    Every option is a number for all rows or a tensor with one for each row. `None` takes its step
    out of the computation.

    Args:
        end_id: id of the end mark.
        seeds: int32 `[rows]`; what each row draws follows from its own. Or `[1]`, one for all.
        temperature: below 1 the likelier tokens become likelier still; default 1.0, 0 is greedy.
        top_k: how many tokens are kept, 0 for all; default `None`.
        top_p: the share of the probability that is kept, in (0, 1]; default `None`.
        min_p: the least probability that is kept, as a share of the highest; default `None`.
        repetition_penalty: r, above 1 to say less often what was said; default `None`.
        prompt_ids: int32 `[rows, width]`, tokens that also count as said; default none.
        forbidden_ids: ids that are never drawn.
        pad_id: id that stands behind the end mark; default 0.

    References:
        - Fan, Lewis and Dauphin, Hierarchical Neural Story Generation, ACL 2018 (top-k).
        - Holtzman et al., The Curious Case of Neural Text Degeneration, ICLR 2020 (top-p).
        - Keskar et al., CTRL: A Conditional Transformer Language Model for Controllable
          Generation, arXiv:1909.05858, 2019 (the repetition penalty, there of logits).
        - Nguyen et al., Turning Up the Heat: Min-p Sampling for Creative and Coherent LLM Outputs,
          arXiv:2407.01082, 2024.

    Example:
        >>> search = Sampler(end_id=3, seeds=[7, 8], temperature=0.8, top_p=0.9)
        >>> ids, log_probs = search(step, states, first_ids, max_tokens=50)
    """

    def __init__(
        self,
        end_id: int,
        *,
        seeds,
        temperature=1.0,
        top_k=None,
        top_p=None,
        min_p=None,
        repetition_penalty=None,
        prompt_ids=None,
        forbidden_ids: Sequence[int] = (),
        pad_id: int = 0,
    ):
        super().__init__(end_id, forbidden_ids=forbidden_ids, pad_id=pad_id)
        self.seeds = seeds
        self.temperature = temperature
        self.top_k = top_k
        self.top_p = top_p
        self.min_p = min_p
        self.repetition_penalty = repetition_penalty
        self.prompt_ids = prompt_ids

    def choose(self, log_probs, n, ids):
        """Draws a token for each row; see `Search.choose`."""
        is_said = None
        if self.repetition_penalty is not None:
            is_said = _holds(ids, log_probs.shape[1])
            if self.prompt_ids is not None:
                in_prompt = _holds(self.prompt_ids, log_probs.shape[1])
                is_said = ops.logical_or(is_said, in_prompt)
        return self.draw(log_probs, n, is_said)

    def draw(self, log_probs, n, is_said=None):
        """Draws a token for each row, int32 `[rows]`.

        Args:
            log_probs: as of `choose`, like the next.
            n: the number of the step.
            is_said: which tokens the row holds already, bool `[rows, vocabulary]`; for the
                `repetition_penalty` alone.
        """
        if self.repetition_penalty is not None:
            penalty = _column(self.repetition_penalty, "float32")
            log_probs = ops.where(is_said, penalty * log_probs, log_probs)
        temperature = _column(self.temperature, "float32")
        is_greedy = temperature < 1e-6  # below, quotients reach NEVER
        log_probs = log_probs / ops.where(is_greedy, 1.0, temperature)
        log_probs = ops.maximum(log_probs, NEVER)  # so that a small temperature gives no infinity
        p = ops.softmax(log_probs, axis=-1)  # [rows, vocabulary]
        noise = uniform_noise(self.seeds, n)[:, None]
        # The likeliest first, also where all are kept: options that do nothing change no text.
        p, order = ops.top_k(p, log_probs.shape[-1])
        place = _draw(self._keep(p), noise)
        drawn = ops.take_along_axis(order, place[:, None], axis=1)[:, 0]
        likeliest = ops.argmax(log_probs, axis=-1)
        return ops.where(is_greedy[:, 0], ops.cast(likeliest, "int32"), ops.cast(drawn, "int32"))

    def _keep(self, p):
        """Returns p, the likeliest first, with 0 for what is not kept."""
        place = ops.arange(p.shape[-1], dtype="int32")[None]
        first = place == 0
        if self.top_k is not None:
            top_k = _column(self.top_k, "int32")
            p = ops.where(ops.logical_or(place < top_k, top_k <= 0), p, 0.0)
        if self.top_p is not None:
            before = ops.cumsum(p, axis=-1) - p  # of those likelier
            share = _column(self.top_p, "float32") * ops.sum(p, axis=-1, keepdims=True)
            p = ops.where(ops.logical_or(before < share, first), p, 0.0)
        if self.min_p is not None:
            p = ops.where(p >= _column(self.min_p, "float32") * p[:, :1], p, 0.0)
        return p


def uniform_noise(seeds, n):
    """Computes a number for each row that looks drawn from (0, 1), from its seed and the step.

    It is a hash of both, of 32-bit integers: multiplications, and shifts that are added without
    carry. It has no state and gives the same on every backend and in every export.

    Args:
        seeds: int32 `[rows]` or `[1]`.
        n: the number of the step, int32 scalar.

    Returns:
        float32, of the shape of the seeds.
    """
    seeds = ops.cast(seeds, "int32")
    mixed = _mix(_mix(seeds + _STRIDE) + _STRIDE * (ops.cast(n, "int32") + 1))
    return (ops.cast(_shifted(mixed, 8), "float32") + 0.5) / 2**24


def _mix(bits):
    """Makes every bit of the result depend on every bit of an int32."""
    for shift, factor in zip((16, 15), _SPREAD):
        bits = ops.bitwise_xor(bits, _shifted(bits, shift)) * factor
    return ops.bitwise_xor(bits, _shifted(bits, 16))


def _shifted(bits, places: int):
    """Shifts an int32 to the right, zeros coming in at the left."""
    return ops.bitwise_and(ops.bitwise_right_shift(bits, places), 2 ** (32 - places) - 1)


def _draw(p, noise):
    """Returns the place in each row of `p`, `[rows, n]`, that `noise` in (0, 1) falls upon."""
    upto = ops.cumsum(p, axis=-1)
    place = ops.sum(ops.cast(upto <= noise * upto[:, -1:], "int32"), axis=-1)
    # Rounding may leave the last step of the sum without width.
    last = ops.sum(ops.cast(upto < upto[:, -1:], "int32"), axis=-1)
    return ops.minimum(place, last)


def _column(option, dtype: str):
    """Returns an option of all rows, or of each, as `[1, 1]` or `[rows, 1]`."""
    return ops.reshape(ops.cast(option, dtype), (-1, 1))


def _holds(ids, vocabulary):
    """Says which tokens each row of ids, `[rows, width]`, holds: bool `[rows, vocabulary]`."""
    rows, width = ops.shape(ids)
    ids = ops.cast(ids, "int32")
    at = ops.arange(rows, dtype="int32")[:, None] * vocabulary + ids
    marks = ops.zeros((rows * vocabulary,), "int32")
    marks = ops.scatter_update(marks, ops.reshape(at, (-1, 1)), ops.ones((rows * width,), "int32"))
    return ops.reshape(marks, (rows, vocabulary)) > 0
