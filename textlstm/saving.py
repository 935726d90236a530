"""The model folder: export it, load it, and the card that goes with it.

    models/NAME/README.md                        the model card
    models/NAME/1/saved_model.pb  variables/     inference, stock TensorFlow
    models/NAME/1/assets.extra/model.keras       the trainable twin, tokenizer inside
    models/NAME/1/assets.extra/textlstm.json     configuration, versions, scores, tensor names
    models/NAME/1/assets.extra/README.md         the card of this version

1 is a version; each export adds the next one. It is the layout that TensorFlow Serving reads.
"""

import contextlib
import importlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import keras

from textlstm.errors import InputError
from textlstm.tokenizers import SentencePieceTokenizer

_TWIN = Path("assets.extra", "model.keras")
_DESCRIPTION = Path("assets.extra", "textlstm.json")
# `shuffle` puts bytes of the same place together, such as all exponents; they compress better so.
_COMPRESSION = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
_CARD = "README.md"
_PACKAGES = ("textlstm", "tensorflow", "keras", "sentencepiece", "numpy")
# How Keras begins to tell of a class that is not registered.
_UNKNOWN = "Could not locate class"


def export(
    model,
    folder: str | Path,
    *,
    scores: Mapping[str, float | str] | None = None,
    about: Mapping[str, str] | None = None,
    compact: bool = False,
) -> Path:
    """Writes a model as the next version of a model folder.

    The version is written beside its place and renamed into it, so that a server that watches the
    folder never sees half of it. Earlier versions are not touched; the card, `README.md`, is
    written anew for this one, and a copy of it stays with the version.

    Args:
        model: a task, such as `TextClassifier`; the backend must be TensorFlow (a model trained
            under another backend is saved to `.keras` there and loaded here).
        folder: `models/NAME`; made if it is not there.
        scores: what was measured, for the card: from a description with the metric's signature to
            the figure.
        about: further sections of the card, from heading to text ("Data", "Limits", "Terms", …).
        compact: whether the larger weights are rounded to bfloat16, in the SavedModel and in its
            twin, which then take about 40 % of the room. They are unpacked when they are loaded:
            neither is slower then. The model that is given is not changed. Default `False`.

    Returns:
        The path of the version, `models/NAME/VERSION`.

    Raises:
        InputError: if the folder cannot be written.
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"export: SavedModels are written by TensorFlow, and the backend is "
            f"{keras.backend.backend()!r}; save the model as .keras, start Python with "
            "KERAS_BACKEND=tensorflow, load it and export it there"
        )
    import tensorflow as tf

    from textlstm.tasks.packed_weights import round_weights

    folder = Path(folder)
    check_export_folder(folder)
    number = max(_versions(folder), default=0) + 1
    versions = _package_versions()
    scores = {
        name: score if isinstance(score, str) else float(score)
        for name, score in (scores or {}).items()
    }
    card = _card(model, folder, number, scores, about or {}, versions)
    with _replacing(folder / str(number)) as partial:
        twin = _without_optimizer_state(model)
        if compact:
            round_weights(twin)
        serving = twin.make_serving()
        if compact:
            serving.pack(twin)
        tf.saved_model.save(serving, str(partial), signatures=serving.functions)
        (partial / _TWIN).parent.mkdir(exist_ok=True)
        twin.save(partial / _TWIN)
        _compress(partial / _TWIN)
        description = {
            "task": type(model).__name__,
            "name": folder.name,
            "max_tokens": model.max_tokens,
            "scores": scores,
            "versions": versions,
            "signatures": _tensor_names(partial),
            "config": _readable_config(model),
        }
        text = json.dumps(description, indent=2, ensure_ascii=False)
        (partial / _DESCRIPTION).write_text(text + "\n", encoding="utf-8")
        (partial / _DESCRIPTION).with_name(_CARD).write_text(card, encoding="utf-8")
    with _replacing(folder / _CARD) as partial:
        partial.write_text(card, encoding="utf-8")
    return folder / str(number)


def load(folder: str | Path):
    """Loads the trainable twin of an exported model: a compiled Keras model with its tokenizer.

    Args:
        folder: `models/NAME` (its newest version is taken) or `models/NAME/VERSION`.

    Returns:
        The model; `fit`, `evaluate`, `predict` take strings.

    Raises:
        InputError: if the folder is not there or holds no exported model, or a cell or other part
            of it is of a class that is not registered.
    """
    version = find_version(folder)
    try:
        return keras.saving.load_model(version / _TWIN)
    except (OSError, ValueError, TypeError, KeyError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        # Keras tells first what it was making, and last what it did not find.
        unknown = [line[line.index(_UNKNOWN) :] for line in lines if _UNKNOWN in line]
        reason = unknown[0].split(".")[0] if unknown else lines[0]
        what_to_do = (
            "import what defines it before you load, and have it decorated with "
            "@keras.saving.register_keras_serializable()"
            if unknown
            else "export it again"
        )
        raise InputError(
            f"{version / _TWIN}: cannot be read as a model of textlstm ({reason}); {what_to_do}"
        ) from error


def find_version(folder: str | Path) -> Path:
    """Finds the version to use in a model folder.

    Args:
        folder: `models/NAME` (its newest version is taken) or `models/NAME/VERSION`.

    Returns:
        `models/NAME/VERSION`.

    Raises:
        InputError: if the folder is not there or holds no exported model.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; give one that an export wrote")
    version = folder
    if not (folder / _TWIN).is_file() and _versions(folder):
        version = folder / str(max(_versions(folder)))
    if not (version / _TWIN).is_file():
        raise InputError(
            f"{folder}: is no model folder (it holds neither {_TWIN} nor a numbered version that "
            "does); give models/NAME or models/NAME/VERSION as an export wrote it"
        )
    return version


def check_export_folder(folder: str | Path) -> None:
    """Makes sure, by writing and removing an empty folder, that a model can be exported there.

    Worth calling before a training of hours.

    Args:
        folder: `models/NAME`.

    Raises:
        InputError: if the place cannot be written, or is something else than a model folder.
    """
    folder = Path(folder)
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    problem = None
    if not place.is_dir():
        problem = f"{place} is not a folder"
    elif find_problem := _write_problem(place):
        problem = find_problem
    elif place == folder and not _looks_like_model_folder(folder):
        problem = "it holds other files already"
    if problem:
        raise InputError(
            f"{folder}: a model cannot be exported there: {problem}; give another folder"
        )


def _write_problem(place: Path) -> str | None:
    try:
        os.rmdir(tempfile.mkdtemp(prefix=".write-test-", dir=place))
    except OSError as error:
        return f"{place} cannot be written ({error.strerror})"
    return None


def _looks_like_model_folder(folder: Path) -> bool:
    names = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]
    return all(name == _CARD or name.isdigit() for name in names)


def _versions(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    return [int(entry.name) for entry in folder.iterdir() if entry.name.isdigit()]


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Gives a place beside `path` to write to, and renames it to `path` if all went well."""
    made = [parent for parent in (path.parent, *path.parent.parents) if not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.parent / f".{path.name}.partial-{os.getpid()}"
    try:
        yield partial
        os.replace(partial, path)
    except BaseException:
        if partial.is_dir():
            shutil.rmtree(partial)
        else:
            partial.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            for parent in made:  # the innermost first; stops at one that is not empty
                parent.rmdir()
        raise


def _without_optimizer_state(model):
    """Makes a model like `model`, compiled with the task's defaults, that has not trained yet."""
    twin = type(model).from_config(model.get_config())
    twin.set_weights(model.get_weights())
    return twin


def _compress(path: Path) -> None:
    """Compresses the weights in a `.keras` file, without loss; Keras reads them as before."""
    with zipfile.ZipFile(path) as archive:
        members = {info: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for info, data in members.items():
            is_weights = info.filename.endswith(".h5")
            archive.writestr(info, _compressed_h5(data) if is_weights else data)


def _compressed_h5(data: bytes) -> bytes:
    packed = io.BytesIO()
    with h5py.File(io.BytesIO(data)) as plain, h5py.File(packed, "w") as target:

        def copy(name: str, thing) -> None:
            if isinstance(thing, h5py.Dataset):
                # Only what has a shape can be cut into chunks.
                how = _COMPRESSION if thing.size > 1 else {}
                new = target.create_dataset(name, data=thing[()], **how)
            else:
                new = target.require_group(name)
            new.attrs.update(thing.attrs)

        target.attrs.update(plain.attrs)
        plain.visititems(copy)
    return packed.getvalue()


def _readable_config(model) -> dict:
    """Returns the model's configuration without the tokenizers' bytes, which nobody can read."""
    config = keras.saving.serialize_keras_object(model)["config"]
    for name, value in vars(model).items():
        if isinstance(value, SentencePieceTokenizer) and config.get(name) is not None:
            config[name] = {
                "class_name": type(value).__name__,
                "vocabulary_size": value.vocabulary_size,
                "pad_id": value.pad_id,
                "end_id": value.end_id,
            }
    return config


def _tensor_names(version: Path) -> dict:
    """Reads the names by which callers without Python feed and fetch each signature."""
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((version / "saved_model.pb").read_bytes())

    def describe(tensors):
        return {
            name: {
                "tensor": info.name,
                "dtype": tf.as_dtype(info.dtype).name,
                "shape": [dim.size for dim in info.tensor_shape.dim],
            }
            for name, info in sorted(tensors.items())
        }

    return {
        name: {"inputs": describe(signature.inputs), "outputs": describe(signature.outputs)}
        for name, signature in sorted(saved_model.meta_graphs[0].signature_def.items())
        if not name.startswith("__")
    }


def _package_versions() -> dict[str, str]:
    """Returns the versions of what a model is made with, however they were installed."""
    return {name: importlib.import_module(name).__version__ for name in _PACKAGES}


def _card(model, folder: Path, number: int, scores, about, versions: dict) -> str:
    """Writes the model card."""
    name = folder.absolute().name
    place = f"models/{name}"
    lines = [f"# {name}", "", model.describe(), ""]
    if scores:
        lines += ["## Scores", "", f"Measured on version {number}.", "", "| metric | value |"]
        lines += ["| --- | --- |"]
        for metric, value in scores.items():
            metric = metric.replace("|", r"\|")  # of its signature, in a table
            lines += [f"| {metric} | {_figure(value)} |"]
        lines += [""]
    for heading, text in about.items():
        lines += [f"## {heading}", "", text, ""]
    lines += [
        "## Use",
        "",
        "With TensorFlow alone, strings in and strings out:",
        "",
        "```python",
        "import tensorflow as tf",
        "",
        f'model = tf.saved_model.load("{place}/{number}")',
        f"{model.serving_example()}",
        "```",
        "",
        "To train it further on your own texts:",
        "",
        "```python",
        "import textlstm",
        "",
        f'model = textlstm.load("{place}")',
        model.fit_example(),
        "```",
        "",
    ]
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    lines += ["## Made with", "", f"{packages}.", ""]
    return "\n".join(lines)


def _figure(value) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"
