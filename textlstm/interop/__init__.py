"""Weights to and from torch and Keras, and torch's text classifiers to model folders.

torch need not be installed; the package `safetensors` is needed for `.safetensors` files only.
"""

from textlstm.interop.keras_layers import from_keras, to_keras
from textlstm.interop.torch_classifier import classifier_from_torch, export_torch_classifier
from textlstm.interop.torch_weights import (
    from_torch,
    load_torch_weights,
    save_safetensors,
    to_torch,
)

__all__ = [
    "classifier_from_torch",
    "export_torch_classifier",
    "from_keras",
    "from_torch",
    "load_torch_weights",
    "save_safetensors",
    "to_keras",
    "to_torch",
]
