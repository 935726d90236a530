"""Language modelling: what comes next in a text, and texts made of that."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import keras
import numpy as np
from keras import ops

from textlstm.data import EncodedCorpus, StreamBatches, TextBatches
from textlstm.decoding import Sampler, Search
from textlstm.errors import InputError
from textlstm.layers import (
    RNN,
    ActivationRegularization,
    CarriedStates,
    LanguageHead,
    TokenEmbedding,
    WordDropout,
)
from textlstm.tasks.adam import Adam
from textlstm.tasks.cells import check_cell, config_of_cell, describe_cells, make_cell
from textlstm.tasks.compiled_parts import CompiledParts
from textlstm.tasks.language_parts import TOKENS_AT_ONCE, Beginner, Drawer, Generator, Reader
from textlstm.tasks.losses import MeanSurprise, Perplexity
from textlstm.tasks.task import Task, check_ranges
from textlstm.tasks.texts import checked_texts, held_out, holds_texts, pick, read_dataset
from textlstm.tasks.weight_average import WeightAverage
from textlstm.tasks.writing import (
    check_seeds,
    checked_options,
    checked_stops,
    cut_at,
    in_pieces,
    row_seeds,
)
from textlstm.tokenizers import SentencePieceTokenizer

# The tokens of a text that `evaluate` reads alone: a longer one is read in several parts at once.
_TOKENS_OF_A_PART = 250_000


@keras.saving.register_keras_serializable(package="textlstm")
class LanguageModel(Task):
    """A recurrent language model, which owns its tokenizer.

        ids → TokenEmbedding → RNN → LanguageHead → logits of the next token

    A text begins behind an end mark, which is that of the text before, and ends with its own. The
    model is trained on texts put behind each other and read in windows, with states carried from
    one to the next (`StreamBatches`), or, where texts are short, on each by itself (`TextBatches`).
    `fit`, `evaluate`, `score` and `generate` take strings; `call` takes token ids. The model is
    compiled when it is made, with defaults that work, and can be compiled anew like any Keras
    model.

    The regularisers are those of the AWD-LSTM (Merity et al., 2018), each a layer or an option of
    the cell; all draw once for all steps of a row (variational dropout), and none is on by default
    but dropout.

    Args:
        tokenizer: a `SentencePieceTokenizer`. One that gives every text back to the letter
            (`train(…, exact=True)`, `of_bytes`) writes line breaks and spaces as they were.
        cell: `"lstm"` (default), `"gru"`, or a cell, whose own size then counts.
        units: size of the state of each layer; default 512.
        num_layers: recurrent layers; default 2.
        embedding_dim: size of the token vectors; default 256.
        residual: whether each recurrent layer whose input is of the size of its output adds the one
            to the other; default `False`.
        tie_embeddings: whether the logits are made with the vectors of the embedding
            (`LanguageHead`); default `True`.
        cutoffs: the first ids of clusters of rare tokens, for an adaptive softmax, such as `[4000]`
            of a list of 30,000 words; default none (`LanguageHead`).
        dropout: share of the last layer's outputs set to zero in training; default 0.3.
        input_dropout: likewise of the token vectors; default 0.3.
        hidden_dropout: likewise of the outputs between recurrent layers; default 0.2.
        token_dropout: share of the words of the vocabulary that a batch does not see (their vectors
            are zero); default 0.
        weight_drop: share of the recurrent weights set to zero in training, of a `cell` by name;
            default 0.
        activation_regularization: `alpha` of `ActivationRegularization`; default 0.
        change_regularization: its `beta`; default 0.
        max_tokens: an export reads the last so many tokens of a prompt, and scores the first so
            many of a text; default 4,096.
        **kwargs: `name` and `dtype` of a Keras model.

    Call arguments:
        inputs: ids of the tokens read, int `[batch, time]`, the end mark first; or a dict as
            batches hold them, of `"ids"`, `"labels"` (the tokens that follow) and, to carry states,
            `"keep"` (`StreamBatches`).
        training: whether dropout is on.

    Returns:
        Logits of the next token, `[batch, time, vocabulary_size]`; for a dict -log p of the labels,
        float32 `[batch, time]`.

    Raises:
        InputError: if an argument is out of its range (it is a `ValueError`).

    References:
        - Mikolov et al., Recurrent Neural Network Based Language Model, Interspeech 2010.
        - Gal and Ghahramani, A Theoretically Grounded Application of Dropout in Recurrent Neural
          Networks, NIPS 2016.
        - Merity, Keskar and Socher, Regularizing and Optimizing LSTM Language Models, ICLR 2018.

    Example:
        >>> tokenizer = SentencePieceTokenizer.train(texts, 4000, exact=True)
        >>> model = LanguageModel(tokenizer)
        >>> model.fit(texts)
        >>> model.generate(["Once upon a time"], temperature=0.8)
    """

    def __init__(
        self,
        tokenizer: SentencePieceTokenizer,
        *,
        cell="lstm",
        units: int = 512,
        num_layers: int = 2,
        embedding_dim: int = 256,
        residual: bool = False,
        tie_embeddings: bool = True,
        cutoffs: Sequence[int] = (),
        dropout: float = 0.3,
        input_dropout: float = 0.3,
        hidden_dropout: float = 0.2,
        token_dropout: float = 0.0,
        weight_drop: float = 0.0,
        activation_regularization: float = 0.0,
        change_regularization: float = 0.0,
        max_tokens: int = 4_096,
        **kwargs,
    ):
        check_cell(cell)
        check_ranges(
            max_tokens,
            dropout=dropout,
            input_dropout=input_dropout,
            hidden_dropout=hidden_dropout,
            token_dropout=token_dropout,
            weight_drop=weight_drop,
        )
        if weight_drop and not isinstance(cell, str):
            raise InputError("weight_drop is of a cell by name; give it to your own cell instead")
        super().__init__(**kwargs)

        # === Config ===
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self._options = {
            "cell": config_of_cell(cell),
            "units": units,
            "num_layers": num_layers,
            "embedding_dim": embedding_dim,
            "residual": residual,
            "tie_embeddings": tie_embeddings,
            "cutoffs": list(cutoffs),
            "dropout": dropout,
            "input_dropout": input_dropout,
            "hidden_dropout": hidden_dropout,
            "token_dropout": token_dropout,
            "weight_drop": weight_drop,
            "activation_regularization": activation_regularization,
            "change_regularization": change_regularization,
        }

        # === Layers ===
        dtype = self.dtype_policy
        self.embedding = TokenEmbedding(
            tokenizer.vocabulary_size,
            embedding_dim,
            pad_id=tokenizer.pad_id,
            dtype=dtype,
            name="embedding",
        )
        self.token_dropout = WordDropout(token_dropout, tokenizer.vocabulary_size, dtype=dtype)
        self.input_dropout = keras.layers.SpatialDropout1D(input_dropout, dtype=dtype)
        self.rnn = RNN(
            make_cell(cell, units, dtype, weight_drop=weight_drop),
            num_layers=num_layers,
            dropout=hidden_dropout,
            variational_dropout=True,
            residual=residual,
            return_sequences=True,
            return_state=True,
            dtype=dtype,
            name="rnn",
        )
        self.output_dropout = keras.layers.SpatialDropout1D(dropout, dtype=dtype)
        self.regularization = ActivationRegularization(
            activation_regularization, change_regularization, dtype=dtype
        )
        self.head = LanguageHead(self.embedding, tie_embeddings, cutoffs, dtype=dtype, name="head")
        self.carried = CarriedStates(
            [(num_layers, size) for size in self.rnn.state_sizes], dtype=dtype, name="carried"
        )
        self.build((None, None))
        self._compiled = CompiledParts(self)
        self.compile()

    # === Keras: one batch of ids ===

    @property
    def weights(self):
        """The weights; the states that are carried while it trains are none."""
        carried = {id(variable) for variable in self.carried.variables}
        return [weight for weight in super().weights if id(weight) not in carried]

    def build(self, input_shape):
        """Creates the weights; what the constructor was given determines all shapes."""
        self.embedding.build((None, None))
        self.rnn.build((None, None, self.embedding.output_dim))
        self.head.build((None, None, self.rnn.output_size))

    def call(self, inputs, training=False):
        """Computes logits, or -log p of labels; see the class."""
        if not isinstance(inputs, dict):
            return self.head(self.read(inputs, training=training)[0])
        states = None
        if "keep" in inputs:
            states = self.carried.read(bool(training), inputs["keep"])
        real = ops.not_equal(inputs["labels"], self.tokenizer.pad_id)
        outputs, states = self.read(inputs["ids"], states, training=training, real=real)
        if "keep" in inputs:
            self.carried.write(bool(training), states)
        return self.head.surprise(outputs, inputs["labels"])

    def read(self, ids, states=None, mask=None, training=False, shift=None, real=None) -> tuple:
        """Reads tokens.

        Args:
            ids: int `[batch, time]`.
            states: those before the first token; default `None`, zeros.
            mask: bool `[batch, time]`, where there is a token; default everywhere.
            training: whether dropout is on.
            shift: what is added to the token vectors, floats `[batch, time, embedding_dim]`;
                default `None`, nothing.
            real: bool `[batch, time]`, which steps the penalties of training count, where the
                states may read on (which is faster than a mask); default `mask`.

        Returns:
            `(outputs, states)`: the last layer's, `[batch, time, output_size]`, which `head` turns
            into logits; and the states after the last token.
        """
        vectors = self.embedding.call(ids)  # not by `embedding(ids)`, which would attach a mask
        if shift is not None:
            vectors = vectors + ops.cast(shift, vectors.dtype)
        vectors = self.token_dropout(vectors, ids, training=training)
        vectors = self.input_dropout(vectors, training=training)
        outputs, states = self.rnn(vectors, initial_state=states, mask=mask, training=training)
        dropped = self.output_dropout(outputs, training=training)
        real = mask if real is None else real
        return self.regularization(outputs, dropped, mask=real, training=training), states

    def compute_output_spec(self, inputs, training=False):
        """Returns the shape and type of what `call` returns."""
        if isinstance(inputs, dict):
            return keras.KerasTensor(inputs["labels"].shape, dtype="float32")
        shape = (*inputs.shape, self.tokenizer.vocabulary_size)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    # === Step by step ===

    def begin(self, ids, lengths) -> tuple:
        """Reads prompts, all but their last tokens.

        Args:
            ids: of the prompts, the end mark first, int `[batch, time]`, padded at the right.
            lengths: int `[batch]`, the end mark included.

        Returns:
            `(last, states)`: the last tokens, int32 `[batch]`, and the states before them, a list
            of `[batch, num_layers, size]`: what the first `step` is given.
        """
        places = ops.arange(ops.shape(ids)[1], dtype="int32")[None]
        last = ops.cast(lengths, "int32")[:, None] - 1  # [batch, 1]
        _, states = self.read(ids, mask=places < last)
        return ops.take_along_axis(ids, last, axis=1)[:, 0], states

    def step(self, ids, states) -> tuple:
        """Goes on by one token.

        Args:
            ids: the tokens read, int `[batch]`.
            states: list of `[batch, num_layers, size]`.

        Returns:
            `(logits, states)`: of the next token, `[batch, vocabulary_size]`, and the new states.
        """
        outputs, states = self.rnn.step(self.embedding.call(ids), states)
        return self.head(outputs), states

    def new_sampler(self, seeds, prompt_ids=None, **options) -> Sampler:
        """Makes a `Sampler` that ends with the end mark and never draws `<unk>`."""
        return Sampler(
            self.tokenizer.end_id,
            seeds=seeds,
            prompt_ids=prompt_ids,
            forbidden_ids=self.forbidden_ids,
            pad_id=self.tokenizer.pad_id,
            **options,
        )

    @property
    def forbidden_ids(self) -> tuple[int, ...]:
        """The ids that no text holds: unknown, padding, begin mark."""
        tokenizer = self.tokenizer
        ids = {tokenizer.unknown_id, tokenizer.pad_id, tokenizer.begin_id} - {tokenizer.end_id}
        return tuple(sorted(id for id in ids if id is not None))

    # === Training ===

    def compile(self, optimizer="auto", loss="auto", weighted_metrics="auto", **kwargs):
        """Configures the training, as `keras.Model.compile`.

        Args:
            optimizer: default Adam with learning rate 2e-3 and gradients clipped to norm 1.
            loss: default the mean of -log p over all tokens of a batch. What a loss is given as
                `y_pred` is -log p of each token, `[batch, time]`.
            weighted_metrics: default the perplexity.
            **kwargs: the other arguments of `keras.Model.compile`.
        """
        if isinstance(optimizer, str) and optimizer == "auto":
            optimizer = Adam(2e-3, global_clipnorm=1.0)
        if isinstance(loss, str) and loss == "auto":
            loss = MeanSurprise()
        if isinstance(weighted_metrics, str) and weighted_metrics == "auto":
            weighted_metrics = [Perplexity(from_logits=False)]
        super().compile(optimizer=optimizer, loss=loss, weighted_metrics=weighted_metrics, **kwargs)

    def fit(
        self,
        x=None,
        y=None,
        *,
        batch_size: int = 64,
        window: int = 70,
        carry_states: bool | None = None,
        reset: float = 0.02,
        epochs: int = 10,
        validation_split: float = 0.1,
        validation_data=None,
        early_stopping: int | None = 2,
        average_weights: float | WeightAverage | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_minutes: float = 10.0,
        shuffle: bool = True,
        seed: int = 0,
        callbacks=None,
        **kwargs,
    ):
        """Trains on texts, as `keras.Model.fit`.

        A slice of the texts is held out for validation, chosen by the texts themselves (of a single
        text its end), and the training stops when the loss on it no longer falls; the best weights
        are kept.

        Args:
            x: texts (a list, array or series of `str` or UTF-8 `bytes`, or a `tf.data.Dataset` of
                strings, one or a batch at a time), an `EncodedCorpus`, `StreamBatches` or
                `TextBatches`.
            y: none: a text is its own label.
            batch_size: parts of the texts, or texts, that are read side by side; default 64. This
                and the next three only for texts and corpora.
            window: tokens that are read at once, and that gradients reach back at most; default 70.
            carry_states: whether the texts are put behind each other and read in windows, with
                states carried on, or each is read by itself, as a whole. Default: the first, unless
                the texts have no more than `window` tokens on average.
            reset: share of the windows that begin with no states, as generation does; default 0.02.
            epochs: the most passes over the texts; default 10.
            validation_split: share that is held out when there is no `validation_data`; default
                0.1, 0 for none. Only for texts.
            validation_data: texts, or anything that `x` may be.
            early_stopping: number of epochs without a better validation loss after which to stop
                and go back to the best weights; default 2, `None` for never. Without validation
                data it has no effect; an `EarlyStopping` among the callbacks takes its place.
            average_weights: decay, such as 0.999, of a moving average of the weights, which the
                model is validated with and holds at the end; or a `WeightAverage`; default none.
            checkpoint: a folder in which the state of the training is kept. If it holds one
                already, the training goes on from there; call with the same data and arguments.
                Default: none is kept.
            checkpoint_minutes: the state is kept after each epoch, and within an epoch every so
                many minutes; default 10.
            shuffle: whether each epoch takes the texts in a new order.
            seed: of that order.
            callbacks: Keras callbacks.
            **kwargs: the other arguments of `keras.Model.fit` (`verbose`, `initial_epoch`, …).

        Returns:
            The `History` of `keras.Model.fit`.

        Raises:
            InputError: if there is no text, too little of it, or an argument out of its range.
        """
        if y is not None:
            raise InputError("a language model has no labels but its texts; leave out `y`")
        x = read_dataset(x)
        if holds_texts(x):
            x = checked_texts(x)
            if validation_data is None and validation_split:
                x, validation_data = _hold_out(x, validation_split, seed)
            x = self.encode(x)
        if isinstance(x, EncodedCorpus):
            x = self.make_batches(
                x,
                batch_size,
                window=window,
                carry_states=carry_states,
                reset=reset,
                shuffle=shuffle,
                seed=seed,
            )
        if validation_data is not None:
            validation_data = self._validation_batches(validation_data, x)
        with self._carrying(x, validation_data):
            return self.fit_batches(
                x,
                epochs=epochs,
                validation_data=validation_data,
                early_stopping=early_stopping,
                average_weights=average_weights,
                checkpoint=checkpoint,
                checkpoint_minutes=checkpoint_minutes,
                callbacks=callbacks,
                **kwargs,
            )

    def encode(self, texts, *, folder: str | Path | None = None) -> EncodedCorpus:
        """Encodes texts once, to be fitted or evaluated many times.

        Args:
            texts: an iterable of texts.
            folder: where to write them (`EncodedCorpus.build`); default memory.
        """
        return EncodedCorpus.build(texts, self.tokenizer, folder=folder)

    def make_batches(
        self,
        corpus: EncodedCorpus,
        batch_size: int = 64,
        *,
        window: int = 70,
        carry_states: bool | None = None,
        reset: float = 0.0,
        max_batch_tokens: int | None = 2**16,
        **options,
    ) -> StreamBatches | TextBatches:
        """Makes the batches that `fit` trains on.

        Args:
            corpus: what `encode` gave.
            batch_size: as of `fit`, like the next two.
            window: of `StreamBatches`.
            carry_states: whether to make `StreamBatches` or `TextBatches`; default as of `fit`.
            reset: of `StreamBatches`.
            max_batch_tokens: of `TextBatches`; default 65,536, so that long texts, of which there
                is no limit, fit into memory.
            **options: the other arguments of both (`shuffle`, `seed`).

        Raises:
            InputError: if there is too little text.
        """
        if carry_states is None:
            carry_states = corpus.tokens > window * len(corpus)
        marks = {"end_id": self.tokenizer.end_id, "pad_id": self.tokenizer.pad_id}
        try:
            if carry_states:
                return StreamBatches(
                    corpus, batch_size, window=window, reset=reset, **marks, **options
                )
            options["max_batch_tokens"] = max_batch_tokens
            return TextBatches(corpus, batch_size, **marks, **options)
        except ValueError as error:
            raise InputError(str(error)) from error

    def _validation_batches(self, data, train):
        """Turns validation data into batches like those that are trained on."""
        data = read_dataset(data)
        if holds_texts(data):
            data = self.encode(checked_texts(data))
        if not isinstance(data, EncodedCorpus):
            return data
        if isinstance(train, TextBatches):
            return self.make_batches(data, train.batch_size, carry_states=False, shuffle=False)
        size = min(getattr(train, "batch_size", 64), max(1, data.tokens // 100))
        return self.make_batches(
            data, size, window=200, carry_states=True, vary=False, shuffle=False
        )

    @contextmanager
    def _carrying(self, train, validation) -> Iterator[None]:
        """Makes room for the states that are carried, as long as a training or a test lasts."""
        kinds = {True: train, False: validation}
        kinds = {k: batches for k, batches in kinds.items() if isinstance(batches, StreamBatches)}
        for training, batches in kinds.items():
            self.carried.make_room(training, batches.batch_size)
            self._forget_step(training)
        try:
            yield
        finally:
            for training in kinds:
                self.carried.take_away(training)
                self._forget_step(training)

    def _forget_step(self, training: bool) -> None:
        """Has Keras make a step anew: the one it has refers to states that were taken away."""
        if training:
            self.train_function = None
        else:  # not that of the training, in the midst of which a callback may evaluate
            self.test_function = None

    # === Measures ===

    def evaluate(
        self,
        x=None,
        y=None,
        *,
        carry_states: bool = True,
        batch_size: int | None = None,
        window: int = 512,
        **kwargs,
    ) -> dict:
        """Measures how well texts are foretold.

        Args:
            x: texts, as of `fit`, or an `EncodedCorpus`; of batches loss and metrics are computed
                as `keras.Model.evaluate` does.
            y: none.
            carry_states: whether the texts are read one behind the other, the states carried from
                each to the next (default), or each by itself, as a model should be measured that
                was trained so.
            batch_size: parts of the texts that are read side by side, each but the first beginning
                with no states; default one for each 250,000 tokens, so that shorter texts are read
                as a whole. Without `carry_states` texts, default 64.
            window: tokens that are read at once; it changes no figure; default 512.
            **kwargs: of `keras.Model.evaluate`; they have an effect on batches alone.

        Returns:
            A dict: `"loss"`, the mean of -log p over all tokens, end marks included, in nats;
            `"perplexity"`, exp of it; `"tokens"`; and of texts also -log2 p of all of them by
            character, `"bits_per_character"`, and by byte of UTF-8, `"bits_per_byte"` (an end mark
            counts as one), and exp of -log p by word, `"word_perplexity"` (what spaces part, the
            end mark too), and the `"unknown_tokens"`: where there are any, the other figures say
            how well they are foretold, but not what they stand for, and come out too good.

        Raises:
            InputError: if there is no text.
        """
        if isinstance(x, keras.utils.PyDataset):
            has_room = self.carried.has_room(training=False)  # `keras.Model.fit` validates
            with nullcontext() if has_room else self._carrying(None, x):
                return super().evaluate(x, **kwargs)
        texts, x = None, read_dataset(x)
        if holds_texts(x):
            texts = [_as_str(text) for text in checked_texts(x)]
            x = self.encode(texts)
        if not len(x):
            raise InputError("there is no text to evaluate on")
        if carry_states:
            parts = batch_size or max(1, x.tokens // _TOKENS_OF_A_PART)
            total = self._carried_surprise(x, parts, window)
        else:
            total = float(self._row_surprises(x, batch_size or 64).sum())
        figures = {"loss": total / x.tokens, "perplexity": _exp(total / x.tokens)}
        figures["tokens"] = x.tokens
        if texts is not None:
            ends = len(texts)
            characters = ends + sum(map(len, texts))
            size = ends + sum(len(text.encode("utf-8", "replace")) for text in texts)
            words = ends + sum(len(text.split()) for text in texts)
            figures["bits_per_character"] = total / math.log(2) / characters
            figures["bits_per_byte"] = total / math.log(2) / size
            figures["word_perplexity"] = _exp(total / words)
            unknown_id = self.tokenizer.unknown_id
            figures["unknown_tokens"] = sum(
                int((x.ids(row) == unknown_id).sum()) for row in range(len(x))
            )
        return figures

    def score(self, texts: Sequence[str | bytes], *, batch_size: int = 64) -> np.ndarray:
        """Computes log p of texts, each by itself, its end mark included.

        Args:
            texts: a list, array or series of `str` or UTF-8 `bytes`.
            batch_size: texts that are read side by side; default 64.

        Returns:
            float32 `[texts]`.
        """
        texts = checked_texts(texts)
        if not texts:
            return np.zeros((0,), "float32")
        return -self._row_surprises(self.encode(texts), batch_size).astype("float32")

    def _carried_surprise(self, corpus: EncodedCorpus, batch_size: int, window: int) -> float:
        """Computes the sum of -log p of texts that are read one behind the other."""
        size = min(batch_size, corpus.tokens)
        batches = self.make_batches(
            corpus, size, window=window, carry_states=True, vary=False, shuffle=False
        )
        total, states = 0.0, self.rnn.get_initial_state(batches.batch_size)
        for index in range(len(batches)):
            inputs, labels, weights = batches[index]
            surprise, states = self._compiled.get(Reader).predict_on_batch(
                {"ids": inputs["ids"], "labels": labels, "states": states}
            )
            total += float((np.asarray(surprise, "float64") * weights).sum())
        return total

    def _row_surprises(self, corpus: EncodedCorpus, batch_size: int) -> np.ndarray:
        """Computes -log p of texts, each by itself: float64 `[rows]`."""
        batches = self.make_batches(corpus, batch_size, carry_states=False, shuffle=False)
        sums = np.zeros((len(corpus),))
        for index in range(len(batches)):
            inputs, labels, weights = batches[index]
            states = self.rnn.get_initial_state(len(labels))
            surprise, _ = self._compiled.get(Reader).predict_on_batch(
                {"ids": inputs["ids"], "labels": labels, "states": states}
            )
            sums[batches.rows(index)] = (np.asarray(surprise, "float64") * weights).sum(axis=1)
        return sums

    # === Texts out ===

    def generate(
        self,
        prompts: Sequence[str | bytes],
        *,
        max_tokens: int = 200,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        repetition_penalty: float | None = None,
        stop: str | Sequence[str] = (),
        seed: int | Sequence[int] = 0,
        search: Search | None = None,
        batch_size: int = 64,
    ) -> list[str]:
        """Goes on with texts.

        Args:
            prompts: a list, array or series of `str` or UTF-8 `bytes`; an empty one begins a text.
            max_tokens: the most tokens that are added; default 200.
            temperature: below 1 likelier tokens become likelier still, 0 takes the likeliest
                always; default 1.0.
            top_k: draw from so many tokens only; default all.
            top_p: draw from the likeliest tokens only, until they have this share of the
                probability, in (0, 1]; default all.
            min_p: draw from tokens only that are at least this share as likely as the likeliest;
                default all.
            repetition_penalty: by what log p of tokens that the text holds already is multiplied;
                default none.
            stop: strings; a text ends before the one that is the first to be complete.
            seed: what is drawn follows from it. A row's text depends on its own seed alone: a
                number s stands for s, s + 1, … of the prompts, a list has one for each.
            search: a `Search` of your own in place of the `Sampler`; default `None`. One that is a
                `Sampler` has its own options and one seed for all rows, or one for each prompt of a
                single batch.
            batch_size: prompts that are gone on with side by side; default 64.

        Returns:
            What follows each prompt, without it.

        Raises:
            InputError: if an option is out of its range.
        """
        prompts = checked_texts(prompts)
        options = checked_options(max_tokens, temperature, top_k, top_p, min_p, repetition_penalty)
        stops = checked_stops(stop)
        seeds = row_seeds(seed, len(prompts))
        check_seeds(search, len(prompts), batch_size)
        texts = []
        for start in range(0, len(prompts), batch_size):
            rows = slice(start, start + batch_size)
            ids, lengths = self._encode_prompts(prompts[rows])
            inputs = {"ids": ids, "lengths": lengths, "seeds": seeds[rows]}
            inputs |= {name: np.full(len(ids), value) for name, value in options.items()}
            found, _ = self._compiled.get(Generator, max_tokens, search).predict_on_batch(inputs)
            for prompt, added in zip(ids, np.asarray(found)):
                texts.append(cut_at(self._added_text(prompt, added), stops))
        return texts

    def predict(self, x, **options) -> np.ndarray:
        """Goes on with texts, as `generate` with these options: an array of strings."""
        return np.array(self.generate(x, **options), dtype=object)

    def stream(
        self,
        prompt: str | bytes = "",
        *,
        max_tokens: int = 200,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        repetition_penalty: float | None = None,
        stop: str | Sequence[str] = (),
        seed: int = 0,
    ) -> Iterator[str]:
        """Goes on with a text, and gives what is added piece by piece, as it is drawn.

        The pieces together are what `generate` gives. States are carried from token to token:
        each takes equally long, however long the text. A character that needs several tokens comes
        when it is whole, and nothing comes that may yet turn out to be part of a stop string.

        Args:
            prompt: the text to go on with; default none: a text is begun.
            max_tokens: as of `generate`, like the rest.
            temperature: see there.
            top_k: see there.
            top_p: see there.
            min_p: see there.
            repetition_penalty: see there; it is of what was added and of the prompt.
            stop: see there.
            seed: see there.

        Yields:
            Strings, none of them empty.

        Raises:
            InputError: if an option is out of its range.
        """
        (prompt,) = checked_texts([prompt])
        options = checked_options(max_tokens, temperature, top_k, top_p, min_p, repetition_penalty)
        stops = checked_stops(stop)
        options["seeds"] = row_seeds(seed, 1)
        ids, lengths = self._encode_prompts([prompt])
        tokens = self._stream_ids(ids, lengths, max_tokens, options)
        return in_pieces(tokens, self.tokenizer, stops, before=ids[0, 1:])

    def _stream_ids(self, ids, lengths, max_tokens: int, options: dict) -> Iterator[int]:
        last, states = self._compiled.get(Beginner).predict_on_batch(
            {"ids": ids, "lengths": lengths}
        )
        is_said = np.zeros((1, self.tokenizer.vocabulary_size), "bool")
        is_said[0, ids[0, 1:]] = True
        given = {name: np.reshape(value, (1,)) for name, value in options.items()}
        state = {"last": last, "states": states, "is_said": is_said}
        for n in range(0, max_tokens, TOKENS_AT_ONCE):
            count = min(TOKENS_AT_ONCE, max_tokens - n)
            counts = {"n": np.array([n], "int32"), "count": np.array([count], "int32")}
            state = self._compiled.get(Drawer).predict_on_batch({**given, **state, **counts})
            for token in state.pop("drawn")[0, :count]:
                if token == self.tokenizer.end_id:
                    return
                yield int(token)

    def _encode_prompts(self, prompts: list) -> tuple[np.ndarray, np.ndarray]:
        """Encodes prompts behind an end mark: int32 `[rows, width]`, padded, and their lengths."""
        end = np.array([self.tokenizer.end_id], np.int32)
        rows = [np.append(end, row) for row in self.tokenizer.encode(prompts, add_end=False)]
        lengths = np.array([len(row) for row in rows], np.int32)
        ids = np.full((len(rows), max(lengths, default=1)), self.tokenizer.pad_id, np.int32)
        for place, row in zip(ids, rows):
            place[: len(row)] = row
        return ids, lengths

    def _added_text(self, prompt, added) -> str:
        """Decodes what was added behind a prompt, both int `[width]`, up to the end mark."""
        marks = (self.tokenizer.end_id, self.tokenizer.pad_id)
        before, behind = (
            [int(token) for token in ids if token not in marks] for ids in (prompt, added)
        )
        # A space at the head of a text is not written, one behind a prompt is.
        whole = self.tokenizer.decode(before + behind)
        return whole[len(self.tokenizer.decode(before)) :]

    # === Saving ===

    def get_config(self) -> dict:
        """Returns the arguments of the constructor; the tokenizer's model is part of it."""
        return {
            **self._config_of_options(),
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
        }

    def make_serving(self):
        """Makes the module with the signatures of an export; needs the TensorFlow backend."""
        from textlstm.tasks.language_serving import language_serving

        return language_serving(self)

    def describe(self) -> str:
        """Says in one sentence what the model is, for its card."""
        return (
            f"A language model: {describe_cells(self.rnn)} predicts the next of "
            f"{self.tokenizer.vocabulary_size:,} SentencePiece tokens; {self.count_params():,} "
            "parameters."
        )

    def fit_example(self) -> str:
        """Returns a line of Python that trains the model further, loaded as `model`."""
        return "model.fit(texts)"

    def serving_example(self) -> str:
        """Returns a line of Python that asks an export, loaded as `model`, a question."""
        return 'model.signatures["serving_default"](prompt=tf.constant(["…"]))["text"]'


def _hold_out(texts: list, share: float, seed: int) -> tuple[list, list | None]:
    """Divides texts into those to train on and those to validate on: of a single text its end."""
    if len(texts) == 1:
        text = _as_str(texts[0])
        cut = len(text) - round(share * len(text))
        return ([text[:cut]], [text[cut:]]) if 0 < cut < len(text) else (texts, None)
    held = held_out(texts, share, seed)  # bool [texts]
    return (pick(texts, ~held), pick(texts, held)) if held.any() else (texts, None)


def _as_str(text: str | bytes) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def _exp(surprise: float) -> float:
    """Returns exp, or infinity of what is too much."""
    return math.exp(surprise) if surprise < 700 else math.inf
