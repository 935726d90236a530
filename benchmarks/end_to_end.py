"""One epoch of a sentiment classifier, strings to weights, beside stock Keras and PyTorch.

    python benchmarks/end_to_end.py --data aclImdb_v1.tar.gz
    python benchmarks/end_to_end.py --quick      under 2 minutes, on the embedded sample

The model is the same everywhere: an embedding of 128, a bidirectional LSTM of 128 units, its last
states, dropout of one half before and behind it, Adam with a rate of 0.001, batches of 64, at most
512 tokens a text. Each peer is fed twice: with batches of like length, as ours, and as its own
tutorials do, rows in random order and padded to the longest of the batch. Each run is a process of
its own with two threads, so that none warms another's caches. PyTorch runs over packed sequences,
and once over padded ones, in which one direction reads padding before the text. Vocabulary: 16,000
SentencePiece tokens for ours and PyTorch's, 16,000 words for `TextVectorization`.

Prints seconds for the vocabulary, for the epoch with its encoding, and the accuracy on the test
part; writes `results/end_to_end.json` and, where matplotlib is, a picture.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from measuring import (
    HAS_TORCH,
    THREADS,
    add_output_flag,
    describe_machine,
    keras,
    new_figure,
    save_figure,
    tf,
    write_results,
)

import textlstm
from textlstm.data import BucketedBatches, EncodedCorpus

RUNS = {
    "textlstm": "ours",
    "keras-buckets": "stock Keras layers, batches of like length",
    "keras-tutorial": "stock Keras layers, as its tutorial feeds them",
    "torch-padded": "PyTorch, batches of like length, not packed",
    "torch-buckets": "PyTorch, batches of like length",
    "torch-tutorial": "PyTorch, as its tutorials feed it",
}
BATCH, TOKENS, SIZE, RATE, DROPOUT = 64, 512, 128, 1e-3, 0.5


def main() -> None:
    """Runs every way of training in a process of its own, and compares."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="sample", help="as in recipes/sentiment.py")
    parser.add_argument("--limit", type=int, help="use so many rows of each part")
    parser.add_argument("--dtype", default="float32", help="policy of ours and stock Keras's")
    parser.add_argument("--quick", action="store_true", help="2,000 rows of the sample")
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS), help="default all")
    add_output_flag(parser, "end_to_end")
    parser.add_argument("--only", choices=RUNS, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.quick:
        flags.data, flags.limit = "sample", 2000
    if flags.only:
        print(json.dumps(run_one(flags)))
        return

    machine = describe_machine()
    print(f"{machine['processor']} ({machine['instructions']}), {THREADS} threads\n")
    print(f"{'':48}{'vocabulary':>11}{'epoch':>9}{'ours is':>9}{'accuracy':>10}")
    rows = {}
    for name in dict.fromkeys(["textlstm", *flags.runs]):
        title = RUNS[name]
        if name.startswith("torch") and not HAS_TORCH:
            print(f"{title:48} torch is not installed (extra: bench)")
            continue
        command = [sys.executable, __file__, "--only", name, "--data", flags.data]
        command += ["--dtype", flags.dtype]
        command += ["--limit", str(flags.limit)] if flags.limit else []
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{title} failed:\n{done.stderr}")
        rows[name] = row = json.loads(done.stdout.splitlines()[-1])
        gain = row["epoch"] / rows["textlstm"]["epoch"]
        print(
            f"{title:48}{row['vocabulary']:>9.1f} s{row['epoch']:>7.1f} s{gain:>8.2f}x"
            f"{row['accuracy']:>10.2%}",
            flush=True,
        )
        results = {"limit": flags.limit, "dtype": flags.dtype, "rows": rows}
        write_results(flags.output, {"data": Path(flags.data).name, **results})
    print(f"Written to {flags.output}.json")
    draw(rows, flags.output)


def run_one(flags) -> dict:
    """Trains in one way; returns seconds and accuracy."""
    keras.utils.set_random_seed(0)
    split = textlstm.split_examples(textlstm.open_source(flags.data), limit=flags.limit)
    parts = {}
    for part in ("train", "test"):
        examples = list(split.examples(part))
        labels = np.array([split.labels.index(example.label) for example in examples])
        parts[part] = [example.text for example in examples], labels
    library, _, feeding = flags.only.partition("-")
    train = {"textlstm": train_ours, "keras": train_keras, "torch": train_torch}[library]
    return train(parts, split.labels, feeding, flags.dtype)


def vocabulary_size(texts) -> int:
    """Returns 16,000, or what fewer texts give."""
    return min(16_000, textlstm.tokenizers.suggest_vocabulary_size(texts))


def train_ours(parts, labels, feeding, dtype) -> dict:
    """Trains `TextClassifier`."""
    (texts, targets), test = parts["train"], parts["test"]
    begin = time.perf_counter()
    tokenizer = textlstm.SentencePieceTokenizer.train(texts, vocabulary_size(texts))
    model = textlstm.TextClassifier(
        tokenizer,
        labels,
        units=SIZE,
        embedding_dim=SIZE,
        pooling="last",
        dropout=DROPOUT,
        token_dropout=0.0,
        max_tokens=TOKENS,
        dtype=dtype,
    )
    model.compile(keras.optimizers.Adam(RATE))
    middle = time.perf_counter()
    model.fit(texts, targets, epochs=1, batch_size=BATCH, validation_split=0, verbose=0)
    end = time.perf_counter()
    accuracy = model.evaluate(*test, verbose=0, return_dict=True)["accuracy"]
    return {"vocabulary": middle - begin, "epoch": end - middle, "accuracy": accuracy}


def train_keras(parts, labels, feeding, dtype) -> dict:
    """Trains the same model of stock layers, behind `TextVectorization`."""
    keras.config.set_dtype_policy(dtype)
    (texts, targets), test = parts["train"], parts["test"]
    begin = time.perf_counter()
    vectorize = keras.layers.TextVectorization(max_tokens=vocabulary_size(texts))
    vectorize.adapt(tf.data.Dataset.from_tensor_slices(texts).batch(256))
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Embedding(vectorize.vocabulary_size(), SIZE, mask_zero=True),
            layers.SpatialDropout1D(DROPOUT),
            layers.Bidirectional(layers.LSTM(SIZE)),
            layers.Dropout(DROPOUT),
            layers.Dense(len(labels), dtype="float32"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(RATE), loss, metrics=["accuracy"])
    middle = time.perf_counter()

    def dataset(texts, targets):
        rows = tf.data.Dataset.from_tensor_slices((texts, targets)).batch(BATCH)
        return rows.map(lambda text, label: (vectorize(text)[:, :TOKENS], label)).prefetch(2)

    if feeding == "buckets":
        ids = [row for batch, _ in dataset(texts, targets) for row in batch.numpy()]
        batches = in_buckets([row[: np.count_nonzero(row)] for row in ids], targets, 0)
    else:
        order = np.random.default_rng(0).permutation(len(texts))
        batches = dataset([texts[row] for row in order], targets[order])
    model.fit(batches, epochs=1, verbose=0)
    end = time.perf_counter()
    accuracy = model.evaluate(dataset(*test), verbose=0, return_dict=True)["accuracy"]
    return {"vocabulary": middle - begin, "epoch": end - middle, "accuracy": accuracy}


def train_torch(parts, labels, feeding, dtype) -> dict:
    """Trains the same model in PyTorch: with packed sequences, as is right, or with padded ones."""
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    (texts, targets), (test_texts, test_targets) = parts["train"], parts["test"]
    begin = time.perf_counter()
    tokenizer = textlstm.SentencePieceTokenizer.train(texts, vocabulary_size(texts))

    class Classifier(torch.nn.Module):
        def __init__(self):
            super().__init__()
            size = tokenizer.vocabulary_size
            self.embed = torch.nn.Embedding(size, SIZE, padding_idx=tokenizer.pad_id)
            self.before = torch.nn.Dropout1d(DROPOUT)
            self.rnn = torch.nn.LSTM(SIZE, SIZE, batch_first=True, bidirectional=True)
            self.behind = torch.nn.Dropout(DROPOUT)
            self.head = torch.nn.Linear(2 * SIZE, len(labels))

        def forward(self, ids, lengths):
            vectors = self.before(self.embed(ids).transpose(1, 2)).transpose(1, 2)
            if feeding == "padded":  # one direction reads the padding before the text
                outputs, _ = self.rnn(vectors)
                rows = torch.arange(len(lengths))
                last = outputs[rows, lengths - 1, :SIZE], outputs[:, 0, SIZE:]
                return self.head(self.behind(torch.cat(last, dim=1)))
            packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
            h_n = self.rnn(packed)[1][0]  # [directions, batch, size]
            return self.head(self.behind(torch.cat([h_n[0], h_n[1]], dim=1)))

    model = Classifier()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    middle = time.perf_counter()

    def encode(texts):
        return [row[:TOKENS] for row in tokenizer.encode(texts)]

    def padded(rows):
        lengths = torch.tensor([len(row) for row in rows])
        ids = torch.full((len(rows), int(lengths.max())), tokenizer.pad_id)
        for row, values in zip(ids, rows):
            row[: len(values)] = torch.as_tensor(values)
        return ids, lengths

    rows = encode(texts)
    if feeding != "tutorial":
        fed = in_buckets(rows, targets, tokenizer.pad_id)
        batches = (
            ((torch.as_tensor(ids).long(), torch.as_tensor((ids != tokenizer.pad_id).sum(1))), y)
            for ids, y in (fed[at] for at in range(len(fed)))
        )
    else:
        order = np.random.default_rng(0).permutation(len(rows))
        chosen = [order[at : at + BATCH] for at in range(0, len(rows), BATCH)]
        batches = ((padded([rows[row] for row in some]), targets[some]) for some in chosen)
    model.train()
    for inputs, labels_of_batch in batches:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(
            model(*inputs), torch.as_tensor(labels_of_batch).long()
        )
        loss.backward()
        optimizer.step()
    end = time.perf_counter()
    model.eval()
    rows, hits = encode(test_texts), 0
    order = np.argsort([len(row) for row in rows])
    with torch.no_grad():
        for at in range(0, len(rows), 256):
            some = order[at : at + 256]
            best = model(*padded([rows[row] for row in some])).argmax(1).numpy()
            hits += int((best == test_targets[some]).sum())
    return {
        "vocabulary": middle - begin,
        "epoch": end - middle,
        "accuracy": hits / len(test_targets),
    }


def in_buckets(rows, targets, pad_id) -> BucketedBatches:
    """Returns rows of ids as batches of like length, as `TextClassifier.fit` makes them."""
    lengths = np.array([len(row) for row in rows], "int32")
    starts = np.cumsum(lengths) - lengths
    corpus = EncodedCorpus(np.concatenate(rows).astype("int32"), starts, lengths, targets)
    return BucketedBatches(corpus, BATCH, pad_id=pad_id, shuffle=True)


def draw(rows: dict, path) -> None:
    """Draws the epochs' seconds, if matplotlib is there."""
    drawing = new_figure(1, figsize=(8, 0.5 * len(rows) + 1.2))
    if drawing is None:
        return
    figure, axis = drawing
    titles = [RUNS[name] for name in rows]
    bars = axis.barh(titles, [row["epoch"] for row in rows.values()])
    axis.bar_label(bars, [f"{row['accuracy']:.1%}" for row in rows.values()], padding=4)
    axis.invert_yaxis()
    axis.set_xlabel("seconds for one epoch; behind the bars the test accuracy")
    axis.margins(x=0.12)
    save_figure(figure, path)


if __name__ == "__main__":
    main()
