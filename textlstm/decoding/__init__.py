"""Decoding: loops over any step function, from its logits to whole sequences of tokens."""

from textlstm.decoding.beam_search import BeamSearch
from textlstm.decoding.sampler import Sampler, uniform_noise
from textlstm.decoding.search import NEVER, Search

__all__ = ["NEVER", "BeamSearch", "Sampler", "Search", "uniform_noise"]
