"""Text classification: strings to one of several labels."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from textlstm.cells import GRUCell, LSTMCell
from textlstm.data import BucketedBatches, EncodedCorpus, Example, part_of
from textlstm.errors import InputError
from textlstm.layers import RNN, TokenEmbedding, make_pooling, serialize_cell
from textlstm.tasks.training_state import TrainingState
from textlstm.tokenizers import SentencePieceTokenizer

CELLS = {"lstm": LSTMCell, "gru": GRUCell}


@keras.saving.register_keras_serializable(package="textlstm")
class TextClassifier(keras.Model):
    """A recurrent text classifier that owns its tokenizer.

    Token ids are embedded, read by a stacked recurrent layer, pooled over the real tokens to one
    vector, and mapped to a logit for each label:

        text → ids → TokenEmbedding → RNN → pooling → Dense → logits

    `fit`, `evaluate` and `predict` take strings; `call` takes token ids. The model is compiled when
    it is made, with defaults that work, and can be compiled anew like any Keras model.

    Args:
        tokenizer: a `SentencePieceTokenizer`.
        labels: the names of the classes, at least two, in the order of the outputs.
        cell: `"lstm"` (default), `"gru"`, or a cell (`textlstm.cells.Cell` or a Keras cell), whose
            own size then counts.
        units: size of the recurrent state of each direction; default 128.
        num_layers: number of recurrent layers; default 1.
        bidirectional: whether the text is read in both directions; default `True`.
        embedding_dim: size of the token vectors; default 128.
        pooling: `"concat"` (default: last, mean and max), `"last"`, `"mean"`, `"max"` or
            `"attention"`.
        dropout: share of the embedding's features (the same at all tokens of a row), of the outputs
            between layers, and of the pooled vector set to zero in training; default 0.5.
        token_dropout: share of the tokens whose whole vector is set to zero in training, so that
            the model does not rest on single words; default 0.2.
        max_tokens: longer texts are cut to so many tokens, here and in exports; default 512.
        **kwargs: `name` and `dtype` of a Keras model.

    Call arguments:
        ids: int, `[batch, time]`, padded with `tokenizer.pad_id`.
        training: whether dropout is on.

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
        cell="lstm",
        units: int = 128,
        num_layers: int = 1,
        bidirectional: bool = True,
        embedding_dim: int = 128,
        pooling: str = "concat",
        dropout: float = 0.5,
        token_dropout: float = 0.2,
        max_tokens: int = 512,
        **kwargs,
    ):
        labels = tuple(str(label) for label in labels)
        if len(labels) < 2 or len(set(labels)) < len(labels):
            raise InputError(
                f"Argument `labels` must hold at least two different names. Received: {labels}"
            )
        if isinstance(cell, str) and cell not in CELLS:
            raise InputError(
                f"Argument `cell` must be one of {sorted(CELLS)} or a cell. Received: {cell!r}"
            )
        if max_tokens < 2:
            raise InputError(f"Argument `max_tokens` must be at least 2. Received: {max_tokens!r}")
        for name, rate in (("dropout", dropout), ("token_dropout", token_dropout)):
            if not 0 <= rate < 1:
                raise InputError(f"Argument `{name}` must be in [0, 1). Received: {rate!r}")
        super().__init__(**kwargs)

        # === Config ===
        self.tokenizer = tokenizer
        self.labels = labels
        self.max_tokens = max_tokens
        self._options = {
            "cell": cell,
            "units": units,
            "num_layers": num_layers,
            "bidirectional": bidirectional,
            "embedding_dim": embedding_dim,
            "pooling": pooling,
            "dropout": dropout,
            "token_dropout": token_dropout,
        }

        # === Layers ===
        dtype = self.dtype_policy
        if isinstance(cell, str):
            cell = CELLS[cell](units, dtype=dtype)
        self.embedding = TokenEmbedding(
            tokenizer.vocabulary_size,
            embedding_dim,
            pad_id=tokenizer.pad_id,
            dtype=dtype,
            name="embedding",
        )
        # One draw a feature for all tokens of a row, and one draw a token for all its features.
        self.feature_dropout = keras.layers.SpatialDropout1D(dropout, dtype=dtype)
        self.token_dropout = keras.layers.Dropout(
            token_dropout, noise_shape=(None, None, 1), dtype=dtype
        )
        self.recurrent = RNN(
            cell,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            return_sequences=True,
            dtype=dtype,
            name="recurrent",
        )
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
        self.recurrent.build((None, None, self.embedding.output_dim))
        self.pooling.build((None, None, self.recurrent.output_size))
        self.head.build((None, self.pooling.output_features(self.recurrent.output_size)))

    def call(self, ids, training=False):
        """Computes the logits, `[batch, labels]`, of token ids `[batch, time]`."""
        mask = self.embedding.compute_mask(ids)  # [batch, time]
        vectors = self.embedding(ids)  # [batch, time, embedding_dim]
        vectors = self.feature_dropout(vectors, training=training)
        vectors = self.token_dropout(vectors, training=training)
        outputs = self.recurrent(vectors, mask=mask, training=training)
        pooled = self.pooling(outputs, mask=mask)
        return self.head(pooled, training=training)

    def compute_output_shape(self, input_shape):
        """Returns `(batch, labels)`."""
        return (input_shape[0], len(self.labels))

    def compile(self, optimizer="auto", loss="auto", metrics="auto", **kwargs):
        """Configures the training, as `keras.Model.compile`.

        Args:
            optimizer: default Adam with learning rate 1e-3 and gradients clipped to norm 1.
            loss: default the cross-entropy of the labels, from logits.
            metrics: default the accuracy.
            **kwargs: the other arguments of `keras.Model.compile`.
        """
        if isinstance(optimizer, str) and optimizer == "auto":
            optimizer = keras.optimizers.Adam(1e-3, global_clipnorm=1.0)
        if isinstance(loss, str) and loss == "auto":
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        if isinstance(metrics, str) and metrics == "auto":
            metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def get_compile_config(self) -> dict:
        """Returns what `compile` was given, and whether the optimizer has state to be loaded."""
        return {**super().get_compile_config(), "optimizer_has_state": self.optimizer.built}

    def compile_from_config(self, config: dict):
        """Compiles as `get_compile_config` recorded: a loaded model trains on as it did before."""
        config = dict(config)
        optimizer_has_state = config.pop("optimizer_has_state")
        self.compile(**keras.saving.deserialize_keras_object(config))
        if optimizer_has_state:
            self.optimizer.build(self.trainable_variables)

    # === Strings in ===

    def fit(
        self,
        x=None,
        y=None,
        *,
        batch_size: int = 64,
        epochs: int = 10,
        validation_split: float = 0.1,
        validation_data=None,
        early_stopping: int | None = 2,
        checkpoint: str | Path | None = None,
        shuffle: bool = True,
        seed: int = 0,
        sample_weight=None,
        callbacks=None,
        **kwargs,
    ):
        """Trains on texts and labels, as `keras.Model.fit`.

        With texts, a slice of them is held out for validation, chosen by the texts themselves
        (equal texts stay together), and the training stops when the loss on it no longer falls; the
        best weights are kept.

        If the labels are others than the model's, the model gets a new last layer for them, with
        new weights, keeps the rest, and says so.

        Args:
            x: texts (a list, array or series of `str` or UTF-8 `bytes`), an `EncodedCorpus`,
                `BucketedBatches`, or a batched `tf.data.Dataset` of `(texts, labels)`.
            y: with texts: their labels, names or numbers (positions in `labels`).
            batch_size: rows in a batch; default 64.
            epochs: the most passes over the data; default 10.
            validation_split: share of texts held out when there is no `validation_data`; default
                0.1, 0 for none. Only for texts.
            validation_data: `(texts, labels)`, or anything that `x` may be.
            early_stopping: number of epochs without a better validation loss after which to stop
                and go back to the best weights; default 2, `None` for never. Without validation
                data it has no effect.
            checkpoint: a folder in which the state of the training is kept after each epoch. If it
                holds one already, the training goes on from there; call with the same data and
                arguments. Default: none is kept.
            shuffle: whether each epoch takes the rows in a new order.
            seed: of that order.
            sample_weight: with texts: a weight for each.
            callbacks: Keras callbacks.
            **kwargs: the other arguments of `keras.Model.fit` (`verbose`, `class_weight`,
                `initial_epoch`, `steps_per_epoch`, …).

        Returns:
            The `History` of `keras.Model.fit`.

        Raises:
            InputError: if texts and labels do not go together.
        """
        weights = None
        if _holds_texts(x):
            x = _checked_texts(x)
            y = _checked_labels(y, len(x))
            if sample_weight is not None:
                weights = np.asarray(sample_weight, "float32")
            self.adopt_labels(self._names_in(y))
            if validation_data is None and validation_split:
                held_out = _held_out(x, validation_split, seed)  # bool [rows]
                if held_out.any() and not held_out.all():
                    validation_data = self.encode(_pick(x, held_out), y[held_out])
                    x, y = _pick(x, ~held_out), y[~held_out]
                    weights = None if weights is None else weights[~held_out]
            x = self.encode(x, y)
        elif isinstance(x, EncodedCorpus):
            self.adopt_labels(x.label_names)
        x = self._batches(x, batch_size, shuffle=shuffle, seed=seed, sample_weights=weights)

        callbacks = list(callbacks or [])
        stopping = None
        if validation_data is not None:
            validation_data = self._evaluation_batches(validation_data, batch_size)
            given = [c for c in callbacks if isinstance(c, keras.callbacks.EarlyStopping)]
            if given:
                stopping = given[0]
            elif early_stopping is not None:
                stopping = keras.callbacks.EarlyStopping(
                    monitor="val_loss", patience=early_stopping, restore_best_weights=True
                )
                callbacks.append(stopping)
        if checkpoint is not None:
            state = TrainingState(checkpoint, self, x, stopping)
            kwargs["initial_epoch"] = state.restore()
            callbacks.append(state)
        # BucketedBatches shuffles by itself, each epoch by a number of its own.
        return super().fit(
            x,
            epochs=epochs,
            validation_data=validation_data,
            callbacks=callbacks,
            shuffle=False,
            **kwargs,
        )

    def evaluate(self, x=None, y=None, *, batch_size: int = 256, sample_weight=None, **kwargs):
        """Computes loss and metrics, as `keras.Model.evaluate`.

        Args:
            x: as in `fit`.
            y: as in `fit`.
            batch_size: rows in a batch; default 256.
            sample_weight: with texts: a weight for each.
            **kwargs: the other arguments of `keras.Model.evaluate`.

        Returns:
            The loss and metrics, as a list or (`return_dict=True`) by name.
        """
        data = (x, y, sample_weight) if _holds_texts(x) else x
        return super().evaluate(self._evaluation_batches(data, batch_size), **kwargs)

    def predict(self, x, *, batch_size: int = 256, **kwargs) -> np.ndarray:
        """Computes the probability of every label.

        Args:
            x: texts, or anything else that `fit` takes.
            batch_size: rows in a batch; default 256.
            **kwargs: the other arguments of `keras.Model.predict`.

        Returns:
            float32 `[rows, labels]`, in the order of the rows.
        """
        if _holds_texts(x):
            x = _checked_texts(x)
            if not x:
                return np.zeros((0, len(self.labels)), "float32")
            x = self.encode(x)
        if isinstance(x, EncodedCorpus):
            x = self._batches(x, batch_size, shuffle=False, with_labels=False)
        order = x.order if isinstance(x, BucketedBatches) else None
        logits = super().predict(self._batches(x, batch_size), **kwargs)
        probabilities = np.asarray(keras.ops.softmax(logits), "float32")
        if order is not None:  # back from the order of the batches
            in_place = np.empty_like(probabilities)
            in_place[order] = probabilities
            return in_place
        return probabilities

    def classify(self, texts) -> list[str]:
        """Returns the most probable label of each text."""
        best = self.predict(texts, verbose=0).argmax(axis=-1)
        return [self.labels[index] for index in best]

    def encode(self, texts, labels=None, **options) -> EncodedCorpus:
        """Encodes texts once, to be fitted, evaluated or predicted many times.

        Args:
            texts: an iterable of texts, or of `textlstm.data.Example`s, which bring their labels.
            labels: with texts: their labels, names or numbers; default none.
            **options: `folder` and others of `EncodedCorpus.build`.

        Returns:
            The corpus, its rows cut to `max_tokens`.

        Raises:
            InputError: if a label is not among the model's.
        """
        texts = iter(texts)
        first = next(texts, None)
        names = self.labels if isinstance(first, Example) else None
        texts = () if first is None else itertools.chain([first], texts)
        corpus = EncodedCorpus.build(
            texts, self.tokenizer, labels=names, max_tokens=self.max_tokens, **options
        )
        if labels is not None:
            corpus.labels = self._label_numbers(_checked_labels(labels, len(corpus)))
            corpus.label_names = self.labels
        return corpus

    def _batches(self, x, batch_size, shuffle=False, **options):
        """Turns whatever `fit` takes, texts excepted, into batches of ids."""
        if isinstance(x, EncodedCorpus):
            if x.labels is not None and x.label_names != self.labels:
                names = np.array(x.label_names, dtype=object)
                x = x.subset(np.arange(len(x)))
                x.labels, x.label_names = self._label_numbers(names[x.labels]), self.labels
            return BucketedBatches(
                x, batch_size, pad_id=self.tokenizer.pad_id, shuffle=shuffle, **options
            )
        if hasattr(x, "element_spec"):  # a tf.data.Dataset
            from textlstm.tasks.tf_datasets import encode_dataset

            return encode_dataset(x, self)
        return x

    def _evaluation_batches(self, data, batch_size):
        """Turns validation data into batches: `(texts, labels[, weights])` or what `fit` takes."""
        weights = None
        if isinstance(data, (tuple, list)):
            texts, labels, *rest = data
            texts = _checked_texts(texts)
            weights = rest[0] if rest else None
            data = self.encode(texts, _checked_labels(labels, len(texts)))
        return self._batches(data, batch_size, sample_weights=weights)

    # === Labels ===

    def _label_numbers(self, labels: np.ndarray) -> np.ndarray:
        """Turns names or numbers into positions in `self.labels`, int32 `[rows]`."""
        if labels.dtype.kind in "iu":
            wrong = (labels < 0) | (labels >= len(self.labels))
            numbers = labels
        else:
            positions = {name: number for number, name in enumerate(self.labels)}
            numbers = np.array([positions.get(label, -1) for label in labels.tolist()])
            wrong = numbers < 0
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputError(
                f"row {row}: the label {labels[row]!r} is none of the model's labels "
                f"{', '.join(self.labels)}; mend the label, or fit the model on rows that have it"
            )
        return numbers.astype("int32")

    def _names_in(self, labels: np.ndarray) -> tuple[str, ...]:
        """Returns the names of the labels in data; numbers name the model's labels, if they can."""
        if labels.dtype.kind not in "iu":
            return tuple(sorted(set(labels.tolist())))
        if labels.min() < 0:
            raise InputError(f"labels must be names, or numbers from 0; got {labels.min()}")
        if labels.max() < len(self.labels):
            return self.labels
        return tuple(str(number) for number in range(labels.max() + 1))

    def adopt_labels(self, labels: Sequence[str]) -> None:
        """Gives the model a new last layer for `labels`, unless it knows them all.

        Args:
            labels: the names of the classes.

        Raises:
            InputError: if there is only one label, and the model does not know it.
        """
        labels = tuple(labels)
        if set(labels) <= set(self.labels):
            return
        if len(labels) < 2:
            raise InputError(
                f"every row has the label {labels[0]!r}; a classifier needs at least two classes"
            )
        print(
            f"New labels {', '.join(labels)} instead of {', '.join(self.labels)}: the last layer "
            "begins anew, the layers below it keep what they have learned."
        )
        self.labels = labels
        self.head.pop()
        self.head.add(_logits_layer(labels))
        # The optimizer holds state for the old weights, and the compiled steps use them.
        self.compile_from_config(self.get_compile_config())

    # === Saving ===

    def get_config(self) -> dict:
        """Returns the arguments of the constructor; the tokenizer's model is part of it."""
        options = dict(self._options)
        if not isinstance(options["cell"], str):
            options["cell"] = serialize_cell(options["cell"])
        return {
            **super().get_config(),
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "labels": list(self.labels),
            **options,
            "max_tokens": self.max_tokens,
        }

    @classmethod
    def from_config(cls, config: dict):
        """Makes the model from what `get_config` returned."""
        config = dict(config)
        for name in ("tokenizer", "cell"):
            if isinstance(config[name], dict):
                config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)

    def make_serving(self):
        """Makes the module with the signatures of an export; needs the TensorFlow backend."""
        from textlstm.tasks.serving import classifier_serving

        return classifier_serving(self)

    def describe(self) -> str:
        """Says in one sentence what the model is, for its card."""
        directions = "bidirectional " if self.recurrent.bidirectional else ""
        layers = f"{self.recurrent.num_layers}-layer " if self.recurrent.num_layers > 1 else ""
        return (
            f"A text classifier for the labels {', '.join(f'`{label}`' for label in self.labels)}: "
            f"a {layers}{directions}{type(self.recurrent.cell).__name__.removesuffix('Cell')} of "
            f"{self.recurrent.state_sizes[0]} units over {self.tokenizer.vocabulary_size:,} "
            f"SentencePiece tokens, {self.count_params():,} parameters. Texts are read up to "
            f"{self.max_tokens:,} tokens; what stands after that is not seen."
        )

    def serving_example(self) -> str:
        """Returns a line of Python that asks an export, loaded as `model`, a question."""
        return 'model.signatures["serving_default"](text=tf.constant(["…"]))["label"]'


def _logits_layer(labels) -> keras.layers.Layer:
    # float32 whatever the model computes in: softmax and the loss want the digits.
    return keras.layers.Dense(len(labels), dtype="float32", name="logits")


def _holds_texts(x) -> bool:
    """Tells texts from what is batched or encoded already."""
    encoded = isinstance(x, (EncodedCorpus, keras.utils.PyDataset)) or hasattr(x, "element_spec")
    return not encoded


def _checked_texts(texts) -> list:
    """Returns texts as a list of `str` and `bytes`, or says which row is something else."""
    if texts is None or isinstance(texts, (str, bytes)):
        raise InputError(f"texts must be a list of strings; got {type(texts).__name__}")
    texts = list(texts)
    for row, text in enumerate(texts):
        if not isinstance(text, (str, bytes)):
            raise InputError(f"row {row}: a text must be a string; got {text!r}")
    return texts


def _checked_labels(labels, rows: int) -> np.ndarray:
    """Returns labels as an array of `str` (dtype object) or of int, `[rows]`."""
    if labels is None:
        raise InputError("texts need labels: give y, a name or number for each text")
    labels = np.asarray(labels)
    if labels.shape != (rows,):
        raise InputError(
            f"there are {rows} texts and labels of shape {labels.shape}; give one label a text"
        )
    if not rows:
        raise InputError("there is no text; give at least one")
    if labels.dtype.kind in "iub":
        return labels.astype("int64")
    if labels.dtype.kind == "f" and (labels == np.floor(labels)).all():
        return labels.astype("int64")
    for row, label in enumerate(labels.tolist()):
        if not isinstance(label, str):
            raise InputError(f"row {row}: a label must be a name or a number; got {label!r}")
    return labels.astype(object)


def _held_out(texts: list, share: float, seed: int) -> np.ndarray:
    """Says of each text whether it is held out: by the text itself, so equal texts go together."""

    def is_held_out(text):
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        return part_of(text, shares={"validation": share}, seed=seed) == "validation"

    return np.array([is_held_out(text) for text in texts], bool)


def _pick(texts: list, chosen: np.ndarray) -> list:
    return [text for text, is_chosen in zip(texts, chosen) if is_chosen]
