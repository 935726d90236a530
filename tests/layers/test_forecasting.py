"""The layers read any numbers, not only token vectors: a forecast of a daily temperature."""

import keras
import numpy as np

from textlstm.layers import LSTM

WINDOW = 21  # days read before the day that is forecast
TRAIN_DAYS = 2200


def temperatures(days: int, seed: int):
    """Makes a series with a year, a week and weather in it: float32 `[days]`."""
    rng = np.random.default_rng(seed)
    day = np.arange(days)
    weather = np.zeros(days)
    for t in range(1, days):
        weather[t] = 0.7 * weather[t - 1] + rng.normal(0, 0.8)
    week = 2.0 * np.sin(2 * np.pi * day / 7)
    year = 9.0 * np.sin(2 * np.pi * day / 365.25)
    return (11 + year + week + weather).astype("float32")


def windows(series, observed):
    """Cuts a series into windows, their masks and the next values.

    Returns:
        `(x, mask, y)`: `[windows, WINDOW, 1]`, with 0 for what was not observed,
        bool `[windows, WINDOW]`, and `[windows, 1]`.
    """
    starts = np.arange(len(series) - WINDOW)
    places = starts[:, None] + np.arange(WINDOW)  # [windows, WINDOW]
    x = np.where(observed, series, 0)[places][:, :, None]
    kept = observed[starts + WINDOW] & observed[places].any(axis=1)
    return x[kept], observed[places][kept], series[starts + WINDOW][kept, None]


def last_observed(x, mask):
    """The forecast that tomorrow is as the last day that was observed, `[windows, 1]`."""
    last = np.where(mask, np.arange(WINDOW), -1).max(axis=1)
    return x[np.arange(len(x)), last]


def test_beats_persistence_and_ignores_what_is_masked():
    keras.utils.set_random_seed(0)
    series = temperatures(3000, seed=0)
    observed = np.random.default_rng(1).random(len(series)) >= 0.1  # a tenth is missing
    mean, std = series[:TRAIN_DAYS].mean(), series[:TRAIN_DAYS].std()
    scaled = (series - mean) / std
    x, mask, y = windows(scaled[:TRAIN_DAYS], observed[:TRAIN_DAYS])
    x_test, mask_test, y_test = windows(scaled[TRAIN_DAYS:], observed[TRAIN_DAYS:])
    assert 0.05 < 1 - mask.mean() < 0.15

    inputs = keras.Input((WINDOW, 1))
    steps = keras.Input((WINDOW,), dtype="bool")
    outputs = keras.layers.Dense(1)(LSTM(16)(inputs, mask=steps))
    model = keras.Model([inputs, steps], outputs)
    model.compile(keras.optimizers.Adam(0.01), loss="mse")
    model.fit([x, mask], y, batch_size=64, epochs=8, verbose=0)

    predicted = model.predict([x_test, mask_test], batch_size=256, verbose=0)
    error = np.mean((predicted - y_test) ** 2)
    baseline = np.mean((last_observed(x_test, mask_test) - y_test) ** 2)
    assert error < 0.9 * baseline

    anything = np.where(mask_test[:, :, None], x_test, 1e3).astype("float32")
    changed = model.predict([anything, mask_test], batch_size=256, verbose=0)
    np.testing.assert_allclose(changed, predicted, atol=1e-6)
