"""Tasks: Keras models that own their tokenizer and take strings."""

from textlstm.tasks.ngram_baseline import train_ngram_baseline
from textlstm.tasks.text_classifier import TextClassifier

__all__ = ["TextClassifier", "train_ngram_baseline"]
