r"""Labels texts that have none by classifiers that are there, to train a further one on them.

    python recipes/pseudo_labels.py --models models/reviews-a models/reviews-b \
        --data unlabelled.txt --unit line --least 0.8 labelled.jsonl
    python recipes/sentiment.py --data reviews.csv --more-data labelled.jsonl

Several models answer by the mean of their probabilities, so that the one that is trained on their
labels learns what they know together (Hinton, Vinyals and Dean, 2015; Lee, 2013, of labels from a
single model). Each line of the result has a `text`, its `label` and the `score`, the probability
that the models give to it. `sentiment.py --more-data` leaves out what stands in a held-out part.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from common import check_columns, check_jsonl_output, load_of_kind, run, share, write_jsonl

import textlstm
from textlstm import InputError
from textlstm.data.text_files import UNITS


def main() -> None:
    """Reads the texts, asks the models and writes what they are sure of, one JSON object a line."""
    flags = read_flags()
    source = textlstm.open_texts(
        flags.data,
        text_column=flags.text_column,
        unit=flags.unit,
        files=flags.files,
        encoding=flags.encoding,
    )
    check_columns(flags, [source])
    models = [load_of_kind("--models", name, textlstm.TextClassifier) for name in flags.models]
    check_labels(flags.models, models)
    texts = list(dict.fromkeys(text.text for text in source.texts(source.parts[0])))
    print(f"Data: {source.description}\n  {len(texts):,} different texts", flush=True)

    probabilities = mean_of_answers(models, texts)  # [texts, labels]
    if models[0].multi_label:  # a text has each label from 0.5 on; the least sure of them counts
        scores = np.maximum(probabilities, 1 - probabilities).min(axis=-1)
    else:
        scores = probabilities.max(axis=-1)

    rows = [
        {"text": text, "label": label_of(models[0], row), "score": round(float(score), 4)}
        for text, row, score in zip(texts, probabilities, scores, strict=True)
        if score >= flags.least
    ]
    if not rows:
        raise InputError(
            f"--least {flags.least}: no text has a score so high; the highest is {scores.max():.3f}"
        )
    write_jsonl(flags.output, rows)
    print(f"{flags.output}: {len(rows):,} texts with a score of {flags.least} or more")
    labels = (row["label"] for row in rows)
    counts = Counter(x if isinstance(x, str) else ", ".join(x) or "no label" for x in labels)
    for label, count in counts.most_common():
        print(f"  {label} {count:,}")


def read_flags() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("output", type=Path, help="the .jsonl file to write")
    add(
        "--models",
        nargs="+",
        required=True,
        metavar="FOLDER",
        help="exported classifiers that have the same labels",
    )
    add(
        "--data",
        required=True,
        metavar="DATA",
        help="texts: a text file, a table, a folder or an archive, or tfds:NAME/CONFIG; of data "
        "that has parts, the one to train on",
    )
    add("--text-column", metavar="NAME", help="of a table; default: text, review, …")
    add("--unit", choices=UNITS, default="file", help="what of a text file is a text; default file")
    add(
        "--files",
        nargs="+",
        default=[],
        metavar="PATTERN",
        help="of a folder or archive take the files whose paths are so, such as '*/unsup/*'",
    )
    add("--encoding", default="utf-8", help="of the files; default utf-8")
    add(
        "--least",
        type=share,
        default=0.0,
        metavar="SCORE",
        help="leave out texts whose label is less probable; default 0, none",
    )
    flags = parser.parse_args()
    check_jsonl_output(flags.output)
    return flags


def check_labels(names: list[str], models: list) -> None:
    """Refuses models that do not answer the same question."""
    first = models[0]
    for name, model in zip(names, models, strict=True):
        if set(model.labels) != set(first.labels) or model.multi_label != first.multi_label:
            raise InputError(
                f"--models {name}: its labels are {', '.join(model.labels)}, those of {names[0]} "
                f"{', '.join(first.labels)}; give models with the same labels"
            )


def mean_of_answers(models: list, texts: list[str]) -> np.ndarray:
    """Returns the mean of the models' probabilities, `[texts, labels]`, labels as of the first."""
    answers = []
    for model in models:
        columns = [model.labels.index(label) for label in models[0].labels]
        answers.append(model.predict(texts)[:, columns])
    return np.mean(answers, axis=0)


def label_of(model, row: np.ndarray) -> str | list[str]:
    """Returns the label of a row of probabilities, or the list of its labels."""
    if model.multi_label:
        return [label for label, p in zip(model.labels, row, strict=True) if p >= 0.5]
    return model.labels[int(row.argmax())]


if __name__ == "__main__":
    run(main)
