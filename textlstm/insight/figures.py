"""Figures of what a model did; each is a `matplotlib.figure.Figure`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from textlstm.errors import InputError
from textlstm.insight.attribution import Attribution
from textlstm.insight.fonts import drawing, new_figure
from textlstm.insight.recording import Trace
from textlstm.insight.retention import half_lives

# Pieces shown, at most: more could not be read on a page.
_MOST_TOKENS = 120
_PAGE_WIDTH = 11.0  # inches


def draw_gates(
    trace: Trace,
    names: Sequence[str] | None = None,
    *,
    layer: int = 0,
    direction: int = 0,
    units: Sequence[int] | int = 16,
):
    """Draws gates and states of a layer as pictures, tokens from left to right, a unit in each row.

    Args:
        trace: of a `Recording`.
        names: gates and states, such as `["forget", "input", "c"]`; default all.
        layer: which one; default 0, the lowest.
        direction: 0 forward (default) or 1 backward.
        units: their numbers; or so many, those that change most over the text; default 16.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        InputError: if there is no such gate, layer or unit, the text has more than 120 tokens,
            `matplotlib` is not installed, or no installed font has the characters.
    """
    arrays = {**trace.gates, **trace.states}
    names = list(arrays) if names is None else list(names)
    unknown = [name for name in names if name not in arrays]
    if unknown or not names:
        raise InputError(f"no gate or state {unknown}; there are {', '.join(arrays)}")
    check_place(trace, layer, direction)
    tokens = _short_enough(trace.tokens)
    if isinstance(units, int):
        units = changing_units(arrays[names[0]][layer, direction], units)
    pictures = [_of_units(arrays[name][layer, direction], units, name) for name in names]

    width, height = 1.3 + 0.32 * len(tokens), 1.1 + 0.15 * len(units)  # of a picture
    columns = max(1, min(len(names), int(_PAGE_WIDTH / width)))
    rows = -(-len(names) // columns)
    with drawing(tokens):
        figure = new_figure(columns * width, rows * height)
        all_axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in all_axes[len(names) :]:
            axes.remove()
        for axes, name, picture in zip(all_axes, names, pictures):
            low, high, colours = scale_of(name, arrays[name])
            image = axes.imshow(
                picture.T, cmap=colours, vmin=low, vmax=high, aspect="auto", interpolation="none"
            )
            axes.set_title(name, loc="left", fontsize=9)
            axes.set_ylabel("unit", fontsize=8)
            axes.set_yticks(range(len(units)), [str(u) for u in units], fontsize=6)
            _name_tokens(axes, tokens)
            axes.tick_params(length=0)
            figure.colorbar(image, ax=axes, pad=0.02).ax.tick_params(labelsize=7)
        figure.canvas.draw()  # while the fonts are chosen
    return figure


def draw_shares(attribution: Attribution):
    """Draws how much each token speaks for the answer (up) or against it (down).

    Args:
        attribution: what `attribute` gave.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        InputError: as `draw_gates`.
    """
    with _over_tokens(attribution) as (figure, axes):
        colours = ["#2166ac" if share >= 0 else "#b2182b" for share in attribution.shares]
        axes.bar(range(len(attribution.tokens)), attribution.shares, color=colours)
        axes.axhline(0, color="black", linewidth=0.6)
        axes.set_ylabel("share")
    return figure


def draw_gradient_norms(attribution: Attribution):
    """Draws how much gradient of the answer's score reaches each token, on a logarithmic scale.

    Args:
        attribution: what `attribute` gave, by the method "gradients".

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        InputError: if the attribution has no gradients; else as `draw_gates`.
    """
    if attribution.gradient_norms is None:
        raise InputError('there are no gradients; use attribute(…, method="gradients")')
    with _over_tokens(attribution) as (figure, axes):
        norms = np.maximum(attribution.gradient_norms, np.finfo("float32").tiny)
        axes.semilogy(range(len(norms)), norms, "o-", color="#2166ac", markersize=4)
        axes.set_ylabel("‖∂ score / ∂ vector‖")
        axes.grid(axis="y", alpha=0.3)
    return figure


def draw_half_lives(trace: Trace):
    """Draws how many units of each layer and direction keep what they read for how long.

    Args:
        trace: of an LSTM or GRU.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        InputError: if the cells have no gate that keeps, or `matplotlib` is not installed.
    """
    lives = half_lives(trace)
    with drawing([]):
        figure = new_figure(6.0, 3.2)
        axes = figure.subplots()
        longest = max(2 * len(trace.tokens), 16)
        bins = np.geomspace(0.1, longest, 40)
        for layer in range(lives.shape[0]):
            for direction, name in zip(range(lives.shape[1]), ("forward", "backward")):
                label = f"layer {layer + 1}" + (f", {name}" if lives.shape[1] > 1 else "")
                shown = np.clip(lives[layer, direction], bins[0], bins[-1])
                axes.hist(shown, bins, histtype="step", linewidth=1.4, label=label)
        axes.set_xscale("log")
        axes.set_xlabel("half-life (steps)")
        axes.set_ylabel("units")
        axes.axvline(len(trace.tokens), color="grey", linewidth=0.8, linestyle=":")
        axes.text(
            len(trace.tokens), axes.get_ylim()[1], " length of the text", fontsize=7, va="top"
        )
        axes.legend(fontsize=8, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        figure.canvas.draw()
    return figure


def changing_units(array: np.ndarray, count: int) -> np.ndarray:
    """Returns the numbers of the units that change most over the tokens, in order.

    Args:
        array: `[tokens, units]`.
        count: how many, at most.
    """
    return np.sort(np.argsort(-array.std(axis=0), kind="stable")[:count])


def scale_of(name: str, array: np.ndarray) -> tuple[float, float, str]:
    """Returns the least and the greatest value that are drawn of a gate or state, and the colours.

    Gates that open and close go from 0 to 1, the rest as far below 0 as above.
    """
    if name in ("input", "forget", "output", "update", "reset") and 0 <= array.min():
        return 0.0, 1.0, "viridis"
    most = max(1.0, float(np.abs(array).max()))
    return -most, most, "RdBu"


def check_place(trace: Trace, layer: int, direction: int) -> None:
    """Raises an `InputError` if there is no such layer or direction."""
    layers, directions, *_ = trace.shape
    if not (0 <= layer < layers and 0 <= direction < directions):
        raise InputError(
            f"layer must be below {layers} and direction below {directions}; got layer={layer!r}, "
            f"direction={direction!r}"
        )


def _of_units(array: np.ndarray, units, name: str) -> np.ndarray:
    count = array.shape[1]
    if any(not 0 <= unit < count for unit in units):
        raise InputError(f"units of {name!r} are numbered from 0 to {count - 1}; got {list(units)}")
    return array[:, list(units)]


def _short_enough(tokens: tuple[str, ...]) -> list[str]:
    if len(tokens) > _MOST_TOKENS:
        raise InputError(
            f"a figure has room for {_MOST_TOKENS} tokens, and the text has {len(tokens):,}; give "
            "a shorter text, or write the page, which has room for thousands"
        )
    return [token.strip() or "␣" for token in tokens]


@contextmanager
def _over_tokens(attribution: Attribution) -> Iterator[tuple]:
    """Gives a figure and axes above the tokens of an attribution, to be drawn on."""
    tokens = _short_enough(attribution.tokens)
    figure = new_figure(max(4.0, 1.6 + 0.34 * len(tokens)), 3.0)
    with drawing([*tokens, attribution.score]):
        axes = figure.subplots()
        yield figure, axes
        axes.set_title(attribution.score, loc="left", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        _name_tokens(axes, tokens)
        figure.canvas.draw()  # while the fonts are chosen


def _name_tokens(axes, tokens: list[str]) -> None:
    axes.set_xticks(range(len(tokens)), tokens, rotation=60, ha="right", rotation_mode="anchor")
    axes.tick_params(axis="x", labelsize=8)
