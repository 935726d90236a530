"""Translation: strings in one language to strings in another."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import ops

from textlstm.data import BucketedBatches, EncodedCorpus, EncodedPairs, PairBatches
from textlstm.data.encoded_pairs import check_same_count
from textlstm.decoding import BeamSearch, Search
from textlstm.errors import InputError
from textlstm.layers import RNN, AttentionDecoder, TiedHead, TokenEmbedding, WordDropout
from textlstm.tasks.adam import Adam
from textlstm.tasks.cells import check_cell, config_of_cell, describe_cells, make_cell
from textlstm.tasks.compiled_parts import CompiledPart, CompiledParts
from textlstm.tasks.losses import Perplexity, SmoothedSparseCategoricalCrossentropy
from textlstm.tasks.task import Task, check_ranges
from textlstm.tasks.texts import checked_texts, held_out, holds_texts, pick
from textlstm.tasks.weight_average import WeightAverage
from textlstm.tasks.writing import seed_count
from textlstm.tokenizers import SentencePieceTokenizer


@dataclass(frozen=True, slots=True)
class Translation:
    """One of the translations of a text.

    Attributes:
        text: the translation.
        score: log p of its tokens, divided by the length penalty (`BeamSearch`).
    """

    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Alignment:
    """What a translator looked at while it said each token.

    Attributes:
        source: the pieces of the text, the end mark last.
        target: the pieces of the translation, the end mark last.
        weights: the attention, float32 `[target, source]`; each row sums to 1.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: np.ndarray


@keras.saving.register_keras_serializable(package="textlstm")
class Translator(Task):
    """A recurrent encoder and decoder with attention, which own their tokenizers.

    The encoder reads the text in both directions. The decoder begins with what the encoder knew at
    its ends, and says one token after the other, each time looking at the encoder's outputs with
    attention:

        text → ids → TokenEmbedding → bidirectional RNN ─ memory ─┐
                                          └ bridge → states → AttentionDecoder → head → logits
        translation so far → ids → TokenEmbedding ────────────────┘

    The bridge turns the final states of both directions of each encoder layer, side by side, into
    the first state of the decoder layer beside it: tanh(s W + b) for the hidden state, s W + b for
    others. `fit`, `evaluate` and `translate` take strings; `call` takes token ids. The model is
    compiled when it is made, with defaults that work, and can be compiled anew like any Keras
    model.

    Args:
        source_tokenizer: a `SentencePieceTokenizer` of the texts.
        target_tokenizer: one of the translations; default `None`: both languages share
            `source_tokenizer` and the embedding (as they do if it is given twice).
        cell: `"lstm"` (default), `"gru"`, or a cell of the decoder, whose own size then counts; the
            encoder's are made from its config.
        units: size of the decoder's state, even; default 512. Each direction of the encoder has
            half of it.
        num_layers: recurrent layers of the encoder, and of the decoder; default 1.
        embedding_dim: size of the token vectors; default 256.
        attention: `"scaled"` (default), `"dot"`, `"general"` or `"additive"`.
        attend: which layer of the decoder asks, `"last"` (default) or `"first"`; with one layer
            they are the same.
        input_feeding: whether the decoder reads its last output beside the last token; default
            `False`. It trains step by step then, more slowly.
        residual: whether each recurrent layer whose input is of the size of its output adds the one
            to the other; default `False`.
        tie_embeddings: whether the logits are made with the vectors of the target's embedding
            (`TiedHead`; a dense layer goes before it where `units` is not `embedding_dim`); default
            `True`.
        dropout: share of the features of token vectors, of the outputs between layers and of the
            decoder's outputs set to zero in training; default 0.3.
        token_dropout: share of the tokens whose whole vector is set to zero in training, on both
            sides; default 0.1.
        max_tokens: longer texts are cut to so many tokens, the end mark included, here and in
            exports, and pairs with a longer side are left out of training; no translation is
            longer; default 128.
        beam_size: translations that are followed side by side where nothing else is asked for, here
            and in exports; default 4. 1 is greedy search.
        length_penalty: likewise the exponent of the length by which scores are divided
            (`BeamSearch`); default 1.0, above for longer translations, 0 for none.
        **kwargs: `name` and `dtype` of a Keras model.

    Call arguments:
        inputs: a dict of `"source"`, the ids of the texts, and `"target"`, the ids that the decoder
            reads: the begin mark and the translation without its last token; int `[batch, steps]`
            and `[batch, time]`, padded.
        training: whether dropout is on.
        shift: what is added to the vectors of the source's tokens, floats
            `[batch, steps, embedding_dim]`; default `None`, nothing.

    Returns:
        Logits of the next token, `[batch, time, vocabulary_size]`.

    Raises:
        InputError: if an argument is out of its range (it is a `ValueError`).

    References:
        - Bahdanau, Cho and Bengio, Neural Machine Translation by Jointly Learning to Align and
          Translate, ICLR 2015.
        - Luong, Pham and Manning, Effective Approaches to Attention-based Neural Machine
          Translation, EMNLP 2015.

    Example:
        >>> tokenizer = SentencePieceTokenizer.train([*texts, *translations], 4000)
        >>> model = Translator(tokenizer)
        >>> model.fit(texts, translations)
        >>> model.translate(["Good morning!"])
        ['早上好！']
    """

    def __init__(
        self,
        source_tokenizer: SentencePieceTokenizer,
        target_tokenizer: SentencePieceTokenizer | None = None,
        *,
        cell="lstm",
        units: int = 512,
        num_layers: int = 1,
        embedding_dim: int = 256,
        attention: str = "scaled",
        attend: str = "last",
        input_feeding: bool = False,
        residual: bool = False,
        tie_embeddings: bool = True,
        dropout: float = 0.3,
        token_dropout: float = 0.1,
        max_tokens: int = 128,
        beam_size: int = 4,
        length_penalty: float = 1.0,
        **kwargs,
    ):
        check_cell(cell)
        check_ranges(max_tokens, dropout=dropout, token_dropout=token_dropout)
        _check_search(beam_size=beam_size, length_penalty=length_penalty)
        super().__init__(**kwargs)

        # === Config ===
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer or source_tokenizer
        self.max_tokens = max_tokens
        self.beam_size, self.length_penalty = beam_size, float(length_penalty)
        self._options = {
            "cell": config_of_cell(cell),
            "units": units,
            "num_layers": num_layers,
            "embedding_dim": embedding_dim,
            "attention": attention,
            "attend": attend,
            "input_feeding": input_feeding,
            "residual": residual,
            "tie_embeddings": tie_embeddings,
            "dropout": dropout,
            "token_dropout": token_dropout,
            "beam_size": beam_size,
            "length_penalty": self.length_penalty,
        }

        # === Layers ===
        dtype = self.dtype_policy
        cell = make_cell(cell, units, dtype)
        self.source_embedding = _embedding(
            self.source_tokenizer, embedding_dim, dtype, "source_embedding"
        )
        self.target_embedding = self.source_embedding
        if not self.shares_tokenizer:
            self.target_embedding = _embedding(
                target_tokenizer, embedding_dim, dtype, "target_embedding"
            )
        self.token_dropout = WordDropout(token_dropout, dtype=dtype)
        self.feature_dropout = keras.layers.Dropout(dropout, dtype=dtype)
        self.encoder = RNN(
            _half(cell),
            num_layers=num_layers,
            bidirectional=True,
            dropout=dropout,
            residual=residual,
            return_sequences=True,
            return_state=True,
            dtype=dtype,
            name="encoder",
        )
        self.decoder = AttentionDecoder(
            cell,
            attention,
            num_layers=num_layers,
            attend=attend,
            input_feeding=input_feeding,
            residual=residual,
            dropout=dropout,
            dtype=dtype,
            name="decoder",
        )
        # One weight for each layer: [batch, layers, size] → [batch, layers, size].
        self.bridges = [
            keras.layers.EinsumDense(
                "bli,lij->blj",
                output_shape=(num_layers, size),
                bias_axes="lj",
                activation="tanh" if index == 0 else None,
                dtype=dtype,
                name=f"bridge_{index}",
            )
            for index, size in enumerate(self.decoder.state_sizes)
        ]
        self.to_embedding = None
        if tie_embeddings:
            if self.decoder.units != embedding_dim:
                self.to_embedding = keras.layers.Dense(
                    embedding_dim, dtype=dtype, name="to_embedding"
                )
            self.head = TiedHead(self.target_embedding, dtype=dtype, name="head")
        else:
            vocabulary_size = self.target_tokenizer.vocabulary_size
            self.head = keras.layers.Dense(vocabulary_size, dtype=dtype, name="head")
        self.build({"source": (None, None), "target": (None, None)})
        self._compiled = CompiledParts(self)
        self.compile()

    @property
    def shares_tokenizer(self) -> bool:
        """Whether both languages have one tokenizer, and so one embedding."""
        return self.target_tokenizer is self.source_tokenizer

    # === Keras: one batch of ids ===

    def build(self, input_shape):
        """Creates the weights; what the constructor was given determines all shapes."""
        dim = self.source_embedding.output_dim
        for embedding in {
            id(e): e for e in (self.source_embedding, self.target_embedding)
        }.values():
            embedding.build((None, None))
        self.encoder.build((None, None, dim))
        self.decoder.build((None, None, dim), (None, None, self.encoder.output_size))
        for bridge, size in zip(self.bridges, self.decoder.state_sizes, strict=True):
            bridge.build((None, self.encoder.num_layers, size))
        outputs = (None, None, self.decoder.units)
        if self.to_embedding is not None:
            self.to_embedding.build(outputs)
            outputs = (None, None, dim)
        self.head.build(outputs)

    def call(self, inputs, training=False, shift=None):
        """Computes the logits, `[batch, time, vocabulary_size]`."""
        memory, mask, states = self.encode_source(inputs["source"], training, shift)
        vectors = self._vectors(self.target_embedding, inputs["target"], training)
        outputs, _ = self.decoder(
            vectors, memory, memory_mask=mask, initial_state=states, training=training
        )
        return self._logits(outputs, training)

    def encode_source(self, ids, training=False, shift=None) -> tuple:
        """Reads texts.

        Args:
            ids: int `[batch, steps]`, padded.
            training: whether dropout is on.
            shift: what is added to the token vectors, floats `[batch, steps, embedding_dim]`;
                default `None`, nothing.

        Returns:
            `(memory, mask, states)`: the encoder's outputs, `[batch, steps, units]`; where they are
            real, bool `[batch, steps]`; the decoder's first states, a list of `[batch, num_layers,
            size]`.
        """
        mask = self.source_embedding.compute_mask(ids)
        vectors = self._vectors(self.source_embedding, ids, training, shift)
        memory, final_states = self.encoder(vectors, mask=mask, training=training)
        states = []
        for bridge, state, size in zip(self.bridges, final_states, self.decoder.state_sizes):
            # [batch, layers · 2, size / 2]: both directions of a layer stand together.
            state = ops.reshape(state, (-1, self.encoder.num_layers, size))
            states.append(bridge(state))
        return memory, mask, states

    def _vectors(self, embedding, ids, training=False, shift=None):
        vectors = embedding.call(ids)  # not by `embedding(ids)`, which would attach a mask
        if shift is not None:
            vectors = vectors + ops.cast(shift, vectors.dtype)
        vectors = self.token_dropout(vectors, training=training)
        return self.feature_dropout(vectors, training=training)

    def _logits(self, outputs, training=False, **prepared):
        outputs = self.feature_dropout(outputs, training=training)
        if self.to_embedding is not None:
            outputs = self.to_embedding(outputs)
        return self.head(outputs, **prepared)

    def compute_output_shape(self, input_shape):
        """Returns `(batch, time, vocabulary_size)`."""
        return (*input_shape["target"], self.target_tokenizer.vocabulary_size)

    def attend(self, inputs):
        """Computes the attention for `inputs` as in `call`: float32 `[batch, time, steps]`."""
        memory, mask, states = self.encode_source(inputs["source"])
        vectors = self._vectors(self.target_embedding, inputs["target"])
        return self.decoder(vectors, memory, memory_mask=mask, initial_state=states)[1]

    def search(self, ids, search: Search | BeamSearch, max_tokens) -> tuple:
        """Finds translations of texts, token by token.

        Args:
            ids: of the texts, int `[batch, steps]`, padded.
            search: what decides how to go on, as `new_search` makes it.
            max_tokens: the most tokens of a translation, the end mark not counted.

        Returns:
            What the search gives: ids and scores.
        """
        memory, mask, states = self.encode_source(ids)
        keys = self.decoder.attention.prepare(memory)
        prepared = {"matrix": self.head.prepare()} if isinstance(self.head, TiedHead) else {}

        def step(last, states):
            vectors = self._vectors(self.target_embedding, last)  # [rows, embedding_dim]
            outputs, states, _ = self.decoder.step(vectors, states, memory, mask, keys)
            return self._logits(outputs, **prepared), states

        first = ops.full((ops.shape(ids)[0],), self.begin_id, dtype="int32")
        return search(step, self.decoder.begin(states), first, max_tokens=max_tokens)

    @property
    def begin_id(self) -> int:
        """The id that the decoder reads first: the begin mark, or the end mark if there is none."""
        begin = self.target_tokenizer.begin_id
        return self.target_tokenizer.end_id if begin is None else begin

    @property
    def forbidden_ids(self) -> tuple[int, ...]:
        """The ids that no translation holds: unknown, padding, begin mark."""
        tokenizer = self.target_tokenizer
        ids = {tokenizer.unknown_id, tokenizer.pad_id, self.begin_id} - {tokenizer.end_id}
        return tuple(sorted(ids))

    def new_search(self, beam_size, length_penalty, no_repeat_ngram: int = 0) -> BeamSearch:
        """Makes a beam search that ends with the end mark and never says `<unk>`."""
        return BeamSearch(
            self.target_tokenizer.end_id,
            beam_size=beam_size,
            length_penalty=length_penalty,
            no_repeat_ngram=no_repeat_ngram,
            forbidden_ids=self.forbidden_ids,
            pad_id=self.target_tokenizer.pad_id,
        )

    # === Training ===

    def compile(
        self,
        optimizer="auto",
        loss="auto",
        weighted_metrics="auto",
        *,
        label_smoothing: float = 0.1,
        **kwargs,
    ):
        """Configures the training, as `keras.Model.compile`.

        Args:
            optimizer: default Adam with learning rate 1e-3 and gradients clipped to norm 1.
            loss: default the cross-entropy of the next token, the mean over all tokens of a batch.
            weighted_metrics: default the perplexity, over tokens and not over padding.
            label_smoothing: share of the default loss that asks for all tokens alike, in [0, 1);
                default 0.1 (Szegedy et al., 2016).
            **kwargs: the other arguments of `keras.Model.compile`.

        Raises:
            InputError: if `label_smoothing` is out of its range.
        """
        if not 0 <= label_smoothing < 1:
            raise InputError(f"label_smoothing must be in [0, 1); got {label_smoothing!r}")
        if isinstance(optimizer, str) and optimizer == "auto":
            optimizer = Adam(1e-3, global_clipnorm=1.0)
        if isinstance(loss, str) and loss == "auto":
            loss = SmoothedSparseCategoricalCrossentropy(
                label_smoothing, reduction="mean_with_sample_weight"
            )
        if isinstance(weighted_metrics, str) and weighted_metrics == "auto":
            weighted_metrics = [Perplexity()]
        super().compile(optimizer=optimizer, loss=loss, weighted_metrics=weighted_metrics, **kwargs)

    def fit(
        self,
        x=None,
        y=None,
        *,
        batch_size: int = 64,
        max_batch_tokens: int | None = None,
        max_ratio: float | None = None,
        subword_sampling: float | None = None,
        epochs: int = 10,
        validation_split: float = 0.05,
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
        """Trains on texts and their translations, as `keras.Model.fit`.

        With texts, a slice of them is held out for validation, chosen by the texts themselves
        (equal texts stay together), and the training stops when the loss on it no longer falls; the
        best weights are kept. Pairs that are longer than `max_tokens` are left out, and counted in
        a line that is printed.

        Args:
            x: texts (a list, array or series of `str` or UTF-8 `bytes`), `EncodedPairs`,
                `PairBatches`, or a batched `tf.data.Dataset` of `(texts, translations)`, whose
                longer sides are cut.
            y: with texts: their translations.
            batch_size: pairs in a batch; default 64. This and the next three only for texts and
                `EncodedPairs`.
            max_batch_tokens: the most tokens of a side of a batch, padding included, so that long
                pairs come in smaller batches; default no limit.
            max_ratio: leave out pairs whose one side has more than so many times the tokens of the
                other (`EncodedPairs.filtered`); default none.
            subword_sampling: train in every epoch on other pieces of the same texts and
                translations, drawn with this `alpha` of `SentencePieceTokenizer.resample`; default
                none (Kudo, 2018).
            epochs: the most passes over the data; default 10.
            validation_split: share of texts held out when there is no `validation_data`; default
                0.05, 0 for none. Only for texts.
            validation_data: `(texts, translations)`, or anything that `x` may be.
            early_stopping: number of epochs without a better validation loss after which to stop
                and go back to the best weights; default 2, `None` for never. Without validation
                data it has no effect; an `EarlyStopping` among the callbacks takes its place.
            average_weights: decay, such as 0.999, of a moving average of the weights, which the
                model is validated with and holds at the end; or a `WeightAverage`; default none.
            checkpoint: a folder in which the state of the training is kept. If it holds one
                already, the training goes on from there; call with the same data and arguments.
                Default: none is kept.
            checkpoint_minutes: the state is kept after each epoch, and within an epoch every so
                many minutes; default 10. An epoch that was cut off goes on where it was, and its
                figures are of its rest alone.
            shuffle: whether each epoch takes the pairs in a new order.
            seed: of that order.
            callbacks: Keras callbacks.
            **kwargs: the other arguments of `keras.Model.fit` (`verbose`, `initial_epoch`, …).

        Returns:
            The `History` of `keras.Model.fit`.

        Raises:
            InputError: if there are more texts than translations or fewer, or an argument is out of
                its range.
        """
        if holds_pairs(x):
            x, y = checked_texts(x), checked_texts(y)
            check_same_count(len(x), len(y))
            if validation_data is None and validation_split:
                held = held_out(x, validation_split, seed)  # bool [rows]
                if held.any():
                    validation_data = pick(x, held), pick(y, held)
                    x, y = pick(x, ~held), pick(y, ~held)
            x = self.encode(x, y)
        x = self._batches(
            x,
            batch_size,
            max_ratio=max_ratio,
            shuffle=shuffle,
            seed=seed,
            max_batch_tokens=max_batch_tokens,
            sample=self._samplers(subword_sampling),
        )
        if validation_data is not None:
            validation_data = self._evaluation_batches(validation_data, batch_size)
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

    def evaluate(self, x=None, y=None, *, batch_size: int = 64, **kwargs):
        """Computes loss and perplexity, as `keras.Model.evaluate`.

        Args:
            x: as in `fit`; pairs longer than `max_tokens` are left out, as there.
            y: as in `fit`.
            batch_size: pairs in a batch; default 64.
            **kwargs: the other arguments of `keras.Model.evaluate`.

        Returns:
            The loss and metrics, as a list or (`return_dict=True`) by name.
        """
        data = (x, y) if holds_pairs(x) else x
        return super().evaluate(self._evaluation_batches(data, batch_size), **kwargs)

    def encode(
        self, sources, targets, *, cut: bool = False, folder: str | Path | None = None
    ) -> EncodedPairs:
        """Encodes pairs once, to be fitted or evaluated many times.

        Args:
            sources: an iterable of texts.
            targets: an iterable of their translations.
            cut: whether longer texts are cut to `max_tokens`, as `translate` does; default `False`:
                all are whole, and `fit` leaves long pairs out.
            folder: where to write them (`EncodedPairs.build`); default memory.
        """
        return EncodedPairs.build(
            sources,
            targets,
            self.source_tokenizer,
            self.target_tokenizer,
            max_source_tokens=self.max_tokens if cut else None,
            folder=folder,
        )

    def make_batches(self, pairs: EncodedPairs, batch_size: int = 64, **options) -> PairBatches:
        """Makes the batches that `fit` trains on, of all pairs given.

        Args:
            pairs: what `encode` gave.
            batch_size: pairs in a batch; default 64.
            **options: the other arguments of `PairBatches`.
        """
        return PairBatches(
            pairs,
            batch_size,
            source_pad_id=self.source_tokenizer.pad_id,
            target_pad_id=self.target_tokenizer.pad_id,
            begin_id=self.begin_id,
            **options,
        )

    def _batches(self, x, batch_size, max_ratio=None, **options):
        """Turns what `fit` takes, texts excepted, into batches of ids."""
        if hasattr(x, "element_spec"):  # a tf.data.Dataset
            from textlstm.tasks.tf_datasets import encode_pair_dataset

            return encode_pair_dataset(x, self)
        if not isinstance(x, EncodedPairs):
            return x
        pairs, notes = x.filtered(self.max_tokens, max_ratio)
        for note in notes:
            print(note)
        try:
            return self.make_batches(pairs, batch_size, **options)
        except ValueError as error:
            raise InputError(str(error)) from error

    def _evaluation_batches(self, data, batch_size):
        if isinstance(data, (tuple, list)):
            data = self.encode(*(checked_texts(side) for side in data))
        return self._batches(data, batch_size, shuffle=False)

    def _samplers(self, alpha: float | None) -> tuple | None:
        """Returns what draws the pieces of each batch anew, for both sides, or `None`."""
        if alpha is None:
            return None

        def sampler(tokenizer, side):
            return lambda rows, seed: tokenizer.resample(rows, alpha=alpha, seed=(*seed, side))

        return sampler(self.source_tokenizer, 0), sampler(self.target_tokenizer, 1)

    # === Strings in, strings out ===

    def translate(
        self,
        texts: Sequence[str | bytes],
        *,
        beam_size: int | None = None,
        length_penalty: float | None = None,
        max_tokens: int | None = None,
        no_repeat_ngram: int = 0,
        n_best: int | None = None,
        search: Search | BeamSearch | None = None,
        batch_size: int = 64,
        verbose: int = 0,
    ) -> list:
        """Translates texts.

        Args:
            texts: a list, array or series of `str` or UTF-8 `bytes`. Texts that are longer than the
                model's `max_tokens` are cut, with a warning.
            beam_size: translations that are followed side by side; 1 is greedy search. Default the
                model's `beam_size`.
            length_penalty: exponent of the length by which scores are divided (`BeamSearch`), above
                1 for longer translations, 0 for none. Default the model's `length_penalty`.
            max_tokens: the most tokens of a translation; default the model's `max_tokens`.
            no_repeat_ngram: no sequence of so many tokens comes twice in a translation; default 0,
                any may.
            n_best: return so many translations of each text, at most `beam_size` (or as many as
                `search` finds); default `None`, the best alone.
            search: a search of your own (a `Search` or `BeamSearch`, or what is called like them),
                in place of the beam search; default `None`. A `Sampler` has one seed for all rows.
            batch_size: texts that are translated side by side; default 64.
            verbose: whether Keras shows a progress bar; default 0.

        Returns:
            The translation of each text; with `n_best` a list of `Translation`s for each, the best
            first.

        Raises:
            InputError: if an argument is out of its range.
        """
        max_tokens = self.max_tokens if max_tokens is None else max_tokens
        beam_size = self.beam_size if beam_size is None else beam_size
        length_penalty = self.length_penalty if length_penalty is None else length_penalty
        _check_search(
            beam_size=beam_size,
            length_penalty=length_penalty,
            max_tokens=max_tokens,
            no_repeat_ngram=no_repeat_ngram,
        )
        if search is None and n_best is not None and not 1 <= n_best <= beam_size:
            raise InputError(f"n_best must be from 1 to beam_size ({beam_size}); got {n_best!r}")
        texts = checked_texts(texts)
        if not texts:
            return []
        if seed_count(search) != 1:
            raise InputError(
                "texts are translated in an order of their own, several at once: give the Sampler "
                f"one seed, seeds=[7], for all; got {seed_count(search)}"
            )
        options = search, beam_size, float(length_penalty), no_repeat_ngram
        searcher = self._compiled.get(_Searcher, max_tokens, *options)
        batches = self._source_batches(texts, batch_size)
        ids, scores = searcher.predict(batches, verbose=verbose)
        if ids.ndim == 2:  # a search that gives one answer for each row
            ids, scores = ids[:, None], scores[:, None]
        kept = n_best or 1
        rows, beams = ids.shape[0], min(kept, ids.shape[1])
        found = self.target_tokenizer.decode(list(ids[:, :beams].reshape(rows * beams, -1)))
        answers = [None] * rows
        for place, row in enumerate(batches.order):
            best = found[place * beams : (place + 1) * beams]
            answers[row] = best[0]
            if n_best is not None:
                answers[row] = [Translation(t, float(s)) for t, s in zip(best, scores[place])]
        return answers

    def predict(self, x, **options) -> np.ndarray:
        """Translates texts, as `translate` with these options, to an array of strings."""
        return np.array(self.translate(x, **options), dtype=object)

    def align(
        self,
        texts: Sequence[str | bytes],
        translations: Sequence[str | bytes] | None = None,
        batch_size: int = 64,
    ) -> list[Alignment]:
        """Says at which pieces of a text the decoder looked while it said each of a translation.

        Args:
            texts: a list, array or series of `str` or UTF-8 `bytes`.
            translations: of these texts; default `None`: the model's own.
            batch_size: texts that are computed side by side; default 64.

        Returns:
            The `Alignment` of each pair.

        Raises:
            InputError: if there are more texts than translations, or fewer.
        """
        texts = checked_texts(texts)
        translations = self.translate(texts) if translations is None else translations
        translations = checked_texts(translations)
        check_same_count(len(texts), len(translations))
        if not texts:
            return []
        pairs = self.encode(texts, translations, cut=True)
        batches = self.make_batches(pairs, batch_size, shuffle=False)
        names = self.source_tokenizer.pieces, self.target_tokenizer.pieces
        answers = [None] * len(texts)
        for index in range(len(batches)):
            inputs, labels, real = batches[index]
            weights = ops.convert_to_numpy(self._compiled.get(_Aligner).predict_on_batch(inputs))
            for place, row in enumerate(batches.rows(index)):
                source = inputs["source"][place]
                source = source[source != batches.pad_id]
                target = labels[place][real[place] > 0]
                answers[row] = Alignment(
                    tuple(names[0][i] for i in source),
                    tuple(names[1][i] for i in target),
                    weights[place, : len(target), : len(source)],
                )
        return answers

    def _source_batches(self, texts: list, batch_size: int) -> BucketedBatches:
        corpus = EncodedCorpus.build(texts, self.source_tokenizer, max_tokens=self.max_tokens)
        if corpus.cut:
            noun = "1 text is" if corpus.cut == 1 else f"{corpus.cut:,} texts are"
            warnings.warn(
                f"{noun} longer than the {self.max_tokens} tokens that this model reads; what "
                "stands after them is not translated",
                stacklevel=3,
            )
        return BucketedBatches(
            corpus,
            batch_size,
            pad_id=self.source_tokenizer.pad_id,
            shuffle=False,
            with_labels=False,
        )

    # === Saving ===

    def get_config(self) -> dict:
        """Returns the arguments of the constructor; the tokenizers' models are part of it."""
        target = None
        if not self.shares_tokenizer:
            target = keras.saving.serialize_keras_object(self.target_tokenizer)
        return {
            **self._config_of_options(),
            "source_tokenizer": keras.saving.serialize_keras_object(self.source_tokenizer),
            "target_tokenizer": target,
        }

    def make_serving(self):
        """Makes the module with the signatures of an export; needs the TensorFlow backend."""
        from textlstm.tasks.translation_serving import translation_serving

        return translation_serving(self)

    def describe(self) -> str:
        """Says in one sentence what the model is, for its card."""
        decoder = self.decoder
        kind = type(decoder.attention).__name__.removesuffix("Attention").lower()
        asking = f"with {kind} attention"
        if decoder.num_layers > 1:
            asking = f"with {kind} attention from its {decoder.attend} layer"
        feeding = " and input feeding" if decoder.input_feeding else ""
        sizes = f"{self.source_tokenizer.vocabulary_size:,} SentencePiece tokens for both languages"
        if not self.shares_tokenizer:
            sizes = (
                f"{self.source_tokenizer.vocabulary_size:,} SentencePiece tokens of the texts and "
                f"{self.target_tokenizer.vocabulary_size:,} of the translations"
            )
        return (
            f"A translator: {describe_cells(self.encoder)} a direction encodes the text, "
            f"{describe_cells(decoder.lower, decoder.num_layers)} {asking}{feeding} "
            "generates the translation; "
            f"{sizes}, {self.count_params():,} parameters. Texts are read up to "
            f"{self.max_tokens:,} tokens; anything longer is cut off."
        )

    def fit_example(self) -> str:
        """Returns a line of Python that trains the model further, loaded as `model`."""
        return "model.fit(texts, translations)"

    def serving_example(self) -> str:
        """Returns a line of Python that asks an export, loaded as `model`, a question."""
        return 'model.signatures["serving_default"](text=tf.constant(["…"]))["translation"]'


def holds_pairs(x) -> bool:
    """Tells texts from what is batched or encoded already."""
    return holds_texts(x) and not isinstance(x, EncodedPairs)


def _check_search(*, beam_size, length_penalty, max_tokens=1, no_repeat_ngram=0) -> None:
    """Raises an `InputError` if an option of a search is out of its range."""
    for name, value, least in (
        ("beam_size", beam_size, 1),
        ("max_tokens", max_tokens, 1),
        ("no_repeat_ngram", no_repeat_ngram, 0),
    ):
        if not isinstance(value, int) or value < least:
            raise InputError(f"{name} must be a whole number of at least {least}; got {value!r}")
    if not length_penalty >= 0:
        raise InputError(f"length_penalty must be 0 or more; got {length_penalty!r}")


class _Searcher(CompiledPart):
    """A translator's search: the beam search of these options, or a search of the user's own."""

    def __init__(self, translator, max_tokens, search, beam_size, length_penalty, no_repeat_ngram):
        super().__init__(translator)
        self._search = search or translator.new_search(beam_size, length_penalty, no_repeat_ngram)
        self._max_tokens = max_tokens

    def call(self, ids):
        return self._task.search(ids, self._search, self._max_tokens)


class _Aligner(CompiledPart):
    """A translator's attention."""

    def call(self, inputs):
        return self._task.attend(inputs)


def _embedding(tokenizer, dim: int, dtype, name: str) -> TokenEmbedding:
    return TokenEmbedding(
        tokenizer.vocabulary_size, dim, pad_id=tokenizer.pad_id, dtype=dtype, name=name
    )


def _half(cell):
    """Makes a cell like `cell` of half its size, for a direction of the encoder."""
    config = cell.get_config()
    sizes = {name: config[name] for name in ("units", "proj_size") if config.get(name)}
    if "units" not in sizes or any(size % 2 for size in sizes.values()):
        raise InputError(
            f"the size of the decoder's cell is divided among the encoder's two directions, so it "
            f"must be even; got {sizes or type(cell).__name__ + ', which has no `units`'}"
        )
    halves = {name: size // 2 for name, size in sizes.items()}
    return type(cell).from_config({**config, **halves, "name": f"{cell.name}_half"})
