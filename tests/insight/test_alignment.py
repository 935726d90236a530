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


def test_a_character_that_no_font_has_is_told(monkeypatch):
    from matplotlib import font_manager

    own = [e for e in font_manager.fontManager.ttflist if e.name.startswith(("DejaVu", "Last"))]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [])
    alignment = Alignment(("你好",), ("a",), np.ones((1, 1), "float32"))
    with pytest.raises(InputError, match="no installed font has the characters .*fonts-noto-cjk"):
        draw_alignment(alignment)
