"""Insight: what a model did with a text, as arrays, as figures and as a page.

python -m textlstm.insight models/sentiment-en "A joy from start to finish." --html joy.html
"""

from textlstm.insight.alignment import draw_alignment
from textlstm.insight.attribution import Attribution, attribute
from textlstm.insight.figures import (
    draw_gates,
    draw_gradient_norms,
    draw_half_lives,
    draw_shares,
)
from textlstm.insight.gradients import gradient_of
from textlstm.insight.page import render_page, write_page
from textlstm.insight.recording import Recording, Trace, record
from textlstm.insight.retention import half_lives, retention

__all__ = [
    "Attribution",
    "Recording",
    "Trace",
    "attribute",
    "draw_alignment",
    "draw_gates",
    "draw_gradient_norms",
    "draw_half_lives",
    "draw_shares",
    "gradient_of",
    "half_lives",
    "record",
    "render_page",
    "retention",
    "write_page",
]
