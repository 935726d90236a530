"""Tokenizers: text to ids and back, in Python and in a TensorFlow graph."""

from textlstm.tokenizers.sentencepiece_tokenizer import (
    SentencePieceTokenizer,
    suggest_vocabulary_size,
)

__all__ = ["SentencePieceTokenizer", "suggest_vocabulary_size"]
