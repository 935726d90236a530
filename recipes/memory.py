r"""Shows how far back recurrent networks remember, and why a plain one does not.

    python recipes/memory.py

(under 3 minutes on two CPU cores, 16 with --all. Over a gap of 100 letters a plain RNN recalls 8 %,
the LSTM with forget bias 1 all of them.)

A plain RNN, a GRU, and LSTMs whose forget bias begins at 0 and 1,
all of as many recurrent parameters, learn tasks that only a memory solves, over growing gaps:

- delayed recall: a letter with a mark, then so many others without, then: which one had it?
- with --all also copying (ten symbols, a gap, say them all again) and adding (of many
  numbers two are marked: what is their sum?)

Besides it measures how much gradient of the last output reaches each earlier step, before and after
training (vanishing), in plain RNNs whose recurrent kernel has a spectral radius below and above 1
(exploding), and what clipping does to it. Tables are printed, figures are written.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common import above_zero, keras, positive, run, seed

import textlstm
from textlstm import InputError
from textlstm.insight import gradient_of
from textlstm.insight.fonts import new_figure

LETTERS = 26  # one of which is to be recalled
# They, and the question mark, are vectors drawn once, as the vectors of tokens are.
VECTORS = np.random.default_rng(0).normal(size=(LETTERS + 1, 16)).astype("float32")
KINDS = 8  # of symbols to be copied
COPIED = 10  # so many of them
BATCH = 64


@dataclass(frozen=True)
class Task:
    """Something that only a memory solves.

    Attributes:
        title: what the figure is called.
        measure: what `score` gives.
        chance: the score of one who remembers nothing.
        gaps: over which it is tried, by default.
        steps: of training, by default.
        shortest: the shortest gap in training.
        outputs: numbers that the network gives at a step.
        asked: how many of the last steps are answers.
        make: `(gap, count, random)` to `(inputs [count, time, features], answers)`.
        loss: of Keras.
        score: `(answers, outputs [count, asked, outputs])` to the score.
        solved: the score at which training ends early.
    """

    title: str
    measure: str
    chance: float
    gaps: tuple[int, ...]
    steps: int
    shortest: int
    outputs: int
    asked: int
    make: Callable
    loss: str
    score: Callable
    solved: float


def make_recall(gap: int, count: int, random) -> tuple[np.ndarray, np.ndarray]:
    """A letter that is marked, `gap` others that are not, and a question mark."""
    letters = random.integers(0, LETTERS, (count, 1 + gap))
    question = np.full((count, 1), LETTERS)
    vectors = VECTORS[np.concatenate([letters, question], axis=1)]  # [count, 1 + gap + 1, 16]
    marks = np.zeros((*vectors.shape[:2], 1), "float32")
    marks[:, 0] = 1
    return np.concatenate([vectors, marks], axis=-1), letters[:, :1]


def make_copy(gap: int, count: int, random) -> tuple[np.ndarray, np.ndarray]:
    """Ten symbols, `gap` blanks, and ten question marks (Hochreiter and Schmidhuber, 1997)."""
    answers = random.integers(0, KINDS, (count, COPIED))
    blanks, questions = np.full((count, gap), KINDS), np.full((count, COPIED), KINDS + 1)
    kinds = np.eye(KINDS + 2, dtype="float32")
    return kinds[np.concatenate([answers, blanks, questions], axis=1)], answers


def make_adding(gap: int, count: int, random) -> tuple[np.ndarray, np.ndarray]:
    """`gap` numbers in [0, 1), of which one in each half is marked; their sum is asked for."""
    numbers = random.random((count, gap))
    marks = np.zeros_like(numbers)
    rows, half = np.arange(count), gap // 2
    marks[rows, random.integers(0, half, count)] = 1
    marks[rows, random.integers(half, gap, count)] = 1
    sums = (numbers * marks).sum(axis=1)
    return np.stack([numbers, marks], axis=-1).astype("float32"), sums[:, None, None]


def accuracy(answers, outputs) -> float:
    """The share of symbols that are right."""
    return float((outputs.argmax(axis=-1) == answers).mean())


def squared_error(answers, outputs) -> float:
    """The mean squared error."""
    return float(np.square(outputs - answers).mean())


TASKS = {
    "recall": Task(
        title="delayed recall",
        measure="accuracy",
        chance=1 / LETTERS,
        gaps=(20, 50, 100),
        steps=2000,
        shortest=1,
        outputs=LETTERS,
        asked=1,
        make=make_recall,
        loss="sparse_categorical_crossentropy",
        score=accuracy,
        solved=0.999,
    ),
    "copy": Task(
        title="copying ten symbols",
        measure="accuracy",
        chance=1 / KINDS,
        gaps=(5, 10, 20),
        steps=3000,
        shortest=1,
        outputs=KINDS,
        asked=COPIED,
        make=make_copy,
        loss="sparse_categorical_crossentropy",
        score=accuracy,
        solved=0.999,
    ),
    "adding": Task(
        title="adding two numbers",
        measure="mean squared error",
        chance=1 / 6,  # the variance of a sum of two
        gaps=(20, 50, 100),
        steps=1500,
        shortest=2,
        outputs=1,
        asked=1,
        make=make_adding,
        loss="mean_squared_error",
        score=squared_error,
        solved=0.001,
    ),
}

CELLS = {
    "plain RNN": lambda units, **o: textlstm.SimpleRNNCell(units, **o),
    "GRU": lambda units, **o: textlstm.GRUCell(units, **o),
    "LSTM, forget bias 0": lambda units, **o: textlstm.LSTMCell(units, unit_forget_bias=False, **o),
    "LSTM, forget bias 1": lambda units, **o: textlstm.LSTMCell(units, unit_forget_bias=True, **o),
}
RADII = (0.5, 0.9, 1.0, 1.1, 1.3)
CLIP = 1.0


def main() -> None:
    """Measures gradients, trains on each task over each gap, prints tables and draws figures."""
    flags = read_flags()
    started = time.monotonic()
    flags.output.mkdir(parents=True, exist_ok=True)

    tasks = list(TASKS) if flags.all else ["recall"]
    print(f"Tasks: {', '.join(TASKS[name].title for name in tasks)}")
    print(f"Figures go to {flags.output}\n")
    figures = [show_radii(flags)]
    for name in tasks:
        figures += show_task(name, flags)
    print(f"Figures: {', '.join(map(str, figures))}")
    print(f"{time.monotonic() - started:.0f} s in all")


def read_flags() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--all", action="store_true", help="copying and adding, too")
    add("--gaps", type=positive, nargs="+", help="default by the task, such as 20 50 100")
    add("--steps", type=positive, help="the most steps of training; default by the task")
    add("--units", type=positive, default=32, help="of the LSTM; default 32")
    add("--learning-rate", type=above_zero, default=0.01, help="of Adam; default 0.01")
    add("--seed", type=seed, default=0, help="default 0")
    add("--output", type=Path, default=Path("runs/memory"), help="default runs/memory")
    flags = parser.parse_args()
    if flags.output.exists() and not flags.output.is_dir():
        raise InputError(f"--output {flags.output} is a file; give a folder")
    if flags.gaps and min(flags.gaps) < 2:
        raise InputError(f"--gaps must be at least 2; got {min(flags.gaps)}")
    return flags


# === The networks ===


def parameters_of(kind: str, units: int, features: int) -> int:
    """Counts the weights of a cell."""
    cell = CELLS[kind](units)
    cell.build((None, features))
    return cell.count_params()


def units_for(kind: str, lstm_units: int, features: int) -> int:
    """Returns the size at which a cell has as many parameters as the LSTM, nearly."""
    wanted = parameters_of("LSTM, forget bias 1", lstm_units, features)
    sizes = range(1, 4 * lstm_units + 1)
    return min(sizes, key=lambda units: abs(parameters_of(kind, units, features) - wanted))


def make_model(task: Task, kind: str, flags) -> keras.Model:
    """Makes a network for a task: a recurrent layer, and a layer that reads its last steps."""
    keras.utils.set_random_seed(flags.seed)
    inputs, _ = task.make(max(2, min(task.gaps)), 1, np.random.default_rng(0))
    features = inputs.shape[-1]
    sequence = keras.Input((None, features))
    cell = CELLS[kind](units_for(kind, flags.units, features))
    outputs = textlstm.RNN(cell, return_sequences=True, name="recurrent")(sequence)
    activation = "softmax" if task.loss.startswith("sparse") else None
    answers = keras.layers.Dense(task.outputs, activation=activation)(outputs[:, -task.asked :])
    model = keras.Model(sequence, answers)
    model.compile(keras.optimizers.Adam(flags.learning_rate, global_clipnorm=CLIP), loss=task.loss)
    return model


# === Learning ===


def show_task(name: str, flags) -> list[Path]:
    """Trains every network over every gap; prints tables and draws figures, and returns these."""
    task = TASKS[name]
    gaps = sorted(flags.gaps or task.gaps)
    steps = flags.steps or task.steps
    learners = {kind: Learner(task, kind, flags) for kind in CELLS}
    figures = []

    def show_reach(when: str, file: str) -> None:
        layers = {kind: learner.layer for kind, learner in learners.items()}
        figures.append(show_gradients(layers, gaps[-1], when, flags.output / file, flags))

    if name == "recall":
        show_reach("before training", "gradients_before.png")
    print(
        f"{task.title}: {task.measure} on 1,000 new sequences, of 90 to 100 % of the gap, after at "
        f"most {steps:,} batches of {BATCH}\n(chance: {task.chance:.3f}); in brackets the batches, "
        "where fewer did"
    )
    print(f"{'':22}{'units':>6}{'weights':>9}" + "".join(f"{f'gap {gap}':>16}" for gap in gaps))
    results = {}
    for kind, learner in learners.items():
        print(f"{kind:22}{learner.units:>6}{learner.parameters:>9,}", end="", flush=True)
        results[kind] = []
        for gap in gaps:
            score, taken = learner.learn(gap, steps)
            results[kind].append(score)
            note = f"{score:.3f} ({taken:,})" if taken < steps else f"{score:.3f}{'':>8}"
            print(f"{note:>16}", end="", flush=True)
        print()
    print()
    figures.append(draw_task(task, gaps, results, flags.output / f"{name}.png"))
    if name == "recall":
        show_reach(f"after training over gaps up to {gaps[-1]}", "gradients_after.png")
    return figures


class Learner:
    """A network that begins anew for every gap, and is traced once."""

    def __init__(self, task: Task, kind: str, flags):
        self.task, self.flags = task, flags
        self.model = make_model(task, kind, flags)
        self.model.optimizer.build(self.model.trainable_variables)
        self._variables = [*self.model.variables, *self.model.optimizer.variables]
        self._first = [keras.ops.convert_to_numpy(variable) for variable in self._variables]
        self.layer = self.model.get_layer("recurrent")
        self.units, self.parameters = self.layer.cell.units, self.layer.count_params()

    def learn(self, gap: int, steps: int) -> tuple[float, int]:
        """Trains over a gap; returns the score on new sequences, and how many steps it took."""
        task = self.task
        for variable, value in zip(self._variables, self._first):
            variable.assign(value)
        random = np.random.default_rng([self.flags.seed, gap])
        taken = 0
        while taken < steps:
            # Of any length up to the gap: what is learned over short ones leads to the long ones.
            length = int(random.integers(task.shortest, gap + 1))
            self.model.train_on_batch(*task.make(length, BATCH, random))
            taken += 1
            if taken % 50 == 0 and self._is_solved(self._score(gap, 500, 2)):
                break
        return self._score(gap, 1000, 1), taken

    def _score(self, gap: int, count: int, stream: int) -> float:
        random = np.random.default_rng([self.flags.seed, gap, stream])
        # Of several lengths: at a single one a network may be right, or wrong, by its rhythm.
        lengths = np.linspace(max(2, 0.9 * gap), gap, 5).astype(int)
        scores = []
        for length in lengths:
            inputs, answers = self.task.make(int(length), count // len(lengths), random)
            scores.append(self.task.score(answers, self.model.predict_on_batch(inputs)))
        return float(np.mean(scores))

    def _is_solved(self, score: float) -> bool:
        better = score >= self.task.solved
        return better if self.task.solved > self.task.chance else score <= self.task.solved


# === Gradients ===


def gradient_norms(layer, inputs: np.ndarray) -> np.ndarray:
    """Measures how much gradient of the last output reaches each step.

    Args:
        layer: a recurrent layer that gives all its outputs.
        inputs: `[batch, time, features]`.

    Returns:
        The mean over the rows of ‖∂ (h_T · u) / ∂ x_t‖ with u a random direction, `[time]`.
    """
    direction = np.random.default_rng(0).normal(size=layer.output_size).astype("float32")
    direction /= np.linalg.norm(direction)
    _, gradient = gradient_of(
        lambda x: keras.ops.sum(layer(x)[:, -1] * direction, axis=-1),
        keras.ops.convert_to_tensor(inputs),
    )
    return np.linalg.norm(keras.ops.convert_to_numpy(gradient), axis=-1).mean(axis=0)


def show_gradients(layers: dict, length: int, when: str, path: Path, flags) -> Path:
    """Prints and draws the gradient that reaches back in the layers of each kind."""
    inputs, _ = TASKS["recall"].make(length, BATCH, np.random.default_rng(flags.seed))
    far = [steps for steps in (1, 10, 25, 50, 100, 200) if steps < length] + [length + 1]
    print(f"gradient of the last output that reaches the step so far before it, {when}")
    print(f"{'':22}" + "".join(f"{steps:>11}" for steps in far))
    curves = {}
    for kind, layer in layers.items():
        curves[kind] = gradient_norms(layer, inputs)[::-1]  # by the distance from the last step
        print(f"{kind:22}" + "".join(f"{curves[kind][steps]:>11.1e}" for steps in far))
    print()
    return draw_curves(curves, f"Gradient of the last output, {when}", path)


def show_radii(flags) -> Path:
    """Prints and draws what the spectral radius of a plain RNN does, and clipping."""
    length, units = 50, 64
    random = np.random.default_rng(flags.seed)
    # Small, so that tanh hardly bends what the recurrent kernel does.
    inputs = (0.01 * random.normal(size=(BATCH, length, 8))).astype("float32")
    targets = keras.ops.ones((BATCH, units))
    print(
        f"plain RNNs of {units} units: the gradient at the last step, and {length - 1} steps before"
    )
    print(
        f"{'spectral radius':>16}{'last':>11}{'first':>11}{'of the weights':>17}"
        f"{f'clipped to {CLIP:g}':>15}"
    )
    curves = {}
    for radius in RADII:
        keras.utils.set_random_seed(flags.seed)
        layer = textlstm.SimpleRNN(units, return_sequences=True)
        layer.build((None, None, 8))
        kernel = random.normal(size=(units, units))
        kernel *= radius / np.abs(np.linalg.eigvals(kernel)).max()
        layer.cell.recurrent_kernel.assign(kernel)
        norms = gradient_norms(layer, inputs)[::-1]
        curves[f"spectral radius {radius}"] = norms

        def loss(weights, layer=layer):
            states = keras.ops.zeros((BATCH, units))
            for step in range(length):  # as the cell does, with these recurrent weights
                projected = layer.cell.project_inputs(inputs[:, step])
                states = keras.ops.tanh(projected + keras.ops.matmul(states, weights))
            return keras.ops.mean(keras.ops.square(states - targets), axis=-1) / BATCH

        _, gradient = gradient_of(loss, keras.ops.convert_to_tensor(layer.cell.recurrent_kernel))
        norm = float(np.linalg.norm(keras.ops.convert_to_numpy(gradient)))
        clipped = min(norm, CLIP)
        print(f"{radius:>16}{norms[0]:>11.1e}{norms[-1]:>11.1e}{norm:>17.1e}{clipped:>15.1e}")
    print("Clipping shortens a gradient, and leaves its direction: a long step becomes a safe one,")
    print("but what has vanished stays so.\n")
    title = "Gradient of the last step, plain RNNs"
    return draw_curves(curves, title, flags.output / "spectral_radius.png")


# === Figures ===


def draw_task(task: Task, gaps, results: dict, path: Path) -> Path:
    """Draws the scores over the gaps."""
    figure = new_figure(6.4, 4.0)
    axes = figure.subplots()
    for width, (kind, scores) in zip((2.5, 2, 1.5, 1), results.items()):  # one may lie on another
        axes.plot(gaps, scores, "o-", label=kind, linewidth=width, markersize=3 * width)
    axes.axhline(task.chance, color="grey", linestyle=":", linewidth=1)
    place = {"xy": (0, task.chance), "xycoords": ("axes fraction", "data"), "va": "top"}
    axes.annotate(" chance", color="grey", fontsize=8, **place)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("gap (steps)")
    axes.set_ylabel(task.measure)
    axes.set_title(task.title.capitalize())
    return finish(figure, axes, path)


def draw_curves(curves: dict[str, np.ndarray], title: str, path: Path) -> Path:
    """Draws norms over the distance from the last step, on a logarithmic scale."""
    figure = new_figure(6.4, 4.0)
    axes = figure.subplots()
    for name, norms in curves.items():
        axes.semilogy(range(len(norms)), np.maximum(norms, 1e-30), label=name)
    axes.set_ylim(bottom=max(1e-12, min(norms[norms > 0].min() for norms in curves.values())))
    axes.set_xlabel("steps before the last one")
    axes.set_ylabel("‖gradient‖")
    axes.set_title(title)
    return finish(figure, axes, path)


def finish(figure, axes, path: Path) -> Path:
    """Adds the legend and writes the figure."""
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False)
    figure.savefig(path)
    return path


if __name__ == "__main__":
    run(main)
