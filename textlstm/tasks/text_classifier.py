"""Text classification: strings to one of several labels."""

from collections.abc import Sequence

import keras
import numpy as np

from textlstm.cells import Cell, GRUCell, LSTMCell
from textlstm.data import BucketedBatches, EncodedCorpus, held_out
from textlstm.errors import InputError
from textlstm.layers import RNN, TokenEmbedding, make_pooling
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
            between layers, and of the pooled vector set to zero in training; default 0.4.
        max_tokens: longer texts are cut to so many tokens, here and in exports; default 512.
        **kwargs: `name` and `dtype` of a Keras model.

    Call arguments:
        ids: int, `[batch, time]`, padded with `tokenizer.pad_id`.
        training: whether dropout is on.

    Returns:
        Logits, float32, `[batch, labels]`.

    Raises:
        ValueError: if an argument is out of its range.

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
        dropout: float = 0.4,
        max_tokens: int = 512,
        **kwargs,
    ):
        labels = tuple(str(label) for label in labels)
        if len(labels) < 2 or len(set(labels)) < len(labels):
            raise ValueError(
                f"Argument `labels` must hold at least two different names. Received: {labels}"
            )
        if isinstance(cell, str) and cell not in CELLS:
            raise ValueError(
                f"Argument `cell` must be one of {sorted(CELLS)} or a cell. Received: {cell!r}"
            )
        if max_tokens < 2:
            raise ValueError(f"Argument `max_tokens` must be at least 2. Received: {max_tokens!r}")
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
        self.embedding_dropout = keras.layers.SpatialDropout1D(dropout, dtype=dtype)
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
        vectors = self.embedding_dropout(vectors, training=training)
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
        shuffle: bool = True,
        seed: int = 0,
        sample_weight=None,
        callbacks=None,
        **kwargs,
    ):
        """Trains on texts and labels, as `keras.Model.fit`.

        With texts, a slice of them is held out for validation, chosen by the texts themselves (equal
        texts stay together), and the training stops when the loss on it no longer falls; the best
        weights are kept.

        If the labels are others than the model's, the model gets a new last layer for them, with new
        weights, keeps the rest, and says so.

        Args:
            x: texts (a list, array or series of `str` or UTF-8 `bytes`), an `EncodedCorpus`,
                `BucketedBatches`, or a batched `tf.data.Dataset` of `(texts, labels)`.
            y: with texts: their labels, names or numbers (positions in `labels`).
            batch_size: rows in a batch; default 64.
            epochs: the most passes over the data; default 10.
            validation_split: share of texts held out when there is no `validation_data`; default
                0.1, 0 for none. Only for texts.
            validation_data: `(texts, labels)`, or anything that `x` may be.
            early_stopping: number of epochs without a better validation loss after which to stop and
                go back to the best weights; default 2, `None` for never. Without validation data it
                has no effect.
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
        if not _holds_texts(x):
            self._adopt_labels_of(x)
        else:
            x, y = _texts(x), _label_array(y, x)
            self._adopt_labels(y, verbose=kwargs.get("verbose", "auto"))
            y = self._label_ids(y)
            weights = None if sample_weight is None else np.asarray(sample_weight, "float32")
            if validation_data is None and validation_split:
                out = held_out(x, validation_split, seed=seed)  # bool [rows]
                if 0 < out.sum() < len(x):
                    validation_data = ([x[i] for i in np.flatnonzero(out)], y[out])
                    kept = np.flatnonzero(~out)
                    x, y = [x[i] for i in kept], y[kept]
                    weights = None if weights is None else weights[kept]
            x = self.encode(x, y)
            y, sample_weight = None, weights
        x = self._batches(x, batch_size, shuffle=shuffle, seed=seed, sample_weight=sample_weight)

        callbacks = list(callbacks or [])
        if validation_data is not None:
            validation_data = self._evaluation_batches(validation_data, batch_size)
            stops = any(isinstance(c, keras.callbacks.EarlyStopping) for c in callbacks)
            if early_stopping is not None and not stops:
                callbacks.append(
                    keras.callbacks.EarlyStopping(
                        monitor="val_loss", patience=early_stopping, restore_best_weights=True
                    )
                )
        return super().fit(
            x, epochs=epochs, validation_data=validation_data, callbacks=callbacks, **kwargs
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
        order = None
        if _holds_texts(x):
            x = self.encode(_texts(x))
        if isinstance(x, EncodedCorpus):
            if len(x) == 0:
                return np.zeros((0, len(self.labels)), "float32")
            x = self._batches(x, batch_size, shuffle=False, with_labels=False)
            order = x.order
        logits = super().predict(self._batches(x, batch_size), **kwargs)
        probabilities = np.asarray(keras.ops.softmax(logits), "float32")
        if order is not None:
            probabilities[order] = probabilities.copy()
        return probabilities

    def classify(self, texts) -> list[str]:
        """Returns the most probable label of each text."""
        best = self.predict(texts, verbose=0).argmax(axis=-1)
        return [self.labels[index] for index in best]

    def encode(self, texts, labels=None, **kwargs) -> EncodedCorpus:
        """Encodes texts once, to be fitted or evaluated many times.

        Args:
            texts: an iterable of texts, or of `textlstm.data.Example`s.
            labels: their labels, names or numbers; `None` with examples, which bring their own, and
                for texts without labels.
            **kwargs: `folder` and others of `EncodedCorpus.build`.

        Returns:
            The corpus, rows cut to `max_tokens`.
        """
        return EncodedCorpus.build(
            texts,
            self.tokenizer,
            labels=labels,
            label_names=self.labels,
            max_tokens=self.max_tokens,
            **kwargs,
        )

    def get_config(self) -> dict:
        """Returns the arguments of the constructor; the tokenizer's model is part of it."""
        serialize = keras.saving.serialize_keras_object
        options = dict(self._options)
        if not isinstance(options["cell"], str):
            options["cell"] = serialize(options["cell"])
        return {
            **super().get_config(),
            "tokenizer": serialize(self.tokenizer),
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
