r"""How fast a language model writes, and that it neither slows down nor grows while it does.

    python benchmarks/generation_speed.py
    … --tokens 2000      some seconds

One text, one token after the other, drawn at temperature 1, by networks of the same size: ours
piece by piece (`LanguageModel.stream`), by the exported `step` with states in and out, and in one
call of the exported `generate`; beside them stock Keras layers as TensorFlow's tutorial of text
generation asks them (one traced step, states passed along) and as textgenrnn and Keras's example do
(the last 40 characters are read again for each token), and PyTorch. All but `generate` write a
block at a time in turn. The model is untrained: what it writes makes no difference to its speed.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measuring import HAS_TORCH, THREADS, add_output_flag, keras, tf, write_results

import textlstm

BLOCKS, WINDOW = 10, 40


def main() -> None:
    """Writes in turn, prints a table and writes the results."""
    flags = read_flags()
    keras.utils.set_random_seed(0)
    model = textlstm.LanguageModel(
        textlstm.SentencePieceTokenizer.of_bytes(),
        units=flags.units,
        num_layers=1,
        embedding_dim=flags.embedding_dim,
        tie_embeddings=False,
    )
    never_ends(model)
    print(model.describe())
    with tempfile.TemporaryDirectory() as folder:
        version = textlstm.export(model, Path(folder) / "model")
        served = tf.saved_model.load(str(version))
        writers = {
            "textlstm, stream": ours_streaming(model),
            "textlstm, exported step": ours_served(served),
            "stock Keras, traced step": keras_step(model),
            f"stock Keras, {WINDOW} tokens again": keras_window(model),
        }
        if HAS_TORCH:
            writers["torch"] = torch_step(model)
        else:
            print("torch is not installed (extra: bench)")
        rows = time_writers(writers, flags.tokens)
        rows["textlstm, exported generate"] = time_generate(served, flags.tokens)
    print(f"{'':32}{'tokens/s':>10}{'last / first block':>20}{'MB more':>10}")
    for name, row in rows.items():
        slower, more = row["last_to_first"], row["megabytes_more"]
        print(f"{name:32}{row['tokens_per_second']:>10.0f}{slower:>20.2f}{more:>10.1f}")
    size = {name: getattr(flags, name) for name in ("units", "embedding_dim", "tokens")}
    write_results(flags.output, {**size, "writers": rows})
    print(f"Written to {flags.output}.json")


def read_flags() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--tokens", type=int, default=10_000, help="to write; default 10,000")
    add("--units", type=int, default=512, help="of the LSTM; default 512")
    add("--embedding-dim", type=int, default=256, help="default 256")
    add_output_flag(parser, "generation_speed")
    return parser.parse_args()


def never_ends(model: textlstm.LanguageModel) -> None:
    """Makes the end mark as unlikely as can be."""
    bias = np.zeros(model.tokenizer.vocabulary_size, "float32")
    bias[model.tokenizer.end_id] = -1e9
    model.head.head.bias.assign(bias)


def time_writers(writers: dict[str, Iterator], tokens: int) -> dict[str, dict]:
    """Lets each write a block in turn, after one that is not timed."""
    block = max(1, tokens // BLOCKS)
    seconds = {name: [] for name in writers}
    more = dict.fromkeys(writers, 0.0)
    for number in range(BLOCKS + 1):
        for name, writer in writers.items():
            before, started = resident_megabytes(), time.perf_counter()
            for _ in range(block):
                next(writer)
            if number:
                seconds[name].append(time.perf_counter() - started)
                more[name] += resident_megabytes() - before
    return {name: row_of(block, seconds[name], more[name]) for name in writers}


def time_generate(served, tokens: int) -> dict:
    """Writes all in one call, and a tenth of it, of which the first block's time is known."""
    generate = served.signatures["generate"]

    def run(count: int) -> float:
        started = time.perf_counter()
        answer = generate(
            prompt=tf.constant([""]),
            max_tokens=tf.constant(count),
            temperature=tf.constant(1.0),
            top_k=tf.constant(0),
            top_p=tf.constant(1.0),
            seed=tf.constant(0),
        )
        answer["text"].numpy()
        return time.perf_counter() - started

    block = max(1, tokens // BLOCKS)
    run(block)
    first = statistics.median(run(block) for _ in range(3))
    before = resident_megabytes()
    whole = run(tokens)
    rest = (whole - first) / (BLOCKS - 1)
    return row_of(block, [first] + [rest] * (BLOCKS - 1), resident_megabytes() - before)


def row_of(block: int, seconds: list[float], more: float) -> dict:
    """Returns the figures of a writer."""
    return {
        "tokens_per_second": block / statistics.median(seconds),
        "last_to_first": seconds[-1] / seconds[0],
        "megabytes_more": more,
        "seconds_of_blocks": seconds,
    }


def resident_megabytes() -> float:
    """Returns the memory that this process holds (Linux)."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * 4096 / 1e6


# === Those who write, without end ===


def ours_streaming(model) -> Iterator[str]:
    """Draws in Keras."""
    yield from model.stream("", max_tokens=10**9)


def ours_served(served) -> Iterator[int]:
    """Calls the exported step, and draws from its logits as a client would."""
    start, step = served.signatures["start"], served.signatures["step"]
    random = np.random.default_rng(0)
    answer = start(prompt=tf.constant([""]))
    while True:
        states = {name: value for name, value in answer.items() if name != "logits"}
        token = draw(answer["logits"].numpy()[0], random)
        yield token
        answer = step(token=tf.constant([token]), **states)


def draw(logits: np.ndarray, random) -> int:
    """Draws a token."""
    return int(np.argmax(logits + random.gumbel(size=logits.shape)))


def keras_step(model) -> Iterator[int]:
    """Traces one step of stock layers, states in and out."""
    embedding, lstm, dense = stock_layers(model)

    @tf.function(reduce_retracing=True)
    def step(ids, states):
        outputs, *states = lstm(embedding(ids), initial_state=states)
        return tf.random.categorical(dense(outputs[:, -1]), 1, dtype=tf.int32), states

    ids = tf.constant([[0]])
    states = [tf.zeros((1, lstm.units))] * 2
    while True:
        ids, states = step(ids, states)
        yield int(ids[0, 0])


def keras_window(model) -> Iterator[int]:
    """Reads the last tokens again for each new one."""
    embedding, lstm, dense = stock_layers(model)
    inputs = keras.Input((WINDOW,), dtype="int32")
    network = keras.Model(inputs, dense(lstm(embedding(inputs))[0][:, -1]))
    random = np.random.default_rng(0)
    ids = np.zeros((1, WINDOW), "int32")
    while True:
        token = draw(network.predict_on_batch(ids)[0], random)
        ids = np.append(ids[:, 1:], [[token]], axis=1)
        yield token


def stock_layers(model):
    """Makes Keras's layers of the same sizes."""
    size = model.tokenizer.vocabulary_size
    return (
        keras.layers.Embedding(size, model.embedding.output_dim),
        keras.layers.LSTM(model.get_config()["units"], return_sequences=True, return_state=True),
        keras.layers.Dense(size),
    )


def torch_step(model) -> Iterator[int]:
    """Runs PyTorch's modules, states in and out."""
    import torch

    torch.set_num_threads(THREADS)
    size, units = model.tokenizer.vocabulary_size, model.get_config()["units"]
    embedding = torch.nn.Embedding(size, model.embedding.output_dim)
    lstm = torch.nn.LSTM(model.embedding.output_dim, units, batch_first=True)
    dense = torch.nn.Linear(units, size)
    ids, states = torch.zeros((1, 1), dtype=torch.long), None
    with torch.inference_mode():
        while True:
            outputs, states = lstm(embedding(ids), states)
            ids = torch.multinomial(dense(outputs[:, -1]).softmax(-1), 1)
            yield int(ids)


if __name__ == "__main__":
    main()
