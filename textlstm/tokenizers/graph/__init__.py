"""SentencePiece as stock TensorFlow operations. Importing this package imports TensorFlow."""

from textlstm.tokenizers.graph.sentencepiece_graph import SentencePieceGraph

__all__ = ["SentencePieceGraph"]
