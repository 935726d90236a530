"""Layers: what a model is made of."""

from textlstm.layers.activation_regularization import ActivationRegularization
from textlstm.layers.adaptive_surprise import adaptive_log_probs, adaptive_surprise
from textlstm.layers.attention import (
    AdditiveAttention,
    Attention,
    DotAttention,
    GeneralAttention,
    ScaledAttention,
    make_attention,
)
from textlstm.layers.attention_decoder import AttentionDecoder
from textlstm.layers.carried_states import CarriedStates
from textlstm.layers.chunked_surprise import chunked_surprise
from textlstm.layers.convolution import ConvolutionFront
from textlstm.layers.embedding import TokenEmbedding
from textlstm.layers.language_head import LanguageHead
from textlstm.layers.pooling import (
    AttentionPooling,
    ConcatPooling,
    LastPooling,
    MaxPooling,
    MeanPooling,
    SequencePooling,
    make_pooling,
)
from textlstm.layers.rnn import GRU, LSTM, RNN, SimpleRNN, serialize_cell
from textlstm.layers.smoothed_surprise import smoothed_surprise
from textlstm.layers.tied_head import TiedHead
from textlstm.layers.word_dropout import WordDropout

__all__ = [
    "ActivationRegularization",
    "AdditiveAttention",
    "Attention",
    "AttentionDecoder",
    "AttentionPooling",
    "CarriedStates",
    "ConcatPooling",
    "ConvolutionFront",
    "DotAttention",
    "GRU",
    "GeneralAttention",
    "LSTM",
    "LanguageHead",
    "LastPooling",
    "MaxPooling",
    "MeanPooling",
    "RNN",
    "ScaledAttention",
    "SequencePooling",
    "SimpleRNN",
    "TiedHead",
    "TokenEmbedding",
    "WordDropout",
    "adaptive_log_probs",
    "adaptive_surprise",
    "chunked_surprise",
    "make_attention",
    "make_pooling",
    "serialize_cell",
    "smoothed_surprise",
]
