"""How fast a recurrent layer is, beside keras.layers and torch.nn in the same run.

    python benchmarks/recurrence.py            about 20 minutes
    python benchmarks/recurrence.py --quick    under 2 minutes

Training step: the outputs of a whole sequence, and the gradients of inputs and weights. All with
two threads, in turn, medians; features as many as units, float32 unless `--dtype` says other. The
share of the peak counts every product of matrices that the step must make. Prints a table, writes
`results/recurrence.json` and, where matplotlib is, a picture beside it.
"""

import argparse
import itertools

from measuring import (
    HAS_TORCH,
    THREADS,
    add_output_flag,
    describe_machine,
    geometric_mean,
    keras,
    matmul_peak,
    new_figure,
    save_figure,
    tf,
    time_in_turn,
    write_results,
)

import textlstm

if HAS_TORCH:
    import torch

    torch.set_num_threads(THREADS)

GATES = {"LSTM": 4, "GRU": 3}
# (batch, steps, units)
SIZES = [
    *itertools.product((16, 64, 128), (100,), (128, 256, 512)),
    *((batch, 50, 1024) for batch in (16, 64, 128)),
    (64, 20, 256),
    (64, 400, 256),
    (1, 200, 128),
    (1, 200, 512),
    (8, 200, 256),
    (32, 100, 64),
]
QUICK = [(16, 100, 128), (64, 100, 128), (64, 100, 512), (1, 200, 256)]


def main() -> None:
    """Times all sizes, prints and writes the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="four sizes, LSTM, one direction")
    parser.add_argument("--cell", choices=list(GATES), action="append", help="default both")
    parser.add_argument("--directions", type=int, choices=(1, 2), action="append")
    parser.add_argument("--sizes", nargs="+", metavar="BATCH,STEPS,UNITS", help="these sizes only")
    parser.add_argument("--dtype", default="float32", help="policy of ours and Keras's layer")
    add_output_flag(parser, "recurrence")
    flags = parser.parse_args()
    sizes = QUICK if flags.quick else SIZES
    if flags.sizes:
        sizes = [tuple(map(int, size.split(","))) for size in flags.sizes]
    cells = flags.cell or (["LSTM"] if flags.quick else list(GATES))
    directions = flags.directions or ([1] if flags.quick else [1, 2])

    machine = describe_machine()
    peak = {dtype: matmul_peak(dtype) for dtype in ("float32", "bfloat16")}
    print(f"{machine['processor']} ({machine['instructions']}), {THREADS} threads")
    print(", ".join(f"{dtype} products: {rate / 1e9:.0f} GFLOP/s" for dtype, rate in peak.items()))
    if not HAS_TORCH:
        print("torch is not installed: no comparison with it (extra: bench)")
    print(
        f"\n{'cell':5}{'dir':>4}{'batch':>6}{'steps':>6}{'units':>6} {'what':8}"
        f"{'ours, ms':>10}{'keras':>8}{'torch':>8}{'share of peak':>15}"
    )
    rows = []
    for (batch, steps, units), cell, count in itertools.product(sizes, cells, directions):
        calls = make_calls(cell, count, batch, steps, units, flags.dtype)
        products = 2 * batch * steps * 2 * units * GATES[cell] * units * count
        for what, flops in (("train", 3 * products), ("forward", products)):
            seconds = time_in_turn(calls[what], seconds=2 if flags.quick else 5)
            rate = peak["bfloat16" if "bfloat16" in flags.dtype else "float32"]
            row = {
                "cell": cell,
                "directions": count,
                "batch": batch,
                "steps": steps,
                "units": units,
                "what": what,
                "seconds": seconds,
                "ratios": {n: s / seconds["ours"] for n, s in seconds.items() if n != "ours"},
                "share_of_peak": flops / seconds["ours"] / rate,
            }
            rows.append(row)
            print_row(row)
    print_summary(rows)
    results = {"dtype": flags.dtype, "flops_per_second": peak, "rows": rows}
    write_results(flags.output, results)
    print(f"Written to {flags.output}.json")
    draw(rows, flags.output)


def make_calls(cell, count, batch, steps, units, dtype) -> dict[str, dict]:
    """Makes the calls to be timed: `train` and `forward`, each by the library's name."""
    inputs = tf.random.normal((batch, steps, units))
    ours = getattr(textlstm.layers, cell)(
        units, bidirectional=count == 2, return_sequences=True, dtype=dtype
    )
    theirs = getattr(keras.layers, cell)(units, return_sequences=True, dtype=dtype)
    if count == 2:
        theirs = keras.layers.Bidirectional(theirs, dtype=dtype)
    calls = {"train": {}, "forward": {}}
    for name, layer in (("ours", ours), ("keras", theirs)):
        calls["train"][name], calls["forward"][name] = keras_calls(layer, inputs)
    if HAS_TORCH:
        calls["train"]["torch"], calls["forward"]["torch"] = torch_calls(
            cell, count, batch, steps, units
        )
    return calls


def keras_calls(layer, inputs):
    """Returns a training step and a forward pass of a Keras layer, as graphs."""
    layer.build(inputs.shape)
    weights = [weight.value for weight in layer.trainable_weights]

    @tf.function
    def train():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
            loss = tf.reduce_sum(tf.cast(outputs, "float32") ** 2)
        return tape.gradient(loss, [inputs, *weights])

    @tf.function
    def forward():
        return layer(inputs, training=False)

    return lambda: train()[-1].numpy(), lambda: forward()[0, 0].numpy()


def torch_calls(cell, count, batch, steps, units):
    """Returns a training step and a forward pass of the layer of torch."""
    layer = getattr(torch.nn, cell)(units, units, batch_first=True, bidirectional=count == 2)
    inputs = torch.randn(batch, steps, units, requires_grad=True)

    def train():
        layer.zero_grad()
        inputs.grad = None
        (layer(inputs)[0] ** 2).sum().backward()

    def forward():
        with torch.no_grad():
            return layer(inputs)

    return train, forward


def print_row(row: dict) -> None:
    """Prints one line of the table; what stands under keras and torch is our gain."""
    ratios = "".join(
        f"{row['ratios'][name]:>7.2f}x" if name in row["ratios"] else f"{'':8}"
        for name in ("keras", "torch")
    )
    print(
        f"{row['cell']:5}{row['directions']:>4}{row['batch']:>6}{row['steps']:>6}"
        f"{row['units']:>6} {row['what']:8}{1e3 * row['seconds']['ours']:>10.1f}{ratios}"
        f"{row['share_of_peak']:>14.0%}",
        flush=True,
    )


def print_summary(rows: list[dict]) -> None:
    """Prints the geometric means over the sizes that matter most, and the worst of them."""
    print("\nBatch 16 to 128, units 128 to 1024: times as fast (geometric mean, worst)")
    for what in ("train", "forward"):
        large = [
            row
            for row in rows
            if row["what"] == what and row["batch"] >= 16 and row["units"] >= 128
        ]
        for name in ("keras", "torch"):
            ratios = [row["ratios"][name] for row in large if name in row["ratios"]]
            if ratios:
                print(f"  {what:8} {name:6} {geometric_mean(ratios):.2f}, {min(ratios):.2f}")


def draw(rows: list[dict], path) -> None:
    """Draws the gains, if matplotlib is there."""
    panels = [what for what in ("train", "forward") if any(row["what"] == what for row in rows)]
    size = (5 * len(panels), 0.17 * len(rows) / len(panels) + 1.2)
    drawing = new_figure(1, len(panels), figsize=size, sharey=True)
    if drawing is None:
        return
    figure, axes = drawing
    for axis, what in zip(axes, panels):
        chosen = [row for row in rows if row["what"] == what]
        names = [
            f"{'bi' * (row['directions'] == 2)}{row['cell']} {row['batch']} × {row['steps']} × "
            f"{row['units']}"
            for row in chosen
        ]
        for name, marker in (("keras", "o"), ("torch", "s")):
            points = [
                (row["ratios"][name], at) for at, row in enumerate(chosen) if name in row["ratios"]
            ]
            if points:
                axis.plot(*zip(*points), marker, label=f"{name} / ours")
        axis.axvline(1, color="grey", linewidth=1)
        axis.set_yticks(range(len(names)), names, fontsize=7)
        axis.set_xscale("log")
        axis.minorticks_off()
        axis.set_xticks([0.25, 0.5, 1, 2, 4], ["0.25", "0.5", "1", "2", "4"])
        axis.margins(y=0.01)
        axis.set_title({"train": "Training step", "forward": "Forward pass"}[what])
        axis.set_xlabel("times as fast as the other (batch × steps × units)")
        axis.grid(axis="x", alpha=0.3)
        axis.legend()
    axes[0].invert_yaxis()
    save_figure(figure, path)


if __name__ == "__main__":
    main()
