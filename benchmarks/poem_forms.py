r"""Whether a model of Tang poems keeps the form that its prompt asks for, in lines of its own.

    python recipes/poems.py chinese-poetry.tar.xz poems.jsonl
    python benchmarks/poem_forms.py --model models/generation-poetry-zh --poems poems.jsonl

For each of the four forms (five or seven characters a line, four or eight lines) the prompt is
`FORM《`, so that the model also finds the title. A sample keeps the form if `form_of` of
recipes/poems.py says so: all lines of that length, so many of them, nothing after the last. A line
of verse is copied if it stands, to the letter, in the part of the poems that the recipe trains on.
"""

import argparse
import sys
from pathlib import Path

from measuring import add_output_flag, write_results

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "recipes"))

import poems

import textlstm

FORMS = [measure + length for measure in ("五言", "七言") for length in ("四句", "八句")]


def main() -> None:
    """Writes poems, prints a table and some of them, and writes the results."""
    flags = read_flags()
    model = textlstm.load(flags.model)
    print(model.describe())
    known = training_verses(flags)
    options = {"temperature": flags.temperature, "top_p": flags.top_p}
    print(f"{'form':10}{'samples':>9}{'kept':>9}{'lines':>9}{'copied':>9}")
    results, shown = {"options": options}, []
    for form in [*FORMS, "all"]:
        if form == "all":
            rows = list(results.values())[1:]
            row = {key: sum(r[key] for r in rows) for key in rows[0]}
        else:
            texts = model.generate(
                [f"{form}《"] * flags.samples, max_tokens=200, seed=flags.seed, **options
            )
            shown.append(f"{form}《{texts[0]}")
            row = count(form, texts, known)
        results[form] = row
        kept, copied = row["kept"] / row["samples"], row["copied"] / max(1, row["lines"])
        print(f"{form:8}{row['samples']:>9}{kept:>9.1%}{row['lines']:>9}{copied:>9.1%}")
    print("\n" + "\n\n".join(shown))
    write_results(flags.output, results)
    print(f"Written to {flags.output}.json")


def read_flags() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", required=True, metavar="FOLDER", help="an exported LanguageModel of poems")
    add("--poems", required=True, metavar="FILE", help="what recipes/poems.py wrote")
    add("--samples", type=int, default=250, help="of each form; default 250")
    add("--temperature", type=float, default=0.8, help="default 0.8")
    add("--top-p", type=float, default=0.95, help="default 0.95")
    add("--seed", type=int, default=0, help="of the first sample of each form; default 0")
    add_output_flag(parser, "poem_forms")
    return parser.parse_args()


def training_verses(flags) -> set[str]:
    """Returns the lines of verse of the training part, as the recipe splits the poems."""
    split = textlstm.split_texts(textlstm.open_texts(flags.poems, text_column="poem"))
    return {verse for row in split.texts("train") for verse in verses_of(row.text)}


def verses_of(poem: str) -> list[str]:
    """Returns the lines of verse of a poem, its first line, of form and title, left out."""
    return poems.verses_of(poem.partition("\n")[2])


def count(form: str, texts: list[str], known: set[str]) -> dict[str, int]:
    """Counts what keeps the form, and what is copied."""
    bodies = [text.partition("》\n")[2] for text in texts]
    verses = [verse for body in bodies for verse in poems.verses_of(body)]
    return {
        "samples": len(texts),
        "kept": sum(poems.form_of(body) == form for body in bodies),
        "lines": len(verses),
        "copied": sum(verse in known for verse in verses),
    }


if __name__ == "__main__":
    main()
