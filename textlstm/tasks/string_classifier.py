"""A Keras model whose `fit`, `evaluate` and `predict` take strings, and give names of labels."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from textlstm.data import BucketedBatches, EncodedCorpus, Example
from textlstm.errors import InputError
from textlstm.tasks.adam import Adam
from textlstm.tasks.class_weights import (
    read_class_weight,
    read_sample_weight,
    weights_of_rows,
)
from textlstm.tasks.labels import LabelSets, SingleLabels
from textlstm.tasks.losses import MicroF1, SmoothedSparseCategoricalCrossentropy
from textlstm.tasks.task import Task
from textlstm.tasks.texts import checked_texts, held_out, holds_texts, pick
from textlstm.tasks.weight_average import WeightAverage


class StringClassifier(Task):
    """What a classifier of strings does whatever its layers are: from strings to ids, and training.

    A subclass has the layers: it writes `call`, from token ids `[batch, time]` to logits
    `[batch, labels]`, with a `shift` of the token vectors, and `renew_last_layer`; and it sets the
    attributes.

    Attributes:
        embedding: the layer from ids to token vectors.
        tokenizer: a `SentencePieceTokenizer`.
        labels: the names of the labels, in the order of the logits.
        multi_label: whether a text may have any number of the labels.
        max_tokens: longer texts are cut to so many tokens.
    """

    def renew_last_layer(self) -> None:
        """Puts a new layer, with new weights, in the place of the last one, for `labels`."""
        raise NotImplementedError(f"{type(self).__name__} must define `renew_last_layer`.")

    def compile(
        self,
        optimizer="auto",
        loss="auto",
        metrics="auto",
        *,
        label_smoothing: float = 0.0,
        adversarial: float = 0.0,
        **kwargs,
    ):
        """Configures the training, as `keras.Model.compile`.

        Args:
            optimizer: default Adam with learning rate 1e-3 and gradients clipped to norm 1.
            loss: default the cross-entropy of the labels, from logits; with `multi_label` the
                binary one of each label.
            metrics: default the accuracy; with `multi_label` the F1 score over all labels (`f1`).
            label_smoothing: share of the default loss that asks for all labels alike, in [0, 1);
                default 0 (Szegedy et al., 2016).
            adversarial: train on every batch twice, the second time with the vectors of each text
                moved where its loss grows most, by this share of their norm, such as 0.02; default
                0, none (Miyato et al., ICLR 2017). A step takes twice as long, and a model on
                little text learns less by heart. Needs the TensorFlow backend.
            **kwargs: the other arguments of `keras.Model.compile`.

        Raises:
            InputError: if `label_smoothing` or `adversarial` is out of its range, or
                `label_smoothing` is given beside a `loss`.
        """
        if not 0 <= label_smoothing < 1:
            raise InputError(f"label_smoothing must be in [0, 1); got {label_smoothing!r}")
        if not 0 <= adversarial < 1:
            raise InputError(f"adversarial must be in [0, 1); got {adversarial!r}")
        if adversarial and keras.backend.backend() != "tensorflow":
            raise InputError(
                "adversarial training needs the TensorFlow backend; leave out `adversarial`, or "
                "set KERAS_BACKEND=tensorflow"
            )
        self._adversarial = adversarial
        if isinstance(optimizer, str) and optimizer == "auto":
            optimizer = Adam(1e-3, global_clipnorm=1.0)
        if isinstance(loss, str) and loss == "auto":
            loss = self._default_loss(label_smoothing)
        elif label_smoothing:
            raise InputError("label_smoothing is of the default loss; give it or a loss of yours")
        if isinstance(metrics, str) and metrics == "auto":
            accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
            metrics = [MicroF1() if self.multi_label else accuracy]
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def _default_loss(self, label_smoothing: float) -> keras.losses.Loss:
        if self.multi_label:
            return keras.losses.BinaryCrossentropy(
                from_logits=True, label_smoothing=label_smoothing
            )
        if label_smoothing:
            return SmoothedSparseCategoricalCrossentropy(label_smoothing)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def _options_of_steps(self) -> dict:
        return {"adversarial": self._adversarial}

    @property
    def _label_kind(self) -> SingleLabels | LabelSets:
        return LabelSets() if self.multi_label else SingleLabels()

    def train_step(self, *args, **kwargs):
        """Takes one step of the training, as Keras's or as `compile(adversarial=…)` asks for."""
        if not self._adversarial:
            return super().train_step(*args, **kwargs)
        from textlstm.tasks.adversarial import adversarial_train_step

        return adversarial_train_step(self, *args, size=self._adversarial)

    # === Strings in ===

    def fit(
        self,
        x=None,
        y=None,
        *,
        batch_size: int = 64,
        max_batch_tokens: int | None = None,
        subword_sampling: float | None = None,
        epochs: int = 10,
        validation_split: float = 0.1,
        validation_data=None,
        early_stopping: int | None = 2,
        average_weights: float | WeightAverage | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_minutes: float = 10.0,
        shuffle: bool = True,
        seed: int = 0,
        sample_weight=None,
        class_weight=None,
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
            y: with texts: their labels, names or numbers (positions in `labels`). With
                `multi_label`: for each text a tuple of them; or an array of zeros and ones,
                `[rows, labels]`.
            batch_size: rows in a batch; default 64. This and the next two only for texts and
                corpora.
            max_batch_tokens: the most tokens in a batch, padding included, so that long texts come
                in smaller batches; default no limit.
            subword_sampling: train in every epoch on other pieces of the same texts, drawn with
                this `alpha` of `SentencePieceTokenizer.resample`; default none.
            epochs: the most passes over the data; default 10.
            validation_split: share of texts held out when there is no `validation_data`; default
                0.1, 0 for none. Only for texts.
            validation_data: `(texts, labels)`, or anything that `x` may be.
            early_stopping: number of epochs without a better validation loss after which to stop
                and go back to the best weights, counted from where all layers train; default 2,
                `None` for never. Without validation data it has no effect.
            average_weights: decay, such as 0.999, of a moving average of the weights, which the
                model is validated with and holds at the end; or a `WeightAverage`; default none.
            checkpoint: a folder in which the state of the training is kept. If it holds one
                already, the training goes on from there; call with the same data and arguments.
                Default: none is kept.
            checkpoint_minutes: the state is kept after each epoch, and within an epoch every so
                many minutes (not for a `tf.data.Dataset`); default 10. An epoch that was cut off
                goes on where it was, and its figures are of its rest alone.
            shuffle: whether each epoch takes the rows in a new order.
            seed: of that order.
            sample_weight: with texts or a corpus: a weight for each row.
            class_weight: a dict from labels, names or numbers, to weights; or `"balanced"`, which
                gives every class the same share of the loss. Not with `multi_label`.
            callbacks: Keras callbacks.
            **kwargs: the other arguments of `keras.Model.fit` (`verbose`, `initial_epoch`, …).

        Returns:
            The `History` of `keras.Model.fit`.

        Raises:
            InputError: if texts and labels do not go together, or an argument is out of its range.
        """
        weights = None
        if holds_texts(x):
            x = checked_texts(x)
            y = self._label_kind.read(y, len(x))
            weights = read_sample_weight(sample_weight, len(x))
            names = self._label_kind.names_in(y, self.labels)
            self._check_class_weight(class_weight, names)
            self.adopt_labels(names)
            if validation_data is None and validation_split:
                held = held_out(x, validation_split, seed)  # bool [rows]
                if held.any():
                    validation_data = self._evaluation_batches(
                        self.encode(pick(x, held), y[held]),
                        batch_size,
                        None if weights is None else weights[held],
                    )
                    x, y = pick(x, ~held), y[~held]
                    weights = None if weights is None else weights[~held]
            x = self.encode(x, y)
        elif isinstance(x, EncodedCorpus):
            _check_labelled(x, y)
            self._check_class_weight(class_weight, x.label_names)
            self.adopt_labels(x.label_names)
            weights = read_sample_weight(sample_weight, len(x))
        else:
            _refuse_sample_weight(sample_weight)
        if class_weight is not None:
            class_weight = self._class_weight(class_weight, x)
            if weights is not None:  # Keras takes one of the two only
                numbers = self._with_own_labels(x).labels
                weights = weights * weights_of_rows(class_weight, numbers)
                class_weight = None
        x = self._batches(
            x,
            batch_size,
            shuffle=shuffle,
            seed=seed,
            sample_weights=weights,
            max_batch_tokens=max_batch_tokens,
            sample=self._sampler(subword_sampling),
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
            class_weight=class_weight,
            **kwargs,
        )

    def evaluate(self, x=None, y=None, *, batch_size: int = 256, sample_weight=None, **kwargs):
        """Computes loss and metrics, as `keras.Model.evaluate`.

        Args:
            x: as in `fit`.
            y: as in `fit`.
            batch_size: rows in a batch; default 256.
            sample_weight: with texts or a corpus: a weight for each row.
            **kwargs: the other arguments of `keras.Model.evaluate`.

        Returns:
            The loss and metrics, as a list or (`return_dict=True`) by name.
        """
        if isinstance(x, EncodedCorpus):
            _check_labelled(x, y)
        data = (x, y) if holds_texts(x) else x
        return super().evaluate(self._evaluation_batches(data, batch_size, sample_weight), **kwargs)

    def predict(self, x, *, batch_size: int = 256, **kwargs) -> np.ndarray:
        """Computes the probability of every label.

        Args:
            x: texts, or anything else that `fit` takes.
            batch_size: rows in a batch; default 256.
            **kwargs: the other arguments of `keras.Model.predict`.

        Returns:
            float32 `[rows, labels]`, in the order of the rows. Those of a row sum to 1; with
            `multi_label` each stands for itself.
        """
        if holds_texts(x):
            x = checked_texts(x)
            if not x:
                return np.zeros((0, len(self.labels)), "float32")
            x = self.encode(x)
        if isinstance(x, EncodedCorpus):
            x = self._batches(x, batch_size, shuffle=False, with_labels=False)
        order = x.order if isinstance(x, BucketedBatches) else None
        logits = super().predict(self._batches(x, batch_size), **kwargs)
        probabilities = np.asarray(self.to_probabilities(logits), "float32")
        if order is not None:  # back from the order of the batches
            in_place = np.empty_like(probabilities)
            in_place[order] = probabilities
            return in_place
        return probabilities

    def classify(self, texts, threshold: float = 0.5) -> list:
        """Says which label, or labels, each text has.

        Args:
            texts: as in `predict`.
            threshold: with `multi_label`: the least probability of a label that is given; default
                0.5.

        Returns:
            The name of the most probable label of each text; with `multi_label` a tuple of names,
            which may be empty.
        """
        probabilities = self.predict(texts, verbose=0)
        if not self.multi_label:
            return [self.labels[index] for index in probabilities.argmax(axis=-1)]
        return [
            tuple(label for label, p in zip(self.labels, row) if p >= threshold)
            for row in probabilities
        ]

    def to_probabilities(self, logits):
        """Turns what `call` returns into probabilities, `[batch, labels]`."""
        return keras.ops.sigmoid(logits) if self.multi_label else keras.ops.softmax(logits)

    def encode(self, texts, labels=None, **options) -> EncodedCorpus:
        """Encodes texts once, to be fitted, evaluated or predicted many times.

        Args:
            texts: an iterable of texts, or of `textlstm.data.Example`s, which bring their labels.
            labels: with texts: their labels, as in `fit`; default none.
            **options: `folder` and others of `EncodedCorpus.build`.

        Returns:
            The corpus, its rows cut to `max_tokens`.

        Raises:
            InputError: if a label is not among the model's.
        """
        if labels is not None:
            texts, kind = checked_texts(texts), self._label_kind
            targets = kind.to_targets(kind.read(labels, len(texts)), self.labels)
            pairs = zip(texts, kind.to_names(targets, self.labels))
            texts = (Example(*pair, f"row {row}") for row, pair in enumerate(pairs))
        texts = iter(texts)
        first = next(texts, None)
        names = self.labels if isinstance(first, Example) else None
        texts = () if first is None else itertools.chain([first], texts)
        return EncodedCorpus.build(
            texts, self.tokenizer, labels=names, max_tokens=self.max_tokens, **options
        )

    def _batches(self, x, batch_size, shuffle=False, **options):
        """Turns whatever `fit` takes, texts excepted, into batches of ids."""
        if isinstance(x, EncodedCorpus):
            x = self._with_own_labels(x) if options.get("with_labels", True) else x
            pad_id = self.tokenizer.pad_id
            try:
                return BucketedBatches(x, batch_size, pad_id=pad_id, shuffle=shuffle, **options)
            except ValueError as error:
                raise InputError(str(error)) from error
        if hasattr(x, "element_spec"):  # a tf.data.Dataset
            from textlstm.tasks.tf_datasets import encode_dataset

            return encode_dataset(x, self)
        if isinstance(x, BucketedBatches) and x.with_labels:
            names = x.corpus.label_names
            if names and names != self.labels:
                raise InputError(
                    f"the batches number their labels by {', '.join(names)}, the model by "
                    f"{', '.join(self.labels)}; give the corpus itself, or encode with the model"
                )
        return x

    def _sampler(self, alpha: float | None):
        """Returns what draws the pieces of each batch anew, or `None`."""
        if alpha is None:
            return None
        return lambda rows, seed: self.tokenizer.resample(rows, alpha=alpha, seed=seed)

    def _with_own_labels(self, corpus: EncodedCorpus) -> EncodedCorpus:
        """Returns the corpus with its labels in the order of the model's."""
        if corpus.labels is None:
            return corpus
        if corpus.multi_label != self.multi_label:
            raise InputError(
                "the rows of the corpus have several labels each, and the model gives one; make it "
                "with multi_label=True"
                if corpus.multi_label
                else "the rows of the corpus have one label each; a multi-label model takes tuples"
            )
        if corpus.label_names == self.labels:
            return corpus
        targets = self._label_kind.translate(corpus.labels, corpus.label_names, self.labels)
        corpus = corpus.subset(np.arange(len(corpus)))
        corpus.labels, corpus.label_names = targets, self.labels
        return corpus

    def _check_class_weight(self, class_weight, names: Sequence[str]) -> None:
        """Refuses weights that do not go with labels which the model is about to adopt."""
        if class_weight is not None and self.multi_label:
            raise InputError(
                "class_weight weighs rows by their one label, which a multi-label row does not "
                "have; leave it out, or give sample_weight"
            )
        if isinstance(class_weight, Mapping):
            read_class_weight(class_weight, self._labels_with(names), None)

    def _class_weight(self, class_weight, x) -> dict[int, float]:
        """Turns `class_weight` into weights by number, counting the labels of `x` if need be."""
        self._check_class_weight(class_weight, self.labels)
        corpus = x.corpus if isinstance(x, BucketedBatches) else x
        numbers = None
        if isinstance(corpus, EncodedCorpus):
            numbers = self._with_own_labels(corpus).labels
        return read_class_weight(class_weight, self.labels, numbers)

    def _evaluation_batches(self, data, batch_size, sample_weight=None):
        """Turns validation data into batches: `(texts, labels[, weights])` or what `fit` takes."""
        if isinstance(data, (tuple, list)):
            texts, labels, *rest = data
            sample_weight = rest[0] if rest else sample_weight
            texts = checked_texts(texts)
            data = self.encode(texts, self._label_kind.read(labels, len(texts)))
        if not isinstance(data, EncodedCorpus):
            _refuse_sample_weight(sample_weight)
            return self._batches(data, batch_size)
        weights = read_sample_weight(sample_weight, len(data))
        return self._batches(data, batch_size, sample_weights=weights)

    def adopt_labels(self, labels: Sequence[str]) -> None:
        """Gives the model a new last layer for `labels`, unless it knows them all.

        Args:
            labels: the names of the classes.

        Raises:
            InputError: if there is only one label, and the model does not know it.
        """
        labels = self._labels_with(labels)
        if labels == self.labels:
            return
        arguments = self._compile_arguments_anew()
        print(
            f"New labels {', '.join(labels)} instead of {', '.join(self.labels)}: the last layer "
            "begins anew, the layers below it keep what they have learned."
        )
        self.labels = labels
        self.renew_last_layer()
        # The optimizer holds state for the old weights, and the compiled steps use them.
        self.compile(**arguments)

    def _labels_with(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Returns what the model's labels are once it has adopted `labels`."""
        labels = tuple(labels)
        if set(labels) <= set(self.labels):
            return self.labels
        if len(labels) < 2:
            raise InputError(
                f"every row has the label {labels[0]!r}; a classifier needs at least two classes"
            )
        return labels


def _refuse_sample_weight(sample_weight) -> None:
    if sample_weight is not None:
        raise InputError(
            "sample_weight is for texts or a corpus; batches and datasets bring their weights as a "
            "third member"
        )


def _check_labelled(corpus: EncodedCorpus, y) -> None:
    if y is not None or corpus.labels is None:
        raise InputError(
            "the labels come with a corpus; give them when it is made: model.encode(texts, labels)"
        )
