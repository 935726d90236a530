r"""How fast an exported translator answers, and trains beside the same network in PyTorch.

    python benchmarks/translation_speed.py --model models/translation-en-de \
        --train train.en train.de --test test_2016_flickr.en test_2016_flickr.de
    … --quick      some minutes: 200 sentences, 500 pairs

The first table is of the SavedModel, strings in and strings out: the signature `translate` on the
test texts, 64 at a call, in the order of the file, greedily (`beam_size` 1) and with 5 beams. The
second is of an epoch of training in float32, on batches that are the same for both: forward and
backward pass, clipping, Adam. PyTorch runs its encoder over packed sequences.
"""

import argparse
import sys
import time

import numpy as np
from measuring import HAS_TORCH, THREADS, add_output_flag, keras, tf, time_in_turn, write_results

import textlstm

ROWS, BATCH, LONGEST, SMOOTHING, RATE = 64, 64, 60, 0.1, 1e-3


def main() -> None:
    """Measures, prints two tables and writes the results."""
    flags = read_flags()
    model = textlstm.load(flags.model)
    print(model.describe())
    serving = time_serving(flags)
    print(f"\n{'through the export':24}{'sentences/s':>14}{'seconds':>10}")
    for name, row in serving.items():
        print(f"{name:24}{row['sentences_per_second']:>14.0f}{row['seconds']:>10.2f}")
    ratio = serving["beam 5"]["seconds"] / serving["greedy"]["seconds"]
    print(f"5 beams take {ratio:.2f} times as long as one")

    training = time_training(flags, model)
    print(f"\n{'an epoch of training':24}{'pairs':>10}{'seconds':>10}")
    for name, seconds in training["seconds"].items():
        print(f"{name:24}{training['pairs']:>10,}{seconds:>10.1f}")
    if HAS_TORCH:
        gain = training["seconds"]["torch"] / training["seconds"]["textlstm"]
        print(f"ours is {gain:.2f} times as fast as torch")
    write_results(flags.output, {"serving": serving, "training": training})
    print(f"Written to {flags.output}.json")


def read_flags() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", required=True, metavar="FOLDER", help="an exported Translator")
    for part in ("train", "test"):
        add(f"--{part}", nargs=2, required=True, metavar="FILE", help="two aligned files")
    add("--pairs", type=int, default=8_000, help="pairs of the epoch; default 8,000")
    add("--quick", action="store_true", help="few sentences, few pairs")
    add_output_flag(parser, "translation_speed")
    return parser.parse_args()


def read_pairs(files: list[str]) -> tuple[list[str], list[str]]:
    """Returns both sides of two aligned files."""
    try:
        source = textlstm.open_pairs(files)
        pairs = list(source.pairs(source.parts[0]))
    except textlstm.InputError as error:
        sys.exit(f"error: {error}")
    return [pair.source for pair in pairs], [pair.target for pair in pairs]


# === The export ===


def time_serving(flags) -> dict:
    """Translates the test texts through the export, greedily and with 5 beams, in turn."""
    texts, _ = read_pairs(flags.test)
    texts = texts[: 200 if flags.quick else None]
    version = textlstm.saving.find_version(flags.model)
    translate = tf.saved_model.load(str(version)).signatures["translate"]

    def run(beam_size):
        for begin in range(0, len(texts), ROWS):
            answer = translate(
                text=tf.constant(texts[begin : begin + ROWS]),
                beam_size=tf.constant(beam_size),
                length_penalty=tf.constant(1.0),
                max_tokens=tf.constant(LONGEST),
            )
            answer["translations"].numpy()

    seconds = time_in_turn({"greedy": lambda: run(1), "beam 5": lambda: run(5)}, 60)
    return {
        name: {"seconds": value, "sentences_per_second": len(texts) / value, "texts": len(texts)}
        for name, value in seconds.items()
    }


# === Training ===


def time_training(flags, trained: textlstm.Translator) -> dict:
    """Times an epoch of a new model, and of the same network in PyTorch, in turn."""
    sources, targets = read_pairs(flags.train)
    limit = 500 if flags.quick else flags.pairs
    keras.utils.set_random_seed(0)
    model = type(trained).from_config(trained.get_config())
    model.compile(keras.optimizers.Adam(RATE, global_clipnorm=1.0), label_smoothing=SMOOTHING)
    pairs = model.encode(sources[:limit], targets[:limit]).filtered(model.max_tokens, None)[0]
    batches = model.make_batches(pairs, BATCH, shuffle=False)
    calls = {"textlstm": lambda: model.fit(batches, epochs=1, verbose=0)}
    if HAS_TORCH:
        calls["torch"] = torch_epoch(model, batches)
    else:
        print("torch is not installed (extra: bench)")
    started = time.perf_counter()
    seconds = time_in_turn(calls, 150)
    print(f"(measured in {time.perf_counter() - started:.0f} s)")
    return {"pairs": len(pairs), "batch_size": BATCH, "seconds": seconds}


def torch_epoch(model, batches):
    """Makes the network of `model` in PyTorch; returns a function that trains it for an epoch."""
    import torch
    from torch import nn
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    torch.set_num_threads(THREADS)
    config = model.get_config()
    if config["cell"] != "lstm" or config["attention"] != "scaled" or config["input_feeding"]:
        sys.exit("error: the network in PyTorch is of LSTMs with scaled attention")
    units, layers, dim = config["units"], config["num_layers"], config["embedding_dim"]
    asking = 1 if config["attend"] == "first" else layers
    dropout = config["dropout"]
    source_size = model.source_tokenizer.vocabulary_size
    target_size = model.target_tokenizer.vocabulary_size
    source_pad, target_pad = model.source_tokenizer.pad_id, model.target_tokenizer.pad_id
    shared = model.source_embedding is model.target_embedding

    class Translator(nn.Module):
        def __init__(self):
            super().__init__()
            self.read = nn.Embedding(source_size, dim, padding_idx=source_pad)
            self.said = self.read if shared else nn.Embedding(target_size, dim)

            def lstm(size, units, layers, **options):
                options["dropout"] = dropout if layers > 1 else 0.0  # between layers
                return nn.LSTM(size, units, layers, batch_first=True, **options)

            self.encoder = lstm(dim, units // 2, layers, bidirectional=True)
            self.bridges = nn.ModuleList(
                nn.ModuleList(nn.Linear(units, units) for _ in range(layers)) for _ in "hc"
            )
            self.lower = lstm(dim, units, asking)
            self.upper = None
            if asking < layers:
                self.upper = lstm(2 * units, units, layers - asking)
            self.scale = nn.Parameter(torch.tensor(units**-0.5))
            self.combine = nn.Linear(2 * units, units)
            self.to_embedding = nn.Linear(units, dim) if units != dim else nn.Identity()
            self.bias = nn.Parameter(torch.zeros(target_size))
            self.dropout = nn.Dropout(dropout)

        def forward(self, source, target):
            real = source != source_pad  # [batch, steps]
            packed = pack_padded_sequence(
                self.dropout(self.read(source)), real.sum(1), batch_first=True, enforce_sorted=False
            )
            memory, states = self.encoder(packed)
            memory, _ = pad_packed_sequence(memory, batch_first=True, total_length=source.shape[1])
            # [layers · 2, batch, units / 2] → [layers, batch, units], through the bridges
            states = [
                s.view(layers, 2, len(source), -1).transpose(1, 2).reshape(layers, -1, units)
                for s in states
            ]
            states = [
                torch.stack([bridge(s) for bridge, s in zip(bridges, state)])
                for bridges, state in zip(self.bridges, states)
            ]
            first = torch.tanh(states[0]), states[1]
            below = tuple(s[:asking].contiguous() for s in first)
            outputs, _ = self.lower(self.dropout(self.said(target)), below)
            scores = self.scale * outputs @ memory.transpose(1, 2)
            scores = scores.masked_fill(~real[:, None], -1e9)
            contexts = scores.softmax(-1) @ memory
            outputs = torch.cat([outputs, contexts], dim=-1)
            if self.upper is not None:
                above = tuple(s[asking:].contiguous() for s in first)
                outputs, _ = self.upper(self.dropout(outputs), above)
                outputs = torch.cat([outputs, contexts], dim=-1)
            outputs = self.dropout(torch.tanh(self.combine(outputs)))
            return self.to_embedding(outputs) @ self.said.weight.T + self.bias

    torch.manual_seed(0)
    network = Translator()
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    loss_of = nn.CrossEntropyLoss(ignore_index=target_pad, label_smoothing=SMOOTHING)

    def epoch():
        network.train()
        for index in range(len(batches)):
            inputs, labels, _ = batches[index]
            source, target = (
                torch.from_numpy(np.ascontiguousarray(inputs[side])).long()
                for side in ("source", "target")
            )
            optimizer.zero_grad()
            logits = network(source, target)
            loss = loss_of(logits.flatten(0, 1), torch.from_numpy(labels).long().flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()

    return epoch


if __name__ == "__main__":
    main()
