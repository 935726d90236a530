"""What all tasks do alike: how they are compiled again after loading, and how they are trained."""

import functools
from contextlib import nullcontext
from pathlib import Path

import keras

from textlstm.errors import InputError
from textlstm.tasks.training_state import TrainingState
from textlstm.tasks.transfer import GradualUnfreezing
from textlstm.tasks.weight_average import WeightAverage


def check_ranges(max_tokens: int, **rates: float) -> None:
    """Raises an `InputError` if texts would be cut to nothing, or a dropout rate is none."""
    if max_tokens < 2:
        raise InputError(f"Argument `max_tokens` must be at least 2. Received: {max_tokens!r}")
    for name, rate in rates.items():
        if not 0 <= rate < 1:
            raise InputError(f"Argument `{name}` must be in [0, 1). Received: {rate!r}")


class Task(keras.Model):
    """A Keras model that owns its tokenizer and takes strings.

    Attributes:
        resting: the paths of variables that a callback has rest for some epochs; they count as
            those that train when the model is saved or copied.
    """

    resting: frozenset[str] = frozenset()

    def compile(self, **arguments):
        """Configures the training, as `keras.Model.compile`, and keeps what it was given."""
        super().compile(**arguments)
        # In a call, as Keras looks for layers and metrics in any other attribute.
        self._compile_arguments = functools.partial(dict, arguments)

    def _options_of_steps(self) -> dict:
        """Returns those arguments of `compile` that a task's own training step needs."""
        return {}

    def _compile_arguments_anew(self) -> dict:
        """Returns what `compile` was given, with new optimizers and metrics like those."""
        arguments = {**self._compile_arguments(), **self._options_of_steps()}
        return keras.tree.map_structure(_another, arguments)

    def _config_of_options(self) -> dict:
        """Returns what `get_config` has in every task: the options of the layers."""
        config = {**super().get_config(), **self._options, "max_tokens": self.max_tokens}
        frozen = [
            _path(variable)
            for variable in self.weights
            if not variable.trainable and variable.path not in self.resting
        ]
        return {**config, "frozen": frozen} if frozen else config

    @classmethod
    def from_config(cls, config: dict):
        """Makes the model from what `get_config` returned."""
        config = dict(config)
        frozen = set(config.pop("frozen", ()))
        for name in ("tokenizer", "source_tokenizer", "target_tokenizer", "cell"):
            if isinstance(config.get(name), dict):
                config[name] = keras.saving.deserialize_keras_object(config[name])
        model = cls(**config)
        for variable in model.weights:
            if _path(variable) in frozen:
                variable.trainable = False
        for layer in model._flatten_layers(include_self=False) if frozen else ():
            if layer.weights and not any(variable.trainable for variable in layer.weights):
                layer.trainable = False  # or TensorFlow takes no `True` for a change
        return model

    def get_compile_config(self) -> dict:
        """Returns what `compile` was given, and of which variables the optimizer has state."""
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        return {
            **super().get_compile_config(),
            **self._options_of_steps(),
            "optimizer_has_state": [_path(v) for v in optimizer._trainable_variables],
        }

    def compile_from_config(self, config: dict):
        """Compiles as `get_compile_config` recorded: a loaded model trains on as it did before."""
        config = dict(config)
        has_state = config.pop("optimizer_has_state")
        self.compile(**keras.saving.deserialize_keras_object(config))
        if has_state is True:  # as it was once recorded
            self.optimizer.build(self.trainable_variables)
        elif has_state:
            variables = {_path(variable): variable for variable in self.weights}
            self.optimizer.build([variables[path] for path in has_state])

    def with_options(self, **options) -> "Task":
        """Returns a model with the same weights and loss, and other options.

        A model that was trained in mixed precision answers on every processor alike in float32; one
        that was loaded, which is in float32, is trained further in less time in mixed precision, or
        with more dropout, where there is less to learn from.

        Args:
            **options: arguments of the constructor that change no weights, such as
                `dtype="mixed_bfloat16"` and `dropout=0.5`.

        Raises:
            InputError: if the task has no such argument, or it would change the weights' shapes.
        """
        config = self.get_config()
        if unknown := sorted(set(options) - set(config)):
            raise InputError(
                f"{', '.join(unknown)}: a {type(self).__name__} has no such options; it has "
                f"{', '.join(sorted(config))}"
            )
        model = type(self).from_config({**config, **options})
        weights = self.get_weights()
        if [w.shape for w in weights] != [tuple(w.shape) for w in model.weights]:
            raise InputError(
                f"{', '.join(sorted(options))}: would change the shapes of the weights; make a new "
                "model"
            )
        model.set_weights(weights)
        model.compile(**self._compile_arguments_anew())
        return model

    def explain(self, text: str | bytes, **options):
        """Says which tokens of a text the answer hangs on; in a notebook, the text in colours.

        Args:
            text: what the model reads.
            **options: of `textlstm.insight.attribute`: `target`, `method`, `steps`.

        Returns:
            A `textlstm.insight.Attribution`.

        Example:
            >>> textlstm.load("models/sentiment-en").explain("Dull at first, then a joy.")
        """
        # The one way down from a task: insight stands on all of them.
        from textlstm.insight import attribute

        return attribute(self, text, **options)

    def fit_batches(
        self,
        batches,
        *,
        epochs: int,
        validation_data=None,
        early_stopping: int | None = None,
        average_weights: float | WeightAverage | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_minutes: float = 10.0,
        callbacks=None,
        **kwargs,
    ) -> keras.callbacks.History:
        """Trains on batches of ids, with what every `fit` of a task offers.

        Args:
            batches: what `keras.Model.fit` takes.
            epochs: the most passes over them.
            validation_data: likewise; default none.
            early_stopping: number of epochs without a better validation loss after which to stop
                and go back to the best weights, counted from where all layers train; `None` for
                never, and where there is an `EarlyStopping` among the callbacks.
            average_weights: a `WeightAverage`, or its decay; default none.
            checkpoint: folder of a `TrainingState`; default none is kept.
            checkpoint_minutes: of the `TrainingState`.
            callbacks: Keras callbacks, or one.
            **kwargs: the other arguments of `keras.Model.fit`.
        """
        if isinstance(callbacks, keras.callbacks.Callback):
            callbacks = [callbacks]
        # The average comes first: whatever else looks at the weights is to see it.
        average = average_weights
        if average is not None and not isinstance(average, WeightAverage):
            average = WeightAverage(average)
        callbacks = [*([average] if average else []), *(callbacks or [])]
        averages = [callback for callback in callbacks if isinstance(callback, WeightAverage)]
        if len(averages) > 1:
            raise InputError("two averages of the weights are kept; give one WeightAverage")
        average = averages[0] if averages else None  # one among the callbacks is kept and resumed
        stoppings = [c for c in callbacks if isinstance(c, keras.callbacks.EarlyStopping)]
        if validation_data is not None and early_stopping is not None and not stoppings:
            # While layers rest, the loss says little of what they will come to.
            unfreezing = [c for c in callbacks if isinstance(c, GradualUnfreezing)]
            stoppings = [
                keras.callbacks.EarlyStopping(
                    monitor="val_loss",
                    patience=early_stopping,
                    restore_best_weights=True,
                    start_from_epoch=max((c.free_from(self) for c in unfreezing), default=0),
                )
            ]
            callbacks += stoppings
        # Keras would build it while it traces a step, and have to trace the step once more. A
        # `LossScaleOptimizer` that is built a second time would lose its scale.
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        training = nullcontext()
        if checkpoint is not None:
            if kwargs.get("steps_per_epoch"):
                raise InputError(
                    "steps_per_epoch does not go with checkpoint: a training goes on from whole "
                    "passes over the data; leave it out, and give more epochs"
                )
            state = TrainingState(
                checkpoint,
                self,
                batches,
                minutes=checkpoint_minutes,
                stoppings=stoppings,
                average=average,
            )
            kwargs["initial_epoch"] = max(state.restore(), kwargs.get("initial_epoch", 0))
            callbacks.append(state)
            training = state.training()
        # BucketedBatches shuffles by itself, each epoch by a number of its own.
        try:
            with training:
                return super().fit(
                    batches,
                    epochs=epochs,
                    validation_data=validation_data,
                    callbacks=callbacks,
                    shuffle=False,
                    **kwargs,
                )
        except BaseException:
            # Keras tells nobody, and the next training would begin with weights that rest.
            for callback in callbacks:
                if isinstance(callback, (WeightAverage, GradualUnfreezing)):
                    callback.on_train_end()
            raise


def _path(variable) -> str:
    """Returns where in its model a variable is, whatever the model's name."""
    return variable.path.split("/", 1)[-1]


def _another(argument):
    """Returns an optimizer or metric like the one given, without its state; else the same."""
    if isinstance(argument, (keras.Optimizer, keras.Metric)):
        return type(argument).from_config(argument.get_config())
    return argument
