"""Text classification sets of TensorFlow Datasets (TFDS): `tfds:NAME/CONFIG`.

A set that lies prepared in TFDS's data folder is read from there, without the network and without
the set's own Python code. One that does not is prepared by TFDS, which downloads it; whether its
machine answers is tried first, for TFDS itself goes on trying for minutes.

Only the functions of this file import `tensorflow_datasets`, which imports TensorFlow to read and
write `tfrecord` files.
"""

import importlib
import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import numpy as np

from textlstm.data.examples import PART_NAMES, Example, Source, standard_part
from textlstm.data.reading import decode
from textlstm.data.table_files import Columns, choose_columns
from textlstm.errors import InputError

_PATTERN = re.compile(r"tfds:(?P<name>\w+)(?:/(?P<config>[^/:]+))?(?::(?P<version>[\d.*]+))?")
_UNLABELLED_SPLITS = ("unsupervised", "unlabeled", "unlabelled")
_NO_LABEL = -1  # what TFDS writes as the label of a row that has none
_SECONDS_TO_ANSWER = 2.5


class TfdsSource(Source):
    """A source of a prepared TFDS set.

    Args:
        data: what the user wrote, for messages.
        builder: the TFDS builder of the prepared set.
        columns: names of the features that hold text and label, as far as the user gives them.
        encoding: name of the encoding of the texts, and of labels that are strings.

    Raises:
        InputError: if no feature can be the text or the label, if no split can be the training
            part, or if what reads its files is not installed.
    """

    def __init__(self, data: str, builder: Any, columns: Columns, encoding: str):
        self._data = data
        self._builder = builder
        self._encoding = encoding
        features = _flat(builder.info.features)
        self._text, self._label = _choose_features(data, builder.info, columns)
        self._read_label = _label_reader(features[self._label])
        _check_file_format(data, builder.info.file_format)
        self._splits, notes = self._choose_splits()
        super().__init__(
            re.sub(r"[^\w.-]+", "-", data.removeprefix("tfds:")).strip("-."),
            f"{builder.info.full_name} of TensorFlow Datasets",
            tuple(self._splits),
            tuple(notes),
        )

    def _choose_splits(self) -> tuple[dict[str, str], list[str]]:
        """Returns the name of the split of each part, and notes about those left out."""
        notes, by_part, others = [], {}, []
        for split, about in self._builder.info.splits.items():
            count = about.num_examples
            left_out = f"left out the {count:,} row{'s' * (count != 1)} of the split {split!r}"
            if split.lower() in _UNLABELLED_SPLITS or self._has_no_labels(split):
                notes.append(f"{left_out}: they have no labels")
            elif (part := standard_part(split)) is None:
                others.append(split)
            elif part in by_part:
                raise InputError(
                    f"{self._data}: both splits {by_part[part]!r} and {split!r} could be the "
                    f"{part} part; save the one that is meant as a table"
                )
            else:
                by_part[part] = split
        if "train" not in by_part:
            if len(by_part) + len(others) == 1:
                return {"all": (others or list(by_part.values()))[0]}, notes
            raise InputError(
                f"{self._data}: has no labelled split called train; the splits are "
                f"{', '.join(self._builder.info.splits) or 'none'}"
            )
        names = ", ".join(PART_NAMES)
        notes += [f"left out the split {split!r}: it is called none of {names}" for split in others]
        if len(by_part) == 1:
            return {"all": by_part["train"]}, notes
        return {part: by_part[part] for part in PART_NAMES if part in by_part}, notes

    def _has_no_labels(self, split: str) -> bool:
        # A labelled split shows a label in its first row, so only an unlabelled one is read whole.
        labels = (_value(row, self._label) for row in self._rows(split))
        return all(np.ndim(label) == 0 and label == _NO_LABEL for label in labels)

    def _rows(self, split: str) -> Iterator[Mapping]:
        """Yields the rows of a split as TFDS gives them."""
        import tensorflow_datasets as tfds

        try:
            file_format = self._builder.info.file_format
            if file_format in type(file_format).with_random_access():
                yield from self._builder.as_data_source(split=split)
            else:
                yield from tfds.as_numpy(self._builder.as_dataset(split=split))
        except Exception as error:  # whatever TFDS and TensorFlow raise for damaged files
            raise InputError(
                f"{self._data}/{split}: cannot be read ({_first_line(error)}); check that "
                f"{self._builder.data_dir} is whole, or remove it to have it prepared anew"
            ) from error

    def _read(self, part: str) -> Iterator[Example]:
        split = self._splits[part]
        for number, row in enumerate(self._rows(split), start=1):
            where = f"{self._data}/{split}:{number}"
            text = self._decoded(_value(row, self._text), where)
            label = self._read_label(self._decoded(_value(row, self._label), where))
            if label is None:
                raise InputError(f"{where}: has no label; give --label-column another feature")
            yield Example(text, label, where)

    def _decoded(self, value: Any, where: str) -> Any:
        """Returns a value, or a list of values, with bytes as strings."""
        if isinstance(value, bytes):
            return decode(value, self._encoding, where)
        return [self._decoded(one, where) for one in value] if np.ndim(value) else value


def open_tfds(data: str, columns: Columns, encoding: str) -> TfdsSource:
    """Opens a TFDS set; prepares it if it is not there yet and can be downloaded.

    Args:
        data: "tfds:NAME", "tfds:NAME/CONFIG", either perhaps with ":VERSION".
        columns: names of the features that hold text and label. Default: the set's own choice
            (its `supervised_keys`), else the usual names.
        encoding: name of the encoding of the texts, and of labels that are strings.

    Raises:
        InputError: if there is no such set, if it is neither prepared nor can be downloaded, or if
            it holds no text with labels.
    """
    columns.refuse_table_flags(f"{data}: sets of TensorFlow Datasets")
    found = _PATTERN.fullmatch(data)
    if not found:
        raise InputError(
            f"data {data!r}: is no name of a set; give tfds:NAME, tfds:NAME/CONFIG or "
            "tfds:NAME/CONFIG:VERSION, such as tfds:imdb_reviews or tfds:glue/sst2"
        )
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise InputError(
            f"{data}: TensorFlow Datasets cannot be imported ({error}); "
            "pip install tensorflow-datasets importlib_resources"
        ) from error
    name, config, version = found["name"], found["config"], found["version"]
    data_dir = Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
    folder = _prepared_folder(data_dir / name, config, version)
    if folder is None:
        builder = _prepare(data, name, config, version, data_dir, columns)
    else:
        try:
            builder = tfds.builder_from_directory(folder)
        except Exception as error:  # whatever a damaged folder makes TFDS raise
            raise InputError(
                f"{data}: {folder} cannot be read ({_first_line(error)}); check that it is whole, "
                "or remove it to have it prepared anew"
            ) from error
    return TfdsSource(data, builder, columns, encoding)


# === Which features hold text and label ===


def _choose_features(data: str, info: Any, columns: Columns) -> tuple[str, str]:
    features = _flat(info.features)
    names = list(features)
    text, label = (info.supervised_keys or (None, None))[:2]
    if text not in names or not _is_text(features[text]):
        text = None
    if label not in names or not _label_reader(features[label]):
        label = None
    wanted = Columns(columns.text or text, columns.label or label)
    at_text, at_label = choose_columns(names, wanted, data, positions=False)
    for at, flag, fits, kind in (
        (at_text, "--text-column", _is_text, "text"),
        (at_label, "--label-column", _label_reader, "label (a class, a number, a string, a list)"),
    ):
        if not fits(features[names[at]]):
            others = [name for name, feature in features.items() if fits(feature)]
            raise InputError(
                f"{data}: the feature {names[at]!r} is no {kind}; give {flag} one of these: "
                f"{', '.join(others) or 'none fits'}"
            )
    return names[at_text], names[at_label]


def _flat(features: Any, above: str = "") -> dict[str, Any]:
    """Returns features by name, those inside others as "data/review_body"."""
    import tensorflow_datasets as tfds

    flat = {}
    for name, feature in sorted(features.items()):
        if isinstance(feature, tfds.features.FeaturesDict):
            flat |= _flat(feature, f"{above}{name}/")
        else:
            flat[above + name] = feature
    return flat


def _value(row: Mapping, name: str) -> Any:
    for key in name.split("/"):
        row = row[key]
    return row


def _is_text(feature: Any) -> bool:
    import tensorflow_datasets as tfds

    is_scalar = isinstance(feature, tfds.features.Tensor) and feature.shape == ()
    return is_scalar and feature.np_dtype == np.object_


def _label_reader(feature: Any) -> Callable[[Any], str | tuple[str, ...] | None] | None:
    """Returns what turns values of a feature into labels; `None` if they can be none."""
    import tensorflow_datasets as tfds

    if isinstance(feature, tfds.features.Sequence):
        one = _label_reader(feature.feature)
        if one is None or isinstance(feature.feature, tfds.features.Sequence):
            return None

        def label_list(values: Any) -> tuple[str, ...] | None:
            names = [one(value) for value in values]
            return None if None in names else tuple(dict.fromkeys(names))

        return label_list
    if isinstance(feature, tfds.features.ClassLabel):
        return lambda value: None if value == _NO_LABEL else feature.int2str(int(value))
    if _is_text(feature):
        return lambda value: value.strip() or None
    if isinstance(feature, tfds.features.Tensor) and feature.shape == ():
        if feature.np_dtype == np.bool_:
            return lambda value: str(bool(value)).lower()
        if np.issubdtype(feature.np_dtype, np.integer):
            return lambda value: str(int(value))
    return None


def _check_file_format(data: str, file_format: Any) -> None:
    # TFDS brings the reader of this format on Linux only, and misses it with a banner on stdout.
    if file_format.value == "array_record":
        try:
            importlib.import_module("array_record.python.array_record_data_source")
        except ImportError as error:
            raise InputError(
                f"{data}: is prepared as array_record files, whose reader cannot be imported "
                f"({_first_line(error)}); pip install array_record, or prepare the set anew as "
                "tfrecord files"
            ) from error


# === Where a set lies, and how it gets there ===


def _prepared_folder(root: Path, config: str | None, version: str | None) -> Path | None:
    """Returns the folder of the newest version that lies prepared below `root`, the set's folder.

    Without a `config` it is a set without configurations, its default one, or its only one.
    """
    if config is None:
        configs = _prepared_configs(root)
        config = configs[0] if len(configs) == 1 else ""
        try:
            about = json.loads((root / ".config" / "metadata.json").read_text(encoding="utf-8"))
            config = about["default_config_name"]
        except (OSError, ValueError, KeyError):
            pass  # it is only written for sets with configurations
    versions = [
        path for path in _prepared_versions(root / config) if fnmatchcase(path.name, version or "*")
    ]
    return versions[-1] if versions else None


def _prepared_versions(folder: Path) -> list[Path]:
    # TFDS writes elsewhere and renames, so a folder that is there is whole.
    versions = [
        path
        for path in folder.glob("*.*.*")
        if re.fullmatch(r"\d+\.\d+\.\d+", path.name)
        and (path / "dataset_info.json").is_file()
        and (path / "features.json").is_file()
    ]
    return sorted(versions, key=lambda path: tuple(map(int, path.name.split("."))))


def _prepared_configs(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("*") if _prepared_versions(path))


def _prepared_below(root: Path) -> list[str]:
    """Returns what is prepared of a set: "glue/sst2/2.0.0", ..."""
    folders = [root, *(root / config for config in _prepared_configs(root))]
    return [
        str(path.relative_to(root.parent))
        for folder in folders
        for path in _prepared_versions(folder)
    ]


def _prepare(
    data: str, name: str, config: str | None, version: str | None, data_dir: Path, columns: Columns
) -> Any:
    """Has TFDS download and prepare a set; returns its builder."""
    import tensorflow_datasets as tfds

    root = data_dir / name
    prepared = ", ".join(_prepared_below(root))
    known = tfds.list_builders(with_community_datasets=False)
    if name not in known:
        if prepared:
            raise InputError(f"{data}: is not there; what is prepared in {data_dir}: {prepared}")
        here = [path.name for path in data_dir.glob("*") if _prepared_below(path)]
        raise _no_such(data, "set", name, known + here, data_dir)
    try:
        configs = list(tfds.builder_cls(name).builder_configs)
        if config is not None and config not in configs:
            raise _no_such(data, "configuration", config, configs, root)
        builder = tfds.builder(data.removeprefix("tfds:"), data_dir=data_dir)
        _choose_features(data, builder.info, columns)  # before anything is downloaded
    except InputError:
        raise
    except Exception as error:  # AssertionError for a version, ImportError for what code needs
        raise InputError(f"{data}: {_first_line(error)}") from error

    urls = builder.url_infos or {}
    manual = data_dir / "downloads" / "manual"
    archives = sorted({about.filename for about in urls.values() if about.filename})
    if urls and not any((manual / archive).is_file() for archive in archives):
        if not _answers(urls):
            shown = ", ".join(archives[:3]) + (" or others" if len(archives) > 3 else "")
            also = f", only {prepared}" if prepared else ""
            raise InputError(
                f"{data}: is not prepared in {root}{also} (TFDS_DATA_DIR names another data "
                f"folder) and {urlsplit(next(iter(urls))).hostname} cannot be reached; prepare the "
                f"set on a machine with a network and copy {root} from there, or put the original "
                f"archive ({shown}) into {manual}"
            )
    try:
        builder.download_and_prepare()
    except Exception as error:  # the sets' own code runs here, and raises anything
        raise InputError(
            f"{data}: could not be prepared ({_first_line(error)}); mend that and try again, or "
            f"prepare the set elsewhere and copy it to {root}"
        ) from error
    return builder


def _no_such(data: str, kind: str, name: str, known: list[str], folder: Path) -> InputError:
    near = get_close_matches(name, known, 5) + [o for o in known if name in o or o in name]
    shown = ", ".join(list(dict.fromkeys(near))[:8]) or f"{', '.join(known[:8])}, ..."
    return InputError(
        f"{data}: TensorFlow Datasets has no {kind} {name!r}, and {folder} neither; try {shown}"
    )


def _answers(urls: Mapping[str, Any], seconds: float = _SECONDS_TO_ANSWER) -> bool:
    """Whether a machine of `urls`, or the proxy before it, takes a connection in time."""
    answered = threading.Event()

    def connect(hop: tuple[str, int]) -> None:
        try:
            socket.create_connection(hop, timeout=seconds).close()
        except OSError:
            return
        answered.set()

    # In threads, because no time-out ends the look-up of a name.
    deadline = time.monotonic() + seconds
    threads = [
        threading.Thread(target=connect, args=(hop,), daemon=True)
        for hop in sorted({_first_hop(url) for url in urls})[:8]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return answered.is_set()


def _first_hop(url: str) -> tuple[str, int]:
    """Returns host and port of the first machine on the way to `url`."""
    there = urlsplit(url)
    proxy = getproxies().get(there.scheme)
    if proxy and not proxy_bypass(there.hostname or ""):
        there = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    return there.hostname or "", there.port or (443 if there.scheme == "https" else 80)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
