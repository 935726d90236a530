"""Insight: what a model did, as arrays and as figures."""

from textlstm.insight.alignment import draw_alignment

__all__ = ["draw_alignment"]
