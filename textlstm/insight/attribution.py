"""Which tokens an answer hangs on."""

import html
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from keras import ops

from textlstm.errors import InputError
from textlstm.insight.compiling import compiled
from textlstm.insight.gradients import gradient_of
from textlstm.insight.subjects import Subject, make_subject

METHODS = ("gradients", "occlusion")
# Tokens that are computed side by side: more take more memory and little less time.
_TOKENS_AT_ONCE = 8192
_TOKENS_TOLD = 20


@dataclass(frozen=True)
class Attribution:
    """How much each token of a text speaks for an answer.

    Attributes:
        text: the text.
        tokens: its pieces, as the model read them.
        answers: what the model answers, the likeliest first, and how probable each is.
        answer: the one that is asked about.
        kind: what it is: a "label", a "token" behind the text, a "translation" or a "piece" of it.
        score: what is shared out among the tokens, in words, such as "log-odds of 'positive'".
        value: the score of the text.
        empty_value: the score where all token vectors are zero.
        shares: float32 `[tokens]`: above 0 a token speaks for the answer, below against it. By
            "gradients" their sum is `value - empty_value`, but for the error of the sum.
        gradient_norms: float32 `[tokens]`, the length of the gradient of the score with respect to
            the vector of each token: how much of a small change there would reach the answer; of
            "occlusion" `None`.
        method: "gradients" or "occlusion".
        cut: whether the text is longer than what the model reads.
    """

    text: str
    tokens: tuple[str, ...]
    answers: dict[str, float]
    answer: str
    kind: str
    score: str
    value: float
    empty_value: float
    shares: np.ndarray
    gradient_norms: np.ndarray | None
    method: str
    cut: bool = False

    def __str__(self) -> str:
        """Says the answers and the tokens with the largest shares."""
        order = np.argsort(-np.abs(self.shares), kind="stable")[:_TOKENS_TOLD]
        lines = [", ".join(f"{name} {p:.1%}" for name, p in self.answers.items())]
        lines.append(f"{self.score}: {self.value:.2f} ({self.empty_value:.2f} without any token)")
        lines += [f"{self.shares[i]:+8.2f}  {self.tokens[i]}" for i in order]
        if len(self.tokens) > len(order):
            lines.append(f"          … and {len(self.tokens) - len(order):,} tokens more")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Returns the text, blue where it speaks for the answer and red where against, as HTML."""
        most = max(float(np.abs(self.shares).max(initial=0.0)), 1e-9)
        spans = []
        for token, share in zip(self.tokens, self.shares):
            red, green, blue = (67, 147, 195) if share >= 0 else (214, 96, 77)
            style = f"background:rgba({red},{green},{blue},{abs(share) / most:.2f})"
            shown = html.escape(token or "␣")
            spans.append(f'<span style="{style}" title="{share:+.3f}">{shown}</span>')
        answers = ", ".join(f"{html.escape(name)} {p:.1%}" for name, p in self.answers.items())
        return (
            f"<div><b>{answers}</b><br><small>{html.escape(self.score)}: {self.value:.2f}</small>"
            f'<div style="line-height:2;white-space:pre-wrap">{"".join(spans)}</div></div>'
        )


def attribute(
    model,
    text: str | bytes,
    *,
    target: str | None = None,
    position: int | None = None,
    method: str = "gradients",
    steps: int = 32,
) -> Attribution:
    """Says which tokens of a text an answer hangs on.

    The score s of the answer is a function of the token vectors x_1 … x_T: of a classifier the
    log-odds of a label, of a language model log p of a token behind the text, of a translator log p
    of a translation or of one token of it. What is shared out is what the score has above that of
    vectors of zeros, which a model knows from its training as dropped words.

    "gradients" (integrated gradients, Sundararajan et al., 2017): along the straight way from zeros
    to the text, with the midpoint rule of `steps` points,

        share_t = x_t · mean_k ∂s/∂x_t (a_k x)          a_k = (k + 1/2) / steps

    "occlusion" (Zeiler and Fergus, 2014): what the score loses when the one vector is zero,

        share_t = s(x) - s(x with x_t = 0)

    Args:
        model: a `TextClassifier`, `LanguageModel` or `Translator`; not changed.
        text: what it reads; what it cuts off has no share.
        target: the answer that is asked about: a label, a token, a translation; default the
            model's own.
        position: of a translator: the number of a token of the translation (0 the first), whose
            score alone is shared out; default `None`, that of the whole translation.
        method: "gradients" (default) or "occlusion", which runs the model once for every token.
        steps: of "gradients", default 32: more for a smaller error of the sum.

    Returns:
        An `Attribution`.

    Raises:
        InputError: if an argument is out of its range, or gradients cannot be computed.

    References:
        - Sundararajan, Taly and Yan, Axiomatic Attribution for Deep Networks, ICML 2017.
        - Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014.

    Example:
        >>> found = attribute(textlstm.load("models/sentiment-en"), "Dull at first, then a joy.")
        >>> max(zip(found.shares, found.tokens))[1]
        ' joy'
    """
    subject = make_subject(model, text, target=target, position=position)
    return attribute_subject(subject, text, method, steps)


def attribute_subject(
    subject: Subject, text, method: str = "gradients", steps: int = 32
) -> Attribution:
    """Shares out what `attribute` does, for a subject that is made already."""
    if method not in METHODS:
        raise InputError(f"method must be one of {', '.join(METHODS)}; got {method!r}")
    if not isinstance(steps, int) or steps < 1:
        raise InputError(f"steps must be a whole number of at least 1; got {steps!r}")
    vectors = np.asarray(ops.convert_to_numpy(subject.vectors()))  # [1, time, embedding_dim]
    value, empty_value = (
        float(np.asarray(subject.scores(ops.convert_to_tensor(shift)))[0])
        for shift in (np.zeros_like(vectors), -vectors)
    )
    norms = None
    if method == "gradients":
        points = (np.arange(steps, dtype="float32") + 0.5) / steps
        gradients = _gradients_of(subject)
        slopes = [
            gradients((part - 1)[:, None, None] * vectors).sum(axis=0)
            for part in _parts(points, vectors.shape[1])
        ]
        shares = (vectors[0] * sum(slopes) / steps).sum(axis=-1)
        norms = np.linalg.norm(gradients(np.zeros_like(vectors))[0], axis=-1)
    else:
        scores = []
        for places in _parts(np.arange(vectors.shape[1]), vectors.shape[1]):
            left_out = np.zeros((len(places), *vectors.shape[1:]), "float32")
            left_out[np.arange(len(places)), places] = -vectors[0, places]
            scores.append(ops.convert_to_numpy(subject.scores(ops.convert_to_tensor(left_out))))
        shares = value - np.concatenate(scores)
    return Attribution(
        text=text.decode("utf-8", "replace") if isinstance(text, bytes) else text,
        tokens=subject.tokens,
        answers=dict(subject.answers),
        answer=subject.answer,
        kind=subject.kind,
        score=subject.score,
        value=value,
        empty_value=empty_value,
        shares=np.asarray(shares, "float32"),
        gradient_norms=norms,
        method=method,
        cut=subject.cut,
    )


def _parts(rows: np.ndarray, tokens: int) -> list[np.ndarray]:
    """Divides rows into parts that are computed side by side; a power of 2 in all but the last."""
    size = max(1, _TOKENS_AT_ONCE // max(1, tokens))
    size = 2 ** (size.bit_length() - 1)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _gradients_of(subject: Subject) -> Callable[[np.ndarray], np.ndarray]:
    """Returns what gives the gradient of the score at each shift, float32 like the shifts."""
    run = compiled(lambda shift: gradient_of(subject.scores, shift)[1], subject.ids.shape[1])

    def gradients(shift):
        gradient = run(ops.convert_to_tensor(shift))
        return np.asarray(ops.convert_to_numpy(gradient), "float32")

    return gradients
