"""Recurrent text models in Keras: strings in, one folder out, and gates that can be seen.

The names below are the front door; the rooms hold the rest: `textlstm.cells`, `textlstm.layers`,
`textlstm.tokenizers`, `textlstm.data`, `textlstm.decoding`, `textlstm.tasks`, `textlstm.insight`,
`textlstm.interop`; `textlstm.kernels` is what the layers run on.
"""

from textlstm.cells import GRUCell, LSTMCell, SimpleRNNCell
from textlstm.data import (
    EncodedCorpus,
    open_pairs,
    open_source,
    open_texts,
    split_examples,
    split_pairs,
    split_texts,
)
from textlstm.errors import InputError
from textlstm.layers import GRU, LSTM, RNN, SimpleRNN, TokenEmbedding
from textlstm.saving import export, load
from textlstm.tasks import LanguageModel, TextClassifier, Translator, train_ngram_baseline
from textlstm.tokenizers import SentencePieceTokenizer

__version__ = "0.1.0"
__all__ = [
    "EncodedCorpus",
    "GRU",
    "GRUCell",
    "InputError",
    "LSTM",
    "LSTMCell",
    "LanguageModel",
    "RNN",
    "SentencePieceTokenizer",
    "SimpleRNN",
    "SimpleRNNCell",
    "TextClassifier",
    "TokenEmbedding",
    "Translator",
    "export",
    "load",
    "open_pairs",
    "open_source",
    "open_texts",
    "split_examples",
    "split_pairs",
    "split_texts",
    "train_ngram_baseline",
]
