"""The moving average of the weights: its figures, and who sees it when."""

import keras
import numpy as np
import pytest

from textlstm import InputError
from textlstm.tasks import TriggeredAverage, WeightAverage


def make_model():
    """A model of one weight, which counts the steps: w ← w + 1."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(1.0), loss=lambda y, p: -keras.ops.mean(p, axis=-1))
    model.set_weights([np.array([[10.0]])])
    return model


def expected_average(first, steps, decay):
    average = first
    for t in range(steps):
        ratio = min(decay, (1 + t) / (10 + t))
        average = ratio * average + (1 - ratio) * (first + t + 1)
    return average


def test_in_a_long_training_one_step_in_eight_is_averaged():
    model = make_model()
    x = np.ones((143, 1), "float32")
    model.fit(x, x, batch_size=1, callbacks=[WeightAverage(0.9)], verbose=0)
    average = expected_average(10, 128, 0.9)
    average += (1 - 0.9**8) * (10 + 136 - average)  # after 128 + 8 steps; 143 are not 16 more
    np.testing.assert_allclose(model.get_weights()[0], [[average]], rtol=1e-6)


class Looker(keras.callbacks.Callback):
    """Notes the weight at the moments that others look at it."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def look(self, moment):
        self.seen.append((moment, float(self.model.get_weights()[0][0, 0])))

    def on_train_batch_end(self, batch, logs=None):
        self.look("batch")

    def on_test_batch_end(self, batch, logs=None):
        self.look("test")

    def on_epoch_end(self, epoch, logs=None):
        self.look("epoch")


@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_the_model_is_validated_and_left_with_the_average(decay):
    model, looker = make_model(), Looker()
    x = np.ones((3, 1), "float32")
    data = (x[:1], x[:1])
    callbacks = [WeightAverage(decay), looker]
    model.fit(x, x, batch_size=1, epochs=2, validation_data=data, callbacks=callbacks, verbose=0)
    moments, weights = zip(*looker.seen)
    assert moments == ("batch", "batch", "batch", "test", "epoch") * 2
    after_3, after_6 = expected_average(10, 3, decay), expected_average(10, 6, decay)
    np.testing.assert_allclose(weights[:5], [11, 12, 13, after_3, after_3], rtol=1e-6)
    # The second epoch trains the raw weight on, not the average.
    np.testing.assert_allclose(weights[5:], [14, 15, 16, after_6, after_6], rtol=1e-6)
    np.testing.assert_allclose(model.get_weights()[0], [[after_6]], rtol=1e-6)


def test_a_short_training_forgets_where_it_began():
    # With a fixed ratio of 0.999 the first weight would still make up 0.999 ** 100 = 90 %.
    callback = WeightAverage(0.999)
    callback.set_model(make_model())
    callback.on_train_begin()
    model = callback.model
    model.set_weights([np.array([[1.0]])])
    for step in range(100):
        callback.on_train_batch_end(step, {"loss": 0.0})
    callback.on_epoch_end(0)
    np.testing.assert_allclose(model.get_weights()[0], [[1.0]], rtol=1e-6)  # began at 10


def test_early_stopping_goes_back_to_the_best_average():
    model = make_model()
    x = np.ones((2, 1), "float32")
    # The validation wants a weight of 13, which the average passes in the second epoch.
    distance = keras.metrics.MeanAbsoluteError(name="distance")
    model.compile(model.optimizer, loss=model.loss, metrics=[distance])
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_distance", mode="min", patience=1, restore_best_weights=True
    )
    history = model.fit(
        x,
        x,
        batch_size=1,
        epochs=9,
        validation_data=(x[:1], np.array([[13.0]])),
        callbacks=[WeightAverage(0.5), stopping],
        verbose=0,
    ).history["val_distance"]
    averages = [expected_average(10, 2 * epoch, 0.5) for epoch in range(1, len(history) + 1)]
    np.testing.assert_allclose(history, np.abs(np.array(averages) - 13), rtol=1e-5)
    assert len(history) < 9
    best = averages[int(np.argmin(history))]
    np.testing.assert_allclose(model.get_weights()[0], [[best]], rtol=1e-6)


@pytest.mark.parametrize("decay", [0, 1, -0.5, 2])
def test_a_decay_out_of_range_is_named(decay):
    with pytest.raises(InputError, match=r"average_weights is a decay, in \(0, 1\)"):
        WeightAverage(decay)


def test_the_triggered_average_is_the_mean_since_the_loss_ceased_to_fall():
    callback = TriggeredAverage(patience=2)
    callback.set_model(make_model())
    callback.on_train_begin()
    model, weight = callback.model, 10.0
    # 3 is above the lowest loss of those two and more epochs before, 2; 4 was only above the last.
    for epoch, loss in enumerate([2.0, 4.0, 1.9, 3.0, 0.5]):
        callback.on_epoch_begin(epoch)
        for step in range(3):
            weight += 1
            model.set_weights([np.array([[weight]])])
            callback.on_train_batch_end(step, {"loss": 0.0})
        callback.on_test_begin()
        callback.on_epoch_end(epoch, {"val_loss": loss})
        assert callback.is_started == (epoch >= 3)
        if epoch < 4:
            assert model.get_weights()[0] == [[weight]]
    np.testing.assert_allclose(model.get_weights()[0], [[np.mean([23, 24, 25])]], rtol=1e-6)
    counts = callback.get_counts()
    assert counts == {
        "steps": 3, "model_is_average": True, "losses": [2.0, 4.0, 1.9, 3.0], "is_started": True
    }  # fmt: skip
    resumed = TriggeredAverage(patience=2)
    resumed.set_model(model)
    resumed.set_state(callback.get_state(), **counts)
    resumed.on_epoch_begin(5)
    assert model.get_weights()[0] == [[25.0]]
    model.set_weights([np.array([[26.0]])])
    resumed.on_train_batch_end(0, {"loss": 0.0})
    resumed.on_test_begin()
    np.testing.assert_allclose(model.get_weights()[0], [[np.mean([23, 24, 25, 26])]], rtol=1e-6)


def test_a_trigger_without_patience_is_named():
    with pytest.raises(InputError, match="must be 1 or more; got 0"):
        TriggeredAverage(patience=0)
