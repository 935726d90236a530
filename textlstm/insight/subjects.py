"""One text as a model reads it, and the answer that is asked about: what insight needs."""

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from textlstm.errors import InputError
from textlstm.layers import RNN
from textlstm.tasks import LanguageModel, TextClassifier, Translator

MAX_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Stack:
    """Recurrent layers that read the same tokens.

    Attributes:
        name: what the layers are in the model: "recurrent", "encoder", "decoder".
        rnns: the layers, from the bottom up.
        tokens: what is read at each step.
    """

    name: str
    rnns: tuple[RNN, ...]
    tokens: tuple[str, ...]


class Subject:
    """A text as a model reads it.

    Attributes:
        model: the task.
        ids: of the text, int32 `[1, time]`.
        tokens: the pieces they stand for, `time` of them.
        answers: what the model answers, the likeliest first, and how probable each is.
        answer: the one that is asked about.
        kind: what it is: "label", "token", "translation" or "piece".
        score: what `scores` gives, in words.
        stacks: the recurrent layers that take part.
        cut: whether the text is longer than what the model reads.
    """

    kind: str
    score: str

    def embedding(self):
        """Returns the layer that gives the tokens their vectors."""
        return self.model.embedding

    def vectors(self):
        """Returns the token vectors, float32 `[1, time, embedding_dim]`."""
        return ops.cast(self.embedding().call(self.ids), "float32")

    def run(self):
        """Reads the text as the model does; returns the attention `[targets, time]`, or `None`."""
        raise NotImplementedError

    def scores(self, shift):
        """Computes how much the model is for the answer, with the token vectors shifted.

        Args:
            shift: `[rows, time, embedding_dim]`.

        Returns:
            float32 `[rows]`.
        """
        raise NotImplementedError

    def _rows(self, shift):
        """Returns the ids, once for each row of `shift`."""
        return np.repeat(self.ids, int(shift.shape[0]), axis=0)


class ClassifierSubject(Subject):
    """A text and one of the labels: the likeliest, or the one given."""

    kind = "label"

    def __init__(
        self,
        model: TextClassifier,
        text,
        max_bytes: int = MAX_BYTES,
        target: str | None = None,
    ):
        if target is not None and target not in model.labels:
            raise InputError(f"no label {target!r}; there are {', '.join(model.labels)}")
        self.model = model
        corpus = model.encode([text])
        self.cut = bool(corpus.cut)
        self.ids = np.asarray(corpus.ids(0), np.int32)[None]
        self.tokens = readable(self.ids[0], model.tokenizer)
        if not self._steps():
            raise InputError(
                "the text is empty, and this model does not read the end mark: there is nothing to "
                "look at"
            )
        self.stacks = [Stack("recurrent", (model.recurrent,), self._steps())]
        check_size(self.stacks, max_bytes)
        probabilities = np.asarray(model.to_probabilities(model(self.ids)))[0]
        order = np.argsort(-probabilities, kind="stable")
        self.answers = {model.labels[i]: float(probabilities[i]) for i in order}
        self.answer = target or model.labels[order[0]]
        self.score = f"log-odds of {self.answer!r}"

    def _steps(self) -> tuple[str, ...]:
        """Returns what stands at each step of the recurrent layer: a token, or several."""
        tokens = self.tokens
        if not self.model.get_config()["read_end_mark"]:
            tokens = tokens[:-1]
        if self.model.front is None:
            return tokens
        size = self.model.front.pool_size
        return tuple("".join(tokens[i : i + size]) for i in range(0, len(tokens), size))

    def run(self):
        """Reads the text; see `Subject`."""
        outputs, mask = self.model.read(self.ids)
        pooling = self.model.pooling
        if not hasattr(pooling, "compute_weights"):
            return None
        weights = ops.convert_to_numpy(pooling.compute_weights(outputs, mask))
        return weights[:, ops.convert_to_numpy(mask)[0]]

    def scores(self, shift):
        """Computes the log-odds of the label, log p - log(1 - p); see `Subject`."""
        logits = self.model(self._rows(shift), shift=shift)  # [rows, labels]
        index = self.model.labels.index(self.answer)
        chosen = logits[:, index]
        if self.model.multi_label:
            return chosen
        others = ops.concatenate([logits[:, :index], logits[:, index + 1 :]], axis=1)
        return chosen - ops.logsumexp(others, axis=1)


class LanguageModelSubject(Subject):
    """A text and the token behind it: the likeliest, or the one given."""

    kind = "token"

    def __init__(
        self,
        model: LanguageModel,
        text,
        max_bytes: int = MAX_BYTES,
        target: str | None = None,
    ):
        self.model = model
        self.cut = False
        tokenizer = model.tokenizer
        (ids,) = tokenizer.encode([text], add_end=False)
        # A text begins behind the end mark of the one before it.
        self.ids = np.append(np.int32(tokenizer.end_id), ids).astype(np.int32)[None]
        self.tokens = readable(self.ids[0], tokenizer)
        self.stacks = [Stack("recurrent", (model.rnn,), self.tokens)]
        check_size(self.stacks, max_bytes)
        logits = np.asarray(self._logits(None), "float64")[0]
        logits[list(model.forbidden_ids)] = -np.inf
        order = np.argsort(-logits, kind="stable")
        probabilities = np.exp(logits - logits.max())
        probabilities /= probabilities.sum()
        names = tokenizer.pieces
        self.answers = {readable([i], tokenizer)[0]: float(probabilities[i]) for i in order[:10]}
        self._target = order[0] if target is None else _id_of(target, tokenizer, names)
        (self.answer,) = readable([self._target], tokenizer)
        self.score = f"log-probability of {self.answer!r} behind it"

    def _logits(self, shift):
        """Computes the logits behind the last token, `[rows, vocabulary_size]`."""
        ids = self.ids if shift is None else self._rows(shift)
        outputs, _ = self.model.read(ids, shift=shift)
        return self.model.head(outputs[:, -1:])[:, 0]

    def run(self):
        """Reads the text; see `Subject`."""
        self.model.read(self.ids)

    def scores(self, shift):
        """Computes log p of the token; see `Subject`."""
        logits = ops.cast(self._logits(shift), "float32")
        return logits[:, int(self._target)] - ops.logsumexp(logits, axis=1)


class TranslatorSubject(Subject):
    """A text and its translation: the model's own, or the one given; or a token of it."""

    kind = "translation"
    score = "log-probability of the translation"

    def __init__(
        self,
        model: Translator,
        text,
        max_bytes: int = MAX_BYTES,
        target: str | None = None,
        position: int | None = None,
    ):
        self.model = model
        if model.decoder.input_feeding and keras.backend.backend() != "tensorflow":
            raise InputError(
                "a translator with input feeding is looked into under TensorFlow alone; start "
                "Python with KERAS_BACKEND=tensorflow"
            )
        if target is None:
            ((best, *_),) = model.translate([text], n_best=1)
            target = best.text
        pairs = model.encode([text], [target], cut=True)
        self.cut = bool(pairs.source.cut)
        batches = model.make_batches(pairs, 1, shuffle=False)
        inputs, labels, real = batches[0]
        self.ids = _without_padding(inputs["source"], batches.pad_id)
        self.tokens = readable(self.ids[0], model.source_tokenizer)
        self._read = np.asarray(inputs["target"])[:, np.asarray(real)[0] > 0]  # by the decoder
        self._labels = np.asarray(labels)[:, np.asarray(real)[0] > 0]
        self.targets = readable(self._labels[0], model.target_tokenizer)
        if position is not None and not 0 <= position < len(self.targets):
            raise InputError(
                f"position must be from 0 to {len(self.targets) - 1}, that of a token of the "
                f"translation; got {position!r}"
            )
        decoder = model.decoder
        self.stacks = [
            Stack("encoder", (model.encoder,), self.tokens),
            Stack(
                "decoder",
                tuple(rnn for rnn in (decoder.lower, decoder.upper) if rnn is not None),
                readable(self._read[0], model.target_tokenizer),
            ),
        ]
        check_size(self.stacks, max_bytes)
        self._position = None
        total = float(np.asarray(self.scores(ops.zeros_like(self.vectors())))[0])
        self.answers = {target: float(np.exp(total))}
        self.answer = target
        if position is not None:
            self._position = position
            self.kind = "piece"
            self.answer = self.targets[position]
            self.score = f"log-probability of {self.answer!r} in the translation"

    def embedding(self):
        """Returns the layer that gives the source's tokens their vectors."""
        return self.model.source_embedding

    def run(self):
        """Reads the text and says the translation; see `Subject`."""
        weights = self.model.attend({"source": self.ids, "target": self._read})
        return ops.convert_to_numpy(weights)[0]

    def scores(self, shift):
        """Computes log p of the translation, or of the token at `position`; see `Subject`."""
        rows = int(shift.shape[0])
        target = np.repeat(self._read, rows, axis=0)
        logits = self.model({"source": self._rows(shift), "target": target}, shift=shift)
        logits = ops.cast(logits, "float32")  # [rows, targets, vocabulary_size]
        labels = np.repeat(self._labels, rows, axis=0)[:, :, None]
        log_probs = ops.take_along_axis(logits, labels, axis=2)[:, :, 0]
        log_probs = log_probs - ops.logsumexp(logits, axis=2)  # [rows, targets]
        if self._position is not None:
            return log_probs[:, self._position]
        return ops.sum(log_probs, axis=1)


def make_subject(model, text: str | bytes, max_bytes: int = MAX_BYTES, **options) -> Subject:
    """Makes the subject that fits the model.

    Args:
        model: a task.
        text: what it reads.
        max_bytes: the most memory that a recording may take; default 1 GiB.
        **options: `target`, and of a translator `position`; see `attribute`.

    Raises:
        InputError: if it is no model of ours, the text no string, a recording too large, or an
            option not for this task.
    """
    if not isinstance(text, (str, bytes)):
        raise InputError(f"a text is a string; got {type(text).__name__}: {text!r}")
    for task, kind in (
        (TextClassifier, ClassifierSubject),
        (LanguageModel, LanguageModelSubject),
        (Translator, TranslatorSubject),
    ):
        if isinstance(model, task):
            options = {name: value for name, value in options.items() if value is not None}
            if "position" in options and kind is not TranslatorSubject:
                raise InputError("position is of a translation; this model makes none")
            return kind(model, text, max_bytes, **options)
    raise InputError(
        "insight looks into a TextClassifier, a LanguageModel or a Translator; "
        f"got {type(model).__name__}"
    )


def check_size(stacks: list[Stack], max_bytes: int) -> None:
    """Raises an `InputError` if a recording would take more than `max_bytes`."""
    size = 0
    for stack in stacks:
        for cell in (cell for rnn in stack.rnns for cell in rnn.cells):
            sizes = cell.state_size
            numbers = sum(sizes) if isinstance(sizes, (list, tuple)) else sizes
            numbers += getattr(cell, "units", 0) * len(getattr(cell, "gates", ()))
            size += 4 * 2 * numbers * len(stack.tokens)
    if size > max_bytes:
        raise InputError(
            f"recording {len(stacks[0].tokens):,} tokens takes about {size / 1e6:,.0f} MB, more "
            f"than the {max_bytes / 1e6:,.0f} MB of max_bytes; give a shorter text, or raise "
            "max_bytes"
        )


def readable(ids, tokenizer) -> tuple[str, ...]:
    """Returns the pieces of ids as they are shown: spaces as spaces, bytes as `<0xE4>`."""
    pieces = tokenizer.pieces
    return tuple(pieces[int(i)].replace("▁", " ") for i in ids)


def _without_padding(ids, pad_id: int) -> np.ndarray:
    """Returns the ids of one row, int32 `[1, time]`."""
    ids = np.asarray(ids, np.int32)[0]
    return ids[ids != pad_id][None]


def _id_of(target: str, tokenizer, names) -> int:
    """Returns the id of a piece by its name, or of the first piece of a text."""
    for name in (target, target.replace(" ", "▁")):
        if name in names:
            return names.index(name)
    (ids,) = tokenizer.encode([target], add_end=False)
    if not len(ids):
        raise InputError(f"target must be a token, or begin with one; got {target!r}")
    return int(ids[0])
