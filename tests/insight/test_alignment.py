"""The picture of an alignment, and the fonts it is drawn with."""

import numpy as np
import pytest

from textlstm import InputError
from textlstm.insight import draw_alignment
from textlstm.tasks import Alignment

pytest.importorskip("matplotlib", reason="matplotlib is not installed; it is an extra: plots")


def test_every_piece_is_named_and_every_weight_is_drawn(tmp_path):
    weights = np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]], "float32")
    figure = draw_alignment(Alignment(("▁Guten", "▁Tag", "</s>"), ("▁Hello", "</s>"), weights))
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["Guten", "Tag", "</s>"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Hello", "</s>"]
    np.testing.assert_array_equal(axes.images[0].get_array(), weights)
    figure.savefig(tmp_path / "attention.png")
    assert (tmp_path / "attention.png").stat().st_size > 1000


def test_a_character_that_no_font_has_is_told():
    alignment = Alignment(("\U0001faf0\U00030edd",), ("a",), np.ones((1, 1), "float32"))
    try:
        draw_alignment(alignment)
    except InputError as error:
        assert "no installed font has the characters" in str(error)
        assert "fonts-noto-cjk" in str(error)
