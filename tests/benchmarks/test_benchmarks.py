"""The benchmarks run, whatever they measure here, and leave what they promise."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.parametrize(
    ("script", "flags", "words"),
    [
        ("recurrence", ["--sizes", "2,3,4", "--cell", "GRU"], "GRU     2     2     3     4 train"),
        (
            "end_to_end",
            ["--limit", "40", "--runs", "keras-tutorial", "torch-padded"],
            "stock Keras layers, as its tutorial feeds them",
        ),
    ],
)
def test_runs_and_writes_its_results(tmp_path, script, flags, words):
    command = [sys.executable, BENCHMARKS / f"{script}.py", *flags, "--output", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
    results = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert results["machine"]["threads"] == 2
    assert results["rows"]
