"""Probabilities of characters, from counts of what stood before them.

The probability of a character behind the n - 1 before it is interpolated from the counts of the
training part, after Witten and Bell (1991): with h the characters before, h' the same but the
first, N(h) how often they were seen and D(h) how many different characters came next,

    p(c | h) = (N(h c) + D(h) p(c | h')) / (N(h) + D(h))

and below no character at all every one that was seen, and one that was not, is as probable.
"""

import math
from collections import Counter
from collections.abc import Iterable

START, END = "\x02", "\x03"


class NGrams:
    """Counts of the characters behind up to `most` - 1 others.

    Args:
        texts: what to count.
        most: the highest n.
    """

    def __init__(self, texts: Iterable[str], most: int):
        self.most = most
        self.counts: Counter[str] = Counter()  # of each n-gram, N(h c)
        for text in texts:
            text = self._marked(text)
            for at in range(most - 1, len(text)):
                self.counts.update(text[at - n : at + 1] for n in range(most))
        self.seen: Counter[str] = Counter()  # N(h)
        self.different: Counter[str] = Counter()  # D(h)
        for gram, count in self.counts.items():
            self.seen[gram[:-1]] += count
            self.different[gram[:-1]] += 1

    def _marked(self, text: str) -> str:
        return START * (self.most - 1) + text + END

    def probability(self, history: str, character: str) -> float:
        """Returns p(c | h)."""
        p = 1 / (self.different[""] + 1)
        for begin in range(len(history), -1, -1):  # from no character on to all of them
            known = history[begin:]
            if seen := self.seen.get(known):
                different = self.different[known]
                count = self.counts.get(known + character, 0)
                p = (count + different * p) / (seen + different)
        return p

    def nats_per_character(self, texts: Iterable[str], n: int) -> float:
        """Returns - log p of texts, by their number of characters, end marks included."""
        total, characters = 0.0, 0
        for text in texts:
            characters += len(text) + 1
            text = self._marked(text)
            for at in range(self.most - 1, len(text)):
                total -= math.log(self.probability(text[at - n + 1 : at], text[at]))
        return total / characters
