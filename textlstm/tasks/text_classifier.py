"""Text classification: strings to one of several labels, or to any number of them."""

from collections.abc import Sequence

import keras
from keras import ops

from textlstm.errors import InputError
from textlstm.layers import (
    RNN,
    ConvolutionFront,
    LanguageHead,
    TokenEmbedding,
    WordDropout,
    make_pooling,
)
from textlstm.tasks.cells import check_cell, config_of_cell, describe_cells, make_cell
from textlstm.tasks.labels import check_names
from textlstm.tasks.language_model import LanguageModel
from textlstm.tasks.string_classifier import StringClassifier
from textlstm.tasks.task import check_ranges
from textlstm.tokenizers import SentencePieceTokenizer


@keras.saving.register_keras_serializable(package="textlstm")
class TextClassifier(StringClassifier):
    """A recurrent text classifier that owns its tokenizer.

    Token ids are embedded, read by a stacked recurrent layer, pooled over the real tokens to one
    vector, and mapped to a logit for each label:

        text → ids → TokenEmbedding (→ ConvolutionFront) → RNN → pooling → Dense → logits

    `fit`, `evaluate` and `predict` take strings; `call` takes token ids. The model is compiled when
    it is made, with defaults that work, and can be compiled anew like any Keras model.

    Args:
        tokenizer: a `SentencePieceTokenizer`.
        labels: the names of the classes, at least two, in the order of the outputs.
        multi_label: whether a text may have any number of the labels; then each has a probability
            of its own. Default `False`: exactly one.
        cell: `"lstm"` (default), `"gru"`, or a cell (`textlstm.cells.Cell` or a Keras cell), whose
            own size then counts.
        units: size of the recurrent state of each direction; default 128.
        num_layers: number of recurrent layers; default 1.
        bidirectional: whether the text is read in both directions; default `True`.
        residual: whether each recurrent layer whose input is of the size of its output adds the one
            to the other; default `False`.
        embedding_dim: size of the token vectors; default 128.
        convolution: number of neighbouring tokens that a convolution puts together before the
            recurrent layer reads them (`ConvolutionFront`); default 0, none.
        convolution_pool: number of steps that the convolution makes one of; default 1. The
            recurrent layer then takes so many times fewer steps.
        convolution_filters: size of the vectors that the convolution gives; default: `None`,
            `embedding_dim`.
        pooling: `"concat"` (default: last, mean and max), `"last"`, `"mean"`, `"max"` or
            `"attention"`.
        dropout: share of the embedding's features (the same at all tokens of a row), of what the
            convolution gives, of the outputs between layers, and of the pooled vector set to zero
            in training; default 0.5.
        token_dropout: share of the tokens whose whole vector is set to zero in training, so that
            the model does not rest on single words; default 0.2.
        max_tokens: longer texts are cut to so many tokens, the end mark included, here and in
            exports; default 512.
        read_end_mark: whether the end mark behind every text is read like a token; default `True`.
            `False` treats it as padding, for weights that were trained without it; an empty text is
            then nothing but padding, and gets the answer of states and pooled vectors of zeros.
        language_loss: weight γ of a second loss in training, the mean of -log p of the token that
            follows each token, which the recurrent outputs also predict: a classifier that began
            as a language model forgets less of it; default 0, none. Not with `bidirectional` or
            `convolution`, for these have seen the token that is to be foretold.
        **kwargs: `name` and `dtype` of a Keras model.

    Call arguments:
        ids: int, `[batch, time]`, padded with `tokenizer.pad_id`.
        training: whether dropout is on.
        shift: what is added to the token vectors, floats `[batch, time, embedding_dim]`; default
            `None`, nothing.

    Returns:
        Logits, float32, `[batch, labels]`.

    Raises:
        InputError: if an argument is out of its range (it is a `ValueError`).

    Example:
        >>> tokenizer = SentencePieceTokenizer.train(texts, vocabulary_size=4000)
        >>> model = TextClassifier(tokenizer, labels=["negative", "positive"])
        >>> model.fit(texts, labels)
        >>> model.classify(["A joy from start to finish."])
        ['positive']
    """

    def __init__(
        self,
        tokenizer: SentencePieceTokenizer,
        labels: Sequence[str],
        *,
        multi_label: bool = False,
        cell="lstm",
        units: int = 128,
        num_layers: int = 1,
        bidirectional: bool = True,
        residual: bool = False,
        embedding_dim: int = 128,
        convolution: int = 0,
        convolution_pool: int = 1,
        convolution_filters: int | None = None,
        pooling: str = "concat",
        dropout: float = 0.5,
        token_dropout: float = 0.2,
        max_tokens: int = 512,
        read_end_mark: bool = True,
        language_loss: float = 0.0,
        **kwargs,
    ):
        labels = check_names(labels)
        check_cell(cell)
        if language_loss < 0 or (language_loss and (bidirectional or convolution)):
            raise InputError(
                "Argument `language_loss` must be 0 or more, and 0 with `bidirectional` or "
                f"`convolution`. Received: {language_loss!r}"
            )
        check_ranges(max_tokens, dropout=dropout, token_dropout=token_dropout)
        super().__init__(**kwargs)

        # === Config ===
        self.tokenizer = tokenizer
        self.labels = labels
        self.multi_label = bool(multi_label)
        self.max_tokens = max_tokens
        self._options = {
            "cell": config_of_cell(cell),
            "units": units,
            "num_layers": num_layers,
            "bidirectional": bidirectional,
            "residual": residual,
            "embedding_dim": embedding_dim,
            "convolution": convolution,
            "convolution_pool": convolution_pool,
            "convolution_filters": convolution_filters,
            "pooling": pooling,
            "dropout": dropout,
            "token_dropout": token_dropout,
            "read_end_mark": read_end_mark,
            "language_loss": language_loss,
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
        # One draw a feature for all tokens of a row, and one draw a token for all its features.
        self.feature_dropout = keras.layers.SpatialDropout1D(dropout, dtype=dtype)
        self.token_dropout = WordDropout(token_dropout, dtype=dtype)
        self.front = None
        if convolution:
            self.front = ConvolutionFront(
                embedding_dim if convolution_filters is None else convolution_filters,
                convolution,
                convolution_pool,
                dtype=dtype,
                name="front",
            )
            self.front_dropout = keras.layers.Dropout(dropout, dtype=dtype)
        self.recurrent = RNN(
            make_cell(cell, units, dtype),
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            residual=residual,
            return_sequences=True,
            dtype=dtype,
            name="recurrent",
        )
        self.language_head = None
        if language_loss:
            self.language_head = LanguageHead(self.embedding, dtype=dtype, name="language_head")
        self.pooling = make_pooling(pooling, bidirectional, dtype=dtype, name="pooling")
        # A Sequential may be changed after it was built: other labels get another last layer.
        self.head = keras.Sequential(
            [keras.layers.Dropout(dropout, dtype=dtype), _logits_layer(labels)], name="head"
        )
        self.build((None, None))
        self.compile()

    # === Keras: one batch of ids ===

    def build(self, input_shape):
        """Creates the weights; what the constructor was given determines all shapes."""
        self.embedding.build(input_shape)
        features = self.embedding.output_dim
        if self.front is not None:
            self.front.build((None, None, features))
            features = self.front.filters
        self.recurrent.build((None, None, features))
        if self.language_head is not None:
            self.language_head.build((None, None, self.recurrent.output_size))
        self.pooling.build((None, None, self.recurrent.output_size))
        self.head.build((None, self.pooling.output_features(self.recurrent.output_size)))

    def call(self, ids, training=False, shift=None):
        """Computes the logits, `[batch, labels]`, of token ids `[batch, time]`."""
        outputs, mask = self.read(ids, training=training, shift=shift)
        if self.language_head is not None and training:
            self.add_loss(self._language_loss(outputs, ids, mask))
        pooled = self.pooling(outputs, mask=mask)
        return self.head(pooled, training=training)

    def read(self, ids, training=False, shift=None) -> tuple:
        """Reads texts, up to what is pooled.

        Args:
            ids: int `[batch, time]`, padded.
            training: whether dropout is on.
            shift: as of `call`.

        Returns:
            `(outputs, mask)`: those of the recurrent layer, `[batch, steps, output_size]`, and
            where they are real, bool `[batch, steps]`; a step is a token, or with
            `convolution_pool` several.
        """
        mask = self.embedding.compute_mask(ids)  # [batch, time]
        if not self._options["read_end_mark"]:
            mask = ops.logical_and(mask, ops.not_equal(ids, self.tokenizer.end_id))
        vectors = self.embedding(ids)  # [batch, time, embedding_dim]
        if shift is not None:
            vectors = vectors + ops.cast(shift, vectors.dtype)
        vectors = self.feature_dropout(vectors, training=training)
        vectors = self.token_dropout(vectors, training=training)
        if self.front is not None:
            shorter_mask = self.front.compute_mask(vectors, mask)  # [batch, steps]
            vectors = self.front(vectors, mask=mask)  # [batch, steps, convolution_filters]
            vectors = self.front_dropout(vectors, training=training)
            mask = shorter_mask
        return self.recurrent(vectors, mask=mask, training=training), mask

    def _language_loss(self, outputs, ids, mask):
        """Computes γ times the mean of -log p of the tokens that follow others."""
        surprise = self.language_head.surprise(outputs[:, :-1], ids[:, 1:])  # [batch, time - 1]
        follows = ops.cast(mask[:, 1:], "float32")
        mean = ops.sum(surprise * follows) / ops.maximum(ops.sum(follows), 1.0)
        return self._options["language_loss"] * mean

    def compute_output_shape(self, input_shape):
        """Returns `(batch, labels)`."""
        return (input_shape[0], len(self.labels))

    @classmethod
    def from_language_model(
        cls,
        language_model: LanguageModel,
        labels: Sequence[str],
        *,
        pooling: str = "concat",
        dropout: float = 0.4,
        token_dropout: float = 0.1,
        **options,
    ) -> "TextClassifier":
        """Makes a classifier that reads as a language model has learned to (ULMFiT).

        Tokenizer, embedding and recurrent layers are the language model's, with their weights; the
        pooling and the last layer are new. It is best trained from the top down: a
        `GradualUnfreezing`, an optimizer of `discriminative_adam` and a
        `SlantedTriangularSchedule` go with it.

        Args:
            language_model: a `LanguageModel`; it is not changed, and shares nothing.
            labels: the names of the classes.
            pooling: as of the classifier, like the rest; default `"concat"`: last, mean and max.
            dropout: default 0.4.
            token_dropout: default 0.1.
            **options: the other arguments of the classifier (`multi_label`, `max_tokens`,
                `language_loss`, `name`, `dtype`, …) but those that the language model sets.

        Raises:
            InputError: if an argument is out of its range.

        Example:
            >>> classifier = TextClassifier.from_language_model(model, ["negative", "positive"])
            >>> classifier.compile(discriminative_adam(classifier))
            >>> classifier.fit(texts, labels, callbacks=[GradualUnfreezing()])

        References:
            - Howard and Ruder, Universal Language Model Fine-tuning for Text Classification, ACL
              2018.
            - Chronopoulou, Baziotis and Potamianos, An Embarrassingly Simple Approach for Transfer
              Learning from Pretrained Language Models, NAACL 2019 (`language_loss`).
        """
        rnn, embedding = language_model.rnn, language_model.embedding
        classifier = cls(
            language_model.tokenizer,
            labels,
            cell=rnn.cell,
            num_layers=rnn.num_layers,
            bidirectional=False,
            residual=rnn.residual,
            embedding_dim=embedding.output_dim,
            pooling=pooling,
            dropout=dropout,
            token_dropout=token_dropout,
            **options,
        )
        pairs = [(classifier.embedding, embedding), (classifier.recurrent, rnn)]
        head = language_model.head
        if classifier.language_head is not None and head.tie and not head.cutoffs:
            pairs.append((classifier.language_head, head))
        for new, learned in pairs:
            new.set_weights(learned.get_weights())
        return classifier

    @property
    def layer_groups(self) -> list[list]:
        """The variables by layers, from the labels down.

        First those of the last layer and the pooling, then of each recurrent layer, the upper one
        first, then of the embedding.
        """
        directions = self.recurrent.num_directions
        cells = self.recurrent.cells
        layers = [cells[i : i + directions] for i in range(0, len(cells), directions)]
        top = [self.pooling, self.head, *([self.language_head] if self.language_head else [])]
        bottom = [self.embedding, *([self.front] if self.front is not None else [])]
        seen, groups = set(), []
        for group in (bottom, *layers, top):  # the language head holds the embedding, too
            variables = [v for layer in group for v in layer.weights if v.path not in seen]
            seen.update(v.path for v in variables)
            groups.insert(0, variables)
        return groups

    def renew_last_layer(self) -> None:
        """Puts a new layer, with new weights, in the place of the last one, for `labels`."""
        self.head.pop()
        self.head.add(_logits_layer(self.labels))

    # === Saving ===

    def get_config(self) -> dict:
        """Returns the arguments of the constructor; the tokenizer's model is part of it."""
        return {
            **self._config_of_options(),
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "labels": list(self.labels),
            "multi_label": self.multi_label,
        }

    def make_serving(self):
        """Makes the module with the signatures of an export; needs the TensorFlow backend."""
        from textlstm.tasks.serving import classifier_serving

        return classifier_serving(self)

    def describe(self) -> str:
        """Says in one sentence what the model is, for its card."""
        names = ", ".join(f"`{label}`" for label in self.labels)
        several = answer = ""
        if self.multi_label:
            several = ", of which a text may have any number"
            answer = (
                " Each label has a probability of its own (`probabilities`, in the order of "
                "`classes`), and is given from 0.5 on; `label` is the most probable one."
            )
        front = ""
        if self.front is not None:
            pooled = f", pooled by {self.front.pool_size}" * (self.front.pool_size > 1)
            filters = f" and {self.front.filters} filters"
            front = f"a convolution of width {self.front.width}{filters}{pooled}, over "
        return (
            f"A text classifier for the labels {names}{several}: "
            f"{describe_cells(self.recurrent)} over {front}"
            f"{self.tokenizer.vocabulary_size:,} SentencePiece tokens, {self.count_params():,} "
            f"parameters. Texts are read up to {self.max_tokens:,} tokens; anything longer is "
            f"cut off.{answer}"
        )

    def fit_example(self) -> str:
        """Returns a line of Python that trains the model further, loaded as `model`."""
        return "model.fit(texts, labels)"

    def serving_example(self) -> str:
        """Returns a line of Python that asks an export, loaded as `model`, a question."""
        output = "probabilities" if self.multi_label else "label"
        return f'model.signatures["serving_default"](text=tf.constant(["…"]))["{output}"]'


def _logits_layer(labels) -> keras.layers.Layer:
    # float32 whatever the model computes in: softmax and the loss want the digits.
    return keras.layers.Dense(len(labels), dtype="float32", name="logits")
