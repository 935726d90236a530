"""A tokenizer whose ids can be read: a is 3, b is 4, ... z is 28; 0 pads, 2 ends."""

import numpy as np


class LetterTokenizer:
    """Encodes lower-case letters and counts how often it is called."""

    pad_id = 0
    end_id = 2

    def __init__(self):
        self.calls = 0

    def encode(self, texts):
        self.calls += 1
        return [
            np.array([*(ord(letter) - ord("a") + 3 for letter in text), self.end_id], np.int32)
            for text in texts
        ]
