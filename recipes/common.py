"""What the recipes share: their flags, one line for a mistake, and the place of their results."""

import argparse
import ctypes
import json
import math
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps what native code writes to the standard error off the screen."""
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def keep_freed_memory() -> None:
    """Has the C library keep what is freed for the next step, where it can (glibc: on Linux).

    Each training step takes and frees the same large arrays. By default they are given back to the
    system and asked for anew, page by page, which can take as long as the arithmetic on them.
    `MALLOC_ARENA_MAX=1 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=-1` in the environment does the
    same for any program. The process keeps the most that it ever needed, until it ends.
    """
    if os.name != "posix":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        # The parameters' numbers in <malloc.h>: M_ARENA_MAX, M_MMAP_MAX, M_TRIM_THRESHOLD.
        for parameter, value in ((-8, 1), (-4, 0), (-1, -1)):
            mallopt(parameter, value)


# Before TensorFlow starts its threads.
keep_freed_memory()
# TensorFlow would print how it was built, and that there is no GPU.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with quiet():
    import keras as keras
    import tensorflow as tf

import textlstm
from textlstm import InputError
from textlstm.saving import check_export_folder
from textlstm.tasks.cells import CELLS
from textlstm.tokenizers import SentencePieceTokenizer, suggest_vocabulary_size

tf.get_logger().setLevel("ERROR")
MODELS = Path(__file__).resolve().parent.parent / "models"
# The folders there that are not a user's.
SHIPPED = (
    "generation-poetry-zh",
    "generation-shakespeare",
    "sentiment-en",
    "sentiment-zh",
    "translation-en-de",
    "translation-en-zh",
)
# What of a model may be given beside --init, as it changes none of its weights.
BESIDE_WEIGHTS = (
    "dtype",
    "dropout",
    "input_dropout",
    "hidden_dropout",
    "token_dropout",
    "weight_drop",
    "activation_regularization",
    "change_regularization",
    "beam_size",
    "length_penalty",
)
NORMALIZATIONS = ("nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity")


def add_shared_flags(
    parser: argparse.ArgumentParser,
    shape: dict,
    *,
    epochs: int,
    data_help: str,
    label: str | None = None,
) -> None:
    """Adds the flags that all recipes have.

    Args:
        parser: the recipe's.
        shape: the recipe's defaults for the shape of a new model; the flags themselves default to
            `None`, so that a recipe can tell what was given.
        epochs: the recipe's default for `--epochs`.
        data_help: what `--data` takes, besides 'sample' and tfds:NAME/CONFIG.
        label: what stands beside a text in the data: "labels", "translations"; `None`: nothing.
    """
    data = parser.add_argument_group("data").add_argument
    data(
        "--data",
        nargs="+",
        default=["sample"],
        help=f"'sample' (default), tfds:NAME/CONFIG, or {data_help}",
    )
    data("--text-column", help="of texts: its name, or its position, from 0")
    if label is not None:
        data("--label-column", help=f"of {label}: likewise")
    data(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether the first row of a table names its columns; default: it does, unless the "
        "columns are given by position",
    )
    data("--encoding", default="utf-8", help="of the files; default utf-8")
    data("--limit", type=positive, help="use at most so many rows of each part")
    data(
        "--remove-leaks",
        action="store_true",
        help="leave out of training what also stands in the data's own validation or test part",
    )
    data(
        "--split-seed",
        type=seed,
        default=0,
        metavar="SEED",
        help="which rows are held out, where the data has no such part; the same for a model that "
        "is trained, measured and trained on; default 0",
    )

    model = parser.add_argument_group("model").add_argument
    model(
        "--init",
        metavar="FOLDER",
        help="fine-tune the model exported there; of its options, those that change no "
        "weights can be others: --dropout, --dtype",
    )
    model(
        "--measure",
        metavar="FOLDER",
        help="train nothing: score the model exported there on the test part of the data; what is "
        "said of another model, or of training, has no effect",
    )
    model("--export", metavar="FOLDER", help="default: models/RECIPE-DATA")
    model(
        "--compact",
        action="store_true",
        help="export with weights rounded to bfloat16: about 40 %% of the size",
    )
    model("--units", type=positive, help=f"size of the state; default {shape['units']}")
    model("--num-layers", type=positive, help=f"recurrent layers; default {shape['num_layers']}")
    model("--cell", choices=sorted(CELLS), help=f"the recurrent cell; default {shape['cell']}")
    model(
        "--dtype",
        choices=["float32", "mixed_bfloat16", "mixed_float16"],
        help="what is computed in while training; default float32, as are all exports",
    )

    training = parser.add_argument_group("training").add_argument
    training(
        "--epochs",
        type=positive,
        default=epochs,
        help=f"the most passes over the data; default {epochs}",
    )
    training("--batch-size", type=positive, default=64, help="default 64")
    training(
        "--max-batch-tokens",
        type=positive,
        metavar="TOKENS",
        help="the most tokens in a batch: long texts come in smaller ones; default no limit",
    )
    training("--learning-rate", type=above_zero, default=2e-3, help="the highest; default 0.002")
    training(
        "--warmup",
        type=share,
        default=0.0,
        metavar="SHARE",
        help="share of the training in which the learning rate rises; default 0",
    )
    training(
        "--average",
        type=share,
        metavar="DECAY",
        help="keep the moving average of the weights, with this decay, such as 0.999",
    )
    training("--seed", type=seed, default=0, help="of weights, order and dropout; default 0")
    training("--resume", action="store_true", help="go on with a run that was cut off")


def flags_in_words(values: dict) -> str:
    """Writes flags as they would be given: `--units 256 --epochs 14`."""
    return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in values.items())


def add_held_out_sizes(add: Callable, help_text: str) -> None:
    """Adds `--test-size` and `--validation-size`; `{part}` in their help is which of them it is."""
    for part in ("test", "validation"):
        add(
            f"--{part}-size",
            type=above_zero,
            default=0.05,
            metavar="SIZE",
            help=f"{help_text.format(part=part)}; default 0.05",
        )


def positive(text: str) -> int:
    """Reads a positive integer from the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive whole number, got {text!r}")
    return int(text)


def whole(text: str) -> int:
    """Reads an integer of 0 or more from the command line."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, got {text!r}")
    return int(text)


def seed(text: str) -> int:
    """Reads a seed from the command line: an integer of 32 bits."""
    if whole(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"must be below 2**32, got {text!r}")
    return int(text)


def share(text: str) -> float:
    """Reads a number from 0 to below 1 from the command line."""
    if not 0 <= _number(text) < 1:
        raise argparse.ArgumentTypeError(f"must be in [0, 1), got {text!r}")
    return _number(text)


def fraction(text: str) -> float:
    """Reads a number between 0 and 1 from the command line."""
    if not 0 < _number(text) < 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and below 1, got {text!r}")
    return _number(text)


def above_zero(text: str) -> float:
    """Reads a finite number above 0 from the command line."""
    if not 0 < _number(text) < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return _number(text)


def not_negative(text: str) -> float:
    """Reads a finite number of 0 or more from the command line."""
    if not 0 <= _number(text) < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of 0 or more, got {text!r}")
    return _number(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def refuse_with_init(flags: argparse.Namespace, names: Iterable[str]) -> None:
    """Raises an `InputError` if flags of new models only are given beside `--init`."""
    fixed = (name for name in names if name not in BESIDE_WEIGHTS)
    given = [f"--{n.replace('_', '-')}" for n in fixed if getattr(flags, n) is not None]
    if flags.init and given:
        raise InputError(
            f"{', '.join(given)}: the shape of the model in --init {flags.init} cannot be changed; "
            "leave the flags out, or leave out --init"
        )


def counts_of(split) -> str:
    """Returns how many rows each part has, in words."""
    return ", ".join(f"{count:,} {part}" for part, count in split.counts.items())


def check_columns(flags: argparse.Namespace, sources: Sequence) -> None:
    """Refuses columns of a user who gives no data that has any.

    Args:
        flags: the recipe's.
        sources: those of `--data` and of `--more-data`.

    Raises:
        InputError: if a column is named and no source has columns.
    """
    given = [name for name in ("text_column", "label_column") if getattr(flags, name, None)]
    if given and not any(source.has_columns for source in sources):
        names = " and ".join("--" + name.replace("_", "-") for name in given)
        raise InputError(f"{names}: {sources[0].name} has no columns to choose; leave that out")


def announce(recipe: str, flags: argparse.Namespace, source, split, counts: str) -> Path | None:
    """Prints what the data is and what was noticed in it; returns the folder of the model.

    Args:
        recipe: name of the recipe, of which a model's name is made where none is given.
        flags: the recipe's.
        source: the data.
        split: its parts.
        counts: how many rows there are, in words.

    Returns:
        Where the model will be exported; with `--measure` `None`.
    """
    print(f"Data: {source.description}\n  {counts}")
    for note in split.notes:
        print(f"  {note}")
    if flags.measure:
        return None
    export = Path(flags.export or MODELS / f"{recipe}-{source.name}")
    if not flags.export and export.name in SHIPPED:
        raise InputError(
            f"the model would become a version of {export}, which ships with textlstm; say with "
            "--export where it is to go"
        )
    print(f"The model will be exported to {export}")
    return export


def load_to_fine_tune(flags: argparse.Namespace, kind: type):
    """Loads the model of `--init`, which must be of the recipe's kind."""
    print(f"Fine-tuning {flags.init}")
    model = load_of_kind("--init", flags.init, kind)
    options = {name: getattr(flags, name, None) for name in BESIDE_WEIGHTS}
    options = {name: value for name, value in options.items() if value is not None}
    return model.with_options(**options) if options else model


def load_to_measure(flags: argparse.Namespace, kind: type):
    """Loads the model of `--measure`, which must be of the recipe's kind."""
    model = load_of_kind("--measure", flags.measure, kind)
    print(f"Measuring {flags.measure}\n{model.describe()}")
    return model


def load_of_kind(flag: str, folder: str, kind: type):
    """Loads the model that a flag names, which must be of a kind."""
    model = textlstm.load(folder)
    if not isinstance(model, kind):
        raise InputError(
            f"{flag} {folder}: is a {type(model).__name__}, not a {kind.__name__}; give another "
            "folder"
        )
    return model


def kept_tokenizer(
    path: Path,
    texts: Callable[[], Iterable[str]],
    vocabulary_size: int | None,
    what: str = "",
    **options,
) -> SentencePieceTokenizer:
    """Trains a tokenizer and keeps it, or reads the one of the run that is resumed.

    Args:
        path: where it is kept.
        texts: gives the texts to train it on, anew at each call.
        vocabulary_size: number of its pieces; `None`: by the texts.
        what: what it is for, for the line that is printed.
        **options: of `SentencePieceTokenizer.train`.
    """
    if not path.exists():
        size = vocabulary_size or suggest_vocabulary_size(texts())
        print(f"Training a tokenizer of {size:,} pieces{what}")
        partial = path.with_suffix(".partial")
        SentencePieceTokenizer.train(texts(), size, **options).save_model(partial)
        partial.rename(path)
    return SentencePieceTokenizer.from_file(path)


def export_with_card(model, flags, export: Path, source, counts: str, seconds: float, scores):
    """Exports a trained model; its card tells what was done.

    Args:
        model: the model.
        flags: the recipe's.
        export: the folder.
        source: the data.
        counts: how many rows there were, in words.
        seconds: that it was trained for.
        scores: by their names.

    Returns:
        The folder of the version.
    """
    words = [word for word in sys.argv if word != "--resume"]
    about = {
        "Data": f"{source.description}; {counts}.",
        "Command": f"`python {shlex.join(words)}`",
        "Training": f"{seconds / 60:.0f} minutes on {os.cpu_count()} CPU cores.",
    }
    return textlstm.export(model, export, scores=scores, about=about, compact=flags.compact)


def brings_columns(data: str, flags: argparse.Namespace) -> bool:
    """Says whether further data are JSON lines beside other files: they name their own columns."""
    json_lines = (".jsonl", ".jsonl.gz")
    return data.endswith(json_lines) and not any(one.endswith(json_lines) for one in flags.data)


def check_jsonl_output(path: Path) -> None:
    """Refuses a file to write that is no `.jsonl`, or whose folder is not there."""
    if path.suffix != ".jsonl":
        raise InputError(f"{path}: the file to write must end with .jsonl")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it first")


def write_jsonl(path: Path, rows: Iterable[dict]) -> None:
    """Writes rows, one JSON object a line; no half of them is ever seen under the name."""
    partial = path.with_name(f".{path.name}.partial")
    with open(partial, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    partial.replace(path)


def run(main: Callable[[], None]) -> None:
    """Runs a recipe; a mistake of the user's ends it with one line and status 2."""
    try:
        main()
    except InputError as error:
        sys.exit(_fail(str(error)))
    except KeyboardInterrupt:
        sys.exit(_fail("stopped"))
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(_fail(f"{error.filename}: {error.strerror}"))


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


class RunFolder:
    """Where a run keeps what it needs to be resumed: `FOLDER/.training`.

    A context: at its end the folder is removed, unless the run was cut off after it had trained.

    Args:
        export: the folder that the run will export to.
        options: what the run was called with; it is resumed with the same options only.
        resume: whether to go on with what is there.

    Raises:
        InputError: if a run was cut off there, and it is not to be resumed, or with other options;
            or when this run is cut off by Ctrl-C, to say how to go on.
    """

    def __init__(self, export: Path, options: dict, resume: bool):
        check_export_folder(export)
        self.path = export / ".training"
        self.state = self.path / "state"
        record = self.path / "options.json"
        options = {name: value for name, value in sorted(options.items()) if name != "resume"}
        options = json.loads(json.dumps(options))  # as it will be read: no tuples
        self._made = [path for path in (export, *export.parents) if not path.exists()]
        if resume and record.is_file():
            _check_same(json.loads(record.read_text(encoding="utf-8")), options, self.path)
            return
        if self.state.exists():
            raise InputError(
                f"{self.path}: holds a run that was cut off; go on with it by --resume, or remove "
                "the folder to begin anew"
            )
        if resume:
            print(f"Nothing to resume in {export}: beginning anew.")
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        record.write_text(json.dumps(options), encoding="utf-8")

    def count_time(self) -> Callable[[], float]:
        """Begins to count the time of training.

        What a run that is resumed took, until its state was kept last, is part of it.

        Returns:
            A function: the seconds so far.
        """
        record = self.path / "time.json"
        before = 0.0
        if self.state.exists() and record.exists():
            last = json.loads(record.read_text(encoding="utf-8"))
            # 0 if that run was cut off before it kept a state of its own.
            before = last["before"] + max(0.0, self.state.stat().st_mtime - last["began"])
        record.write_text(json.dumps({"before": before, "began": time.time()}), encoding="utf-8")
        began = time.monotonic()
        return lambda: before + time.monotonic() - began

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, kind, error, traceback) -> None:
        if kind is None or not self.state.exists():
            shutil.rmtree(self.path)
        if kind is not None:
            with suppress(OSError):
                for path in self._made:  # the innermost first; stops at one that is not empty
                    path.rmdir()
        if isinstance(error, KeyboardInterrupt) and self.state.exists():
            raise InputError(
                "stopped; the same command with --resume goes on from where its state was kept last"
            ) from error


def _check_same(before: dict, options: dict, place: Path) -> None:
    if "split_seed" in options:  # runs that were begun when one seed was for all
        before.setdefault("split_seed", before.get("seed"))
    other = [name for name in options if before.get(name) != options[name]]
    if other:
        changes = ", ".join(
            f"--{name.replace('_', '-')} was {before.get(name)!r}, is {options[name]!r}"
            for name in other
        )
        raise InputError(
            f"{place}: the run there was begun with other flags ({changes}); give the same ones, "
            "or remove the folder to begin anew"
        )
