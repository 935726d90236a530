"""Figures show the numbers they are of."""

import numpy as np
import pytest

from textlstm import InputError
from textlstm.insight import (
    attribute,
    draw_gates,
    draw_gradient_norms,
    draw_half_lives,
    draw_shares,
    record,
)

pytest.importorskip("matplotlib", reason="matplotlib is not installed; it is an extra: plots")


@pytest.fixture
def model(make_classifier):
    return make_classifier(num_layers=2)


def test_gates_are_drawn_by_unit_and_token(model):
    trace = record(model, "good paper").traces["recurrent"]
    figure = draw_gates(trace, ["forget", "c"], layer=1, direction=1, units=[4, 0])
    forget, memory = (axes for axes in figure.axes if axes.get_title(loc="left"))
    assert forget.get_title(loc="left") == "forget"
    expected = trace.gates["forget"][1, 1][:, [4, 0]].T
    np.testing.assert_array_equal(forget.images[0].get_array(), expected)
    assert [label.get_text() for label in memory.get_xticklabels()] == ["good", "paper", "</s>"]
    assert [label.get_text() for label in memory.get_yticklabels()] == ["4", "0"]


def test_units_that_change_most_are_chosen(model):
    trace = record(model, "good paper").traces["recurrent"]
    figure = draw_gates(trace, ["h"], units=2)
    spread = trace.states["h"][0, 0].std(axis=0)
    shown = [int(label.get_text()) for label in figure.axes[0].get_yticklabels()]
    assert shown == sorted(np.argsort(-spread)[:2])


def test_shares_and_gradients_are_drawn_over_the_tokens(model, tmp_path):
    found = attribute(model, "good paper")
    bars = draw_shares(found).axes[0].patches
    np.testing.assert_allclose([bar.get_height() for bar in bars], found.shares, rtol=1e-6)
    (line,) = draw_gradient_norms(found).axes[0].lines
    np.testing.assert_allclose(line.get_ydata(), found.gradient_norms)
    draw_shares(found).savefig(tmp_path / "shares.png")
    assert (tmp_path / "shares.png").stat().st_size > 1000


def test_half_lives_are_counted_by_layer_and_direction(model):
    axes = draw_half_lives(record(model, "good paper").traces["recurrent"]).axes[0]
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == [f"layer {layer}, {way}" for layer in (1, 2) for way in ("forward", "backward")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["memory"]}, r"no gate or state \['memory'\]; there are input, forget"),
        ({"layer": 2}, "layer must be below 2 and direction below 2; got layer=2"),
        ({"units": [5]}, "units of 'input' are numbered from 0 to 4"),
    ],
)
def test_what_is_not_there_is_told(model, options, message):
    with pytest.raises(InputError, match=message):
        draw_gates(record(model, "good").traces["recurrent"], **options)


def test_a_text_too_long_for_a_figure_is_told(model):
    with pytest.raises(InputError, match="room for 120 tokens, and the text has 131"):
        draw_gates(record(model, "good " * 130).traces["recurrent"])


def test_occlusion_has_no_gradients_to_draw(model):
    with pytest.raises(InputError, match='use attribute.*method="gradients"'):
        draw_gradient_norms(attribute(model, "good", method="occlusion"))
