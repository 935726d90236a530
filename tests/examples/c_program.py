"""Build the C examples of `examples/c` and run them: what their tests share.

A program is compiled against the libraries inside the installed TensorFlow wheel, as
`examples/c/README.md` tells, and always runs in a process of its own.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "examples" / "c"


def tensorflow_folder() -> Path:
    """The installed TensorFlow package, found without importing it."""
    return Path(importlib.util.find_spec("tensorflow").submodule_search_locations[0])


def build_program(tmp_path: Path, name: str = "classify", *flags: str) -> Path:
    """Compile a program into `tmp_path`, every warning an error; skip without a compiler."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler: there is no `cc` on the PATH")
    wheel = tensorflow_folder()
    program = tmp_path / name
    command = ["cc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", *flags]
    command += ["-I", f"{wheel}/include", str(SOURCES / f"{name}.c"), "-o", str(program)]
    command += ["-L", str(wheel), "-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"]
    command += [f"-Wl,-rpath,{wheel}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


def call_program(
    program: Path, *arguments: str | bytes | Path, stdin: bytes = b""
) -> subprocess.CompletedProcess:
    """Run the program as it is; what it wrote comes back as bytes, without TensorFlow's log."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [program, *arguments], input=stdin, capture_output=True, timeout=300, env=environment
    )
    # Whatever the level, TensorFlow logs a few lines while its library is being loaded.
    log = rb"(WARNING: All log messages before absl::|[IWEF]\d{4} \d\d:)[^\n]*\n"
    done.stderr = re.sub(rb"(?m)^" + log, b"", done.stderr)
    return done


def read_table(output: bytes) -> tuple[list[str], list[tuple[str, float, list[float]]]]:
    """The class names and, for each row, its label, score and probabilities."""
    assert output.endswith(b"\n")
    header, *rows = (line.split("\t") for line in output.decode("utf-8").split("\n")[:-1])
    assert header[:2] == ["label", "score"]
    assert all(len(row) == len(header) for row in rows)
    return header[2:], [(row[0], float(row[1]), [float(p) for p in row[2:]]) for row in rows]


def run_classify(
    program: Path, folder: Path, lines: list[bytes]
) -> tuple[list[str], list[tuple[str, float, list[float]]]]:
    """Classify `lines` (no line feeds inside) through standard input; read_table's answer."""
    assert not any(b"\n" in line for line in lines), "a line feed ends a text"
    done = call_program(program, folder, stdin=b"".join(line + b"\n" for line in lines))
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    class_names, rows = read_table(done.stdout)
    assert len(rows) == len(lines)
    return class_names, rows
