"""Layers: what a model is made of."""

from textlstm.layers.embedding import TokenEmbedding
from textlstm.layers.pooling import (
    AttentionPooling,
    ConcatPooling,
    LastPooling,
    MaxPooling,
    MeanPooling,
    SequencePooling,
    make_pooling,
)
from textlstm.layers.rnn import GRU, LSTM, RNN, serialize_cell

__all__ = [
    "AttentionPooling",
    "ConcatPooling",
    "GRU",
    "LSTM",
    "LastPooling",
    "MaxPooling",
    "MeanPooling",
    "RNN",
    "SequencePooling",
    "TokenEmbedding",
    "make_pooling",
    "serialize_cell",
]
