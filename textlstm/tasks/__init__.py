"""Tasks: Keras models that own their tokenizer and take strings."""

from textlstm.tasks.losses import MicroF1, SmoothedSparseCategoricalCrossentropy
from textlstm.tasks.ngram_baseline import train_ngram_baseline
from textlstm.tasks.schedules import cosine_schedule
from textlstm.tasks.text_classifier import TextClassifier
from textlstm.tasks.weight_average import WeightAverage

__all__ = [
    "MicroF1",
    "SmoothedSparseCategoricalCrossentropy",
    "TextClassifier",
    "WeightAverage",
    "cosine_schedule",
    "train_ngram_baseline",
]
