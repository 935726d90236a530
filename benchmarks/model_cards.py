r"""Recomputes the scores on the cards of the models that ship, from their folders and the data.

    python benchmarks/model_cards.py --model models/sentiment-en \
        --files aclImdb_v1.tar.gz=~/data/aclImdb_v1.tar.gz
    python benchmarks/model_cards.py --model models/generation-poetry-zh \
        --files chinese-poetry.tar.xz=~/data/chinese-poetry.tar.xz

Run is the last command of the card, with `--measure FOLDER`, so that nothing is trained, behind
those that make its data, and with the files where they lie here: `--files NAME=PATH` for each that
the card names and that does not lie in the current folder by that name. What `--more-data` adds is
for training alone, and left out; so the linear model over n-grams learns from the other rows. Beam
search of width 1 and the forms of poems are measured besides, where a card tells of them. A score
is the card's if it reads the same as printed there.
"""

import argparse
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINE = re.compile(r"^(?P<name>[^:].*?): (?P<score>[\d,]+\.\d+)(?P<percent>%?)")
N_GRAMS = re.compile(r"\(n-grams: (?P<score>[\d.]+)%\)")


def main() -> None:
    """Measures each model anew; ends with status 1 where a card tells something else."""
    flags = read_flags()
    differ = 0
    for folder in flags.model:
        card = (folder / "README.md").read_text("utf-8")
        told, found = scores_on(card), measure(folder, card, dict(flags.files))
        print(f"\n{folder}")
        for name, score in told.items():
            again = found.get(name)
            same = again is not None and printed(again) == score
            differ += not same
            shown = "not measured" if again is None else printed(again)
            print(f"  {name}: {score}" + ("" if same else f", now {shown}"))
    print(f"\nScores that differ: {differ}" if differ else "\nAll scores are as the cards tell")
    sys.exit(1 if differ else 0)


def read_flags() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", type=Path, nargs="+", required=True, metavar="FOLDER", help="with its card")
    add(
        "--files",
        nargs="+",
        type=name_and_path,
        default=[],
        metavar="NAME=PATH",
        help="where what the card calls NAME lies",
    )
    return parser.parse_args()


def name_and_path(text: str) -> tuple[str, str]:
    """Reads NAME=PATH from the command line."""
    name, sign, path = text.partition("=")
    path = Path(path).expanduser()
    if not sign or not path.exists():
        raise argparse.ArgumentTypeError(f"must be NAME=PATH with a path that is there: {text!r}")
    return name, str(path)


def scores_on(card: str) -> dict[str, str]:
    """Returns the scores that a card tells, as printed."""
    rows = re.findall(r"^\| (.+) \| ([\d.]+) \|$", card, re.MULTILINE)
    return {name.replace(r"\|", "|"): score for name, score in rows}


def printed(score: float) -> str:
    """Returns a score as cards print it."""
    return f"{score:.4f}" if score < 10 else f"{score:.2f}"


def measure(folder: Path, card: str, files: dict[str, str]) -> dict[str, float]:
    """Runs the commands of a card with the model as it lies there; returns what they print."""
    section = card.partition("## Command\n")[2].partition("\n## ")[0]
    commands = [shlex.split(text) for text in re.findall(r"`(python [^`]+)`", section)]
    with tempfile.TemporaryDirectory() as scratch:
        *before, last = [placed(command, files, Path(scratch)) for command in commands]
        last = without_more_data(last)
        for command in before:
            # What makes the data is run, and nothing that trained a model on the way.
            if any(word.endswith(".jsonl") and word in last for word in command):
                call(command)
        found = read_scores(call([*last, "--measure", str(folder)]))
        if "greedy (beam_size 1)" in card:
            greedy = read_scores(call([*last, "--measure", str(folder), "--beam-size", "1"]))
            found |= {
                re.sub(r"test, [\d,]+ texts", "test, greedy (beam_size 1)", name): score
                for name, score in greedy.items()
            }
        if "form kept" in card:
            found |= forms_of(folder, last[last.index("--data") + 1], scratch)
    return found


def placed(command: list[str], files: dict[str, str], scratch: Path) -> list[str]:
    """Returns a command with the paths of this machine; what it writes lies in `scratch`."""
    made = [str(scratch / word) if word.endswith(".jsonl") else word for word in command[1:]]
    words = [files.get(word, word) for word in made]
    words[0] = str(ROOT / words[0])
    return [sys.executable, *words]


def without_more_data(command: list[str]) -> list[str]:
    """Returns a command without `--more-data` and what is behind it, up to the next flag."""
    if "--more-data" not in command:
        return command
    begin = command.index("--more-data")
    end = begin + 1
    while end < len(command) and not command[end].startswith("--"):
        end += 1
    return command[:begin] + command[end:]


def call(command: list[str]) -> str:
    """Runs a command, shows what it says and returns it."""
    print(f"$ {shlex.join(command)}", flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="", flush=True)
    if done.returncode:
        sys.exit(f"error: the command ended with status {done.returncode}")
    return done.stdout


def read_scores(text: str) -> dict[str, float]:
    """Returns the scores that a recipe prints, by the names they have on cards."""
    scores = {}
    for line in text.splitlines():
        match = LINE.match(line)
        if not match:
            continue
        name = f"{match['name'][0].lower()}{match['name'][1:]}"
        if name.startswith("micro f1"):
            name = name.replace("micro f1", "micro F1")
        scale = 0.01 if match["percent"] else 1
        scores[name] = scale * float(match["score"].replace(",", ""))
        if n_grams := N_GRAMS.search(line):
            part = name.rpartition(", ")[0]
            scores[f"{part}, linear model over n-grams"] = 0.01 * float(n_grams["score"])
    return scores


def forms_of(folder: Path, poems: str, scratch: str) -> dict[str, float]:
    """Counts the forms of poems, as the card of such a model does."""
    script = [sys.executable, str(ROOT / "benchmarks" / "poem_forms.py")]
    options = ["--model", str(folder), "--poems", poems, "--samples", "100"]
    text = call([*script, *options, "--output", f"{scratch}/forms"])
    _, samples, kept, _, copied = next(
        line.split() for line in text.splitlines() if line.startswith("all ")
    )
    options = "at temperature 0.8, top_p 0.95, percent"
    return {
        f"form kept, 4 × {int(samples) // 4} samples {options}": float(kept.rstrip("%")),
        # How many lines they have differs by a few from one machine's rounding to another's.
        "lines of verse copied from training, of such samples, percent": float(copied.rstrip("%")),
    }


if __name__ == "__main__":
    main()
