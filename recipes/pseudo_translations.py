r"""Translates texts by a translator that is there, to train a further one on them.

    python recipes/pseudo_translations.py --model models/translation-en-zh \
        --data english.txt --source-language en --target-language zh --leave-out 0.3 \
        pseudo.jsonl
    python recipes/translation.py --data pairs.jsonl --more-data pseudo.jsonl \
        --source-language en --target-language zh

What beam search finds is a simpler lesson than what people write, and there are far more texts than
translated ones: a model learns more from both than from translated ones alone (sequence-level
knowledge distillation, Kim and Rush, 2016). A model of the other direction gives texts to
translations that have none (back-translation, Sennrich et al., 2016): the columns of the result are
called by their languages, so that either side can be the one to translate.

Each line of the result has both texts, under their languages, and the `score` of the translation,
log p as a mean over its tokens: nearer to 0, the surer. What the model was least sure of is mostly
wrong, and left out by `--leave-out`. A model also tends to say too little, as it skips what it does
not know, and one that learns from it says less still: `--true-pairs` are translations by people,
and what is much shorter or longer than theirs is left out, too. `translation.py --more-data` leaves
out what stands in a held-out part.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from common import (
    above_zero,
    add_held_out_sizes,
    check_columns,
    check_jsonl_output,
    load_of_kind,
    not_negative,
    positive,
    run,
    seed,
    share,
    write_jsonl,
)
from numpy.polynomial import Polynomial

import textlstm
from textlstm import InputError
from textlstm.decoding.beam_search import length_divisor


def main() -> None:
    """Reads the texts, translates them and writes the pairs, one JSON object a line."""
    flags = read_flags()
    texts = list(dict.fromkeys(text for data in flags.data for text in read_texts(data, flags)))
    print(f"{len(texts):,} different texts", flush=True)
    model = load_of_kind("--model", flags.model, textlstm.Translator)
    usual_length = read_usual_length(model, flags) if flags.true_pairs else None
    answers = model.translate(
        texts,
        beam_size=flags.beam_size,
        length_penalty=flags.length_penalty,
        n_best=1,
        batch_size=flags.batch_size,
        verbose=1,
    )
    best = [answer for (answer,) in answers]
    scores = mean_log_probs(model, best, flags.length_penalty)
    languages = flags.source_language, flags.target_language
    rows = []
    for text, answer, score in zip(texts, best, scores, strict=True):
        if answer.text.strip():  # a pair with an empty side teaches nothing
            pair = dict(zip(languages, (text, answer.text), strict=True))
            rows.append({**pair, "score": round(score, 4)})
    if not rows:
        raise InputError(f"--model {flags.model}: every translation is empty")
    if usual_length is not None:
        rows = with_usual_lengths(rows, model, usual_length, flags)
    rows = without_lowest(rows, flags.leave_out)
    write_jsonl(flags.output, rows)
    least = min(row["score"] for row in rows)
    print(f"{flags.output}: {len(rows):,} pairs with a score of {least} or more")


def read_flags() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("output", type=Path, help="the .jsonl file to write")
    add("--model", required=True, metavar="FOLDER", help="an exported translator")
    add(
        "--data",
        nargs="+",
        required=True,
        metavar="DATA",
        help="text files, a text on each line; tables, folders or archives; tfds:NAME/CONFIG; of "
        "data that has parts, the one to train on",
    )
    add(
        "--pairs",
        action="store_true",
        help="--data are texts with translations, as for translation.py: take the texts alone",
    )
    add("--text-column", metavar="NAME", help="of a table: its name, or its position, from 0")
    add("--source-language", required=True, metavar="NAME", help="of the texts, such as en")
    add("--target-language", required=True, metavar="NAME", help="of the translations, such as zh")
    add("--encoding", default="utf-8", help="of the files; default utf-8")
    add("--beam-size", type=positive, help="default the model's; 1 is greedy, and faster")
    add("--length-penalty", type=not_negative, help="default the model's; 0 for none")
    add(
        "--leave-out",
        type=share,
        default=0.0,
        metavar="SHARE",
        help="share of the translations not to write, those with the lowest scores; default 0",
    )
    add(
        "--true-pairs",
        nargs="+",
        metavar="DATA",
        help="texts with translations by people, as --data of translation.py: leave out what is "
        "much shorter or longer than those",
    )
    add_held_out_sizes(
        add, "of --true-pairs, as translation.py holds it out for {part}: is not looked at"
    )
    add("--split-seed", type=seed, default=0, metavar="SEED", help="likewise; default 0")
    add(
        "--length-range",
        nargs=2,
        type=above_zero,
        default=(0.9, 2.0),
        metavar=("LEAST", "MOST"),
        help="how much shorter or longer: times the usual length; default 0.9 2",
    )
    add("--batch-size", type=positive, default=128, help="texts at once; default 128")
    flags = parser.parse_args()
    check_jsonl_output(flags.output)
    if flags.source_language == flags.target_language:
        raise InputError(
            f"--target-language {flags.target_language}: is the language of the texts, too; the "
            "columns of the result need two names"
        )
    return flags


def mean_log_probs(model, translations: list, length_penalty: float | None) -> list[float]:
    """Returns log p of translations, as means over their tokens.

    Scores of a search grow with the length, and by them the long ones would be the unsure ones.
    """
    power = model.length_penalty if length_penalty is None else length_penalty
    tokens = model.target_tokenizer.encode([translation.text for translation in translations])
    return [
        translation.score * length_divisor(len(ids), power) / len(ids)
        for translation, ids in zip(translations, tokens, strict=True)
    ]


def read_usual_length(model, flags: argparse.Namespace) -> Polynomial:
    """Returns the line, by least squares, from the tokens of a text to those of a translation."""
    split = textlstm.split_pairs(
        open_pairs(flags.true_pairs, flags),
        test_size=flags.test_size,
        validation_size=flags.validation_size,
        seed=flags.split_seed,
    )
    pairs = split.pairs("train")
    texts, translations = zip(*((pair.source, pair.target) for pair in pairs), strict=True)
    # In tokens as they are: numpy's own scaling divides by 0 where all texts are of one length.
    return Polynomial.fit(*token_counts(model, texts, translations), deg=1, domain=[])


def token_counts(model, texts: Sequence[str], translations: Sequence[str]) -> list[list[int]]:
    """Returns how many tokens the texts have, and how many their translations."""
    sides = model.source_tokenizer.encode(texts), model.target_tokenizer.encode(translations)
    return [[len(ids) for ids in side] for side in sides]


def with_usual_lengths(
    rows: list[dict], model, usual_length: Polynomial, flags: argparse.Namespace
) -> list[dict]:
    """Returns the rows whose translations are about as long as people's translations are."""
    languages = flags.source_language, flags.target_language
    texts, translations = token_counts(model, *([row[name] for row in rows] for name in languages))
    ratios = np.array(translations) / usual_length(np.array(texts))
    least, most = flags.length_range
    kept = [row for row, ratio in zip(rows, ratios, strict=True) if least <= ratio <= most]
    if not kept:
        raise InputError(
            f"--length-range {least} {most}: none of {len(rows):,} translations is within it; they "
            f"are {ratios.min():.2f} to {ratios.max():.2f} times as long as people's"
        )
    print(f"{len(kept):,} of {len(rows):,} translations are of a usual length", flush=True)
    return kept


def without_lowest(rows: list[dict], part: float) -> list[dict]:
    """Returns the rows without that share of them that has the lowest scores, in their order."""
    ranks = sorted(range(len(rows)), key=lambda place: rows[place]["score"])
    left_out = set(ranks[: int(part * len(rows))])
    return [row for place, row in enumerate(rows) if place not in left_out]


def read_texts(data: str, flags: argparse.Namespace) -> Iterator[str]:
    """Yields the texts of one `--data`."""
    if flags.pairs:
        source, side = open_pairs(data, flags, text_column=flags.text_column), "source"
    else:
        options = {"text_column": flags.text_column, "encoding": flags.encoding}
        source, side = textlstm.open_texts(data, unit="line", **options), "text"
    check_columns(flags, [source])
    yield from (getattr(row, side) for row in source.rows(source.parts[0]))


def open_pairs(data: str | list[str], flags: argparse.Namespace, **columns):
    """Opens texts with translations, of the two languages."""
    return textlstm.open_pairs(
        data,
        source_language=flags.source_language,
        target_language=flags.target_language,
        encoding=flags.encoding,
        **columns,
    )


if __name__ == "__main__":
    run(main)
