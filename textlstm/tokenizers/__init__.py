"""Tokenizers: text to ids and back, in Python and inside exported graphs."""

from textlstm.tokenizers.sentencepiece_tokenizer import SentencePieceTokenizer

__all__ = ["SentencePieceTokenizer"]
