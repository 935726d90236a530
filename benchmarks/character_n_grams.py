r"""What counting reaches on the texts that `recipes/generation.py` learns character by character.

    python benchmarks/character_n_grams.py --data shakespeare.txt --validation-size 0.015
    python benchmarks/character_n_grams.py --data poems.jsonl --text-column poem

Probabilities are those of `n_grams.py`, interpolated counts of the training part. The n that fits
the validation part best is measured on the test part; the split is the recipe's.
"""

import argparse
import math

from measuring import add_output_flag, write_results
from n_grams import NGrams

import textlstm


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


if __name__ == "__main__":
    main()
