r"""What counting reaches on the texts that `recipes/generation.py` learns character by character.

    python benchmarks/character_n_grams.py --data shakespeare.txt --validation-size 0.015
    python benchmarks/character_n_grams.py --data poems.jsonl --text-column poem

The probability of a character behind the n - 1 before it is interpolated from the counts of the
training part, after Witten and Bell (1991): with h the characters before, h' the same but the
first, N(h) how often they were seen and D(h) how many different characters came next,

    p(c | h) = (N(h c) + D(h) p(c | h')) / (N(h) + D(h))

and below no character at all every one that was seen, and one that was not, is as probable. A text
ends with a mark, which is predicted like a character. The n that fits the validation part best is
measured on the test part; the split is the recipe's.
"""

import argparse
import math
from collections import Counter
from collections.abc import Iterable

from measuring import add_output_flag, write_results

import textlstm

START, END = "\x02", "\x03"


def main() -> None:
    """Counts, chooses n, prints a table and writes the results."""
    flags = read_flags()
    source = textlstm.open_texts(flags.data, text_column=flags.text_column)
    split = textlstm.split_texts(
        source, validation_size=flags.validation_size, test_size=flags.test_size
    )
    parts = {part: [row.text for row in split.texts(part)] for part in split.parts}
    print(f"{source.description}: {sum(map(len, parts['train'])):,} characters to count")
    model = NGrams(parts["train"], flags.most)
    rows, best = {}, 1
    for n in range(1, flags.most + 1):
        rows[n] = model.nats_per_character(parts["validation"], n)
        best = min(best, n, key=rows.get)
        print(f"n = {n}: validation {rows[n]:.4f} nats per character")
    nats = model.nats_per_character(parts["test"], best)
    print(f"Test, n = {best}: {nats:.4f} nats, {nats / math.log(2):.4f} bits per character")
    write_results(flags.output, {"data": source.name, "validation": rows, "n": best, "test": nats})


def read_flags() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", required=True, metavar="DATA", help="as of recipes/generation.py")
    add("--text-column", metavar="NAME", help="of a table")
    add("--validation-size", type=float, default=0.05, help="as of the recipe; default 0.05")
    add("--test-size", type=float, default=0.1, help="as of the recipe; default 0.1")
    add("--most", type=int, default=8, metavar="N", help="the most characters; default 8")
    add_output_flag(parser, "character_n_grams")
    return parser.parse_args()


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


if __name__ == "__main__":
    main()
