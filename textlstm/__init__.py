"""Recurrent text models in Keras."""
