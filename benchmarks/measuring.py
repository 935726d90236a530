"""What the benchmarks share: fair timing, the machine's description, tables and files."""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import date
from importlib import metadata, util
from pathlib import Path

THREADS = 2
_SHORT = 0.1  # seconds
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, str(THREADS))

import keras as keras  # noqa: E402
import tensorflow as tf  # noqa: E402

tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)
HAS_TORCH = util.find_spec("torch") is not None
RESULTS = Path(__file__).resolve().parent / "results"


def add_output_flag(parser: argparse.ArgumentParser, name: str) -> None:
    """Adds `--output`, which defaults to `results/NAME`."""
    parser.add_argument(
        "--output",
        type=Path,
        default=RESULTS / name,
        metavar="PATH",
        help=f"of the results, without ending; default benchmarks/results/{name}",
    )


def time_in_turn(
    calls: dict[str, Callable[[], object]], seconds: float, rounds: int = 15
) -> dict[str, float]:
    """Times calls in turn, so that whatever slows the machine down slows them all.

    A turn of short calls begins with one that is not timed, as steps of a training follow their
    like: it would pay for the data and the threads that the turn before it left behind.

    Args:
        calls: what to time, by name; each is called twice beforehand.
        seconds: after so many, no further round begins (at least 3 are made).
        rounds: the most rounds.

    Returns:
        The median seconds of each.
    """
    for call in calls.values():
        call()
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    started = time.perf_counter()
    for done in range(rounds):
        if done >= 3 and time.perf_counter() - started > seconds:
            break
        for name, call in calls.items():
            if not times[name] or times[name][-1] < _SHORT:
                call()
            times[name].append(_seconds(call))
    return {name: statistics.median(values) for name, values in times.items()}


def matmul_peak(dtype: str = "float32", size: int = 2048) -> float:
    """Measures the most floating-point operations a second that a product of matrices reaches."""
    matrix = tf.cast(tf.random.normal((size, size)), dtype)
    multiply = tf.function(lambda: tf.reduce_max(tf.matmul(matrix, matrix)))
    multiply()
    best = min(_seconds(lambda: multiply().numpy()) for _ in range(10))
    return 2 * size**3 / best


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def describe_machine() -> dict:
    """Returns what the figures depend on: processor, threads, packages, day."""
    processor = platform.processor() or platform.machine()
    flags = ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        fields = {name.strip(): value.strip() for name, value in fields.items()}
        processor = fields.get("model name", processor)
        wanted = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
        flags = " ".join(flag for flag in wanted if flag in fields.get("flags", "").split())
    packages = ["textlstm", "tensorflow", "keras", "numpy"] + ["torch"] * HAS_TORCH
    return {
        "processor": processor,
        "instructions": flags,
        "cores": os.cpu_count(),
        "threads": THREADS,
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in packages},
        "date": date.today().isoformat(),
    }


def geometric_mean(ratios) -> float:
    """Returns the geometric mean."""
    return statistics.geometric_mean(ratios)


def write_results(path: Path, results: dict) -> None:
    """Writes results and the machine's description to `PATH.json`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path = path.with_name(path.name + ".json")
    text = json.dumps({"machine": describe_machine(), **results}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def new_figure(rows: int, columns: int = 1, **options):
    """Returns matplotlib's figure and axes, or `None` where matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError:
        print("matplotlib is not installed: no picture")
        return None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(rows, columns, **options)


def save_figure(figure, path: Path) -> None:
    """Saves a figure as `PATH.png`."""
    path = path.with_name(path.name + ".png")
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    print(f"Drawn to {path}")
