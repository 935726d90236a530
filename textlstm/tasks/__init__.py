"""Tasks: Keras models that own their tokenizer and take strings."""

from textlstm.tasks.adam import Adam
from textlstm.tasks.language_model import LanguageModel
from textlstm.tasks.losses import (
    MeanSurprise,
    MicroF1,
    Perplexity,
    SmoothedSparseCategoricalCrossentropy,
)
from textlstm.tasks.ngram_baseline import train_ngram_baseline
from textlstm.tasks.schedules import SlantedTriangularSchedule, cosine_schedule
from textlstm.tasks.text_classifier import TextClassifier
from textlstm.tasks.transfer import (
    DiscriminativeAdam,
    GradualUnfreezing,
    discriminative_adam,
)
from textlstm.tasks.translation_score import TranslationScore, score_translations
from textlstm.tasks.translator import Alignment, Translation, Translator
from textlstm.tasks.weight_average import TriggeredAverage, WeightAverage

__all__ = [
    "Adam",
    "Alignment",
    "DiscriminativeAdam",
    "GradualUnfreezing",
    "LanguageModel",
    "MeanSurprise",
    "MicroF1",
    "Perplexity",
    "SlantedTriangularSchedule",
    "SmoothedSparseCategoricalCrossentropy",
    "TextClassifier",
    "Translation",
    "TranslationScore",
    "Translator",
    "TriggeredAverage",
    "WeightAverage",
    "cosine_schedule",
    "discriminative_adam",
    "score_translations",
    "train_ngram_baseline",
]
