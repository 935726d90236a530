"""Sets of TensorFlow Datasets (TFDS): where they lie, how they get there, how their rows are read.

A set that lies prepared in TFDS's data folder is read from there, without the network and without
the set's own Python code. One that does not is prepared by TFDS, which downloads it; whether its
machine answers is tried first, for TFDS itself goes on trying for minutes.

Only functions import `tensorflow_datasets`, which imports TensorFlow to read and write `tfrecord`
files.
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

from textlstm.errors import InputError

_PATTERN = re.compile(r"tfds:(?P<name>\w+)(?:/(?P<config>[^/:]+))?(?::(?P<version>[\d.*]+))?")
_SECONDS_TO_ANSWER = 2.5
UNLABELLED_SPLITS = ("unsupervised", "unlabeled", "unlabelled")


def open_builder(data: str, check_info: Callable[[Any], object]) -> Any:
    """Returns the builder of a set that is prepared, if need be by this call.

    Args:
        data: "tfds:NAME", "tfds:NAME/CONFIG", either perhaps with ":VERSION".
        check_info: raises an `InputError` if the `DatasetInfo` it is called with is that of a set
            that is no use; called before anything is downloaded.

    Raises:
        InputError: if there is no such set, if it is neither prepared nor can be downloaded, or if
            what reads its files is not installed.
    """
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
        builder = _prepare(data, name, config, version, data_dir, check_info)
    else:
        try:
            builder = tfds.builder_from_directory(folder)
        except Exception as error:  # whatever a damaged folder makes TFDS raise
            raise InputError(
                f"{data}: {folder} cannot be read ({_first_line(error)}); check that it is whole, "
                "or remove it to have it prepared anew"
            ) from error
        check_info(builder.info)
    _check_file_format(data, builder.info.file_format)
    return builder


def short_name(data: str) -> str:
    """Returns a name for `data` that is fit for a folder."""
    return re.sub(r"[^\w.-]+", "-", data.removeprefix("tfds:")).strip("-.")


def rows_of(data: str, builder: Any, split: str) -> Iterator[Mapping]:
    """Yields the rows of a split as TFDS gives them.

    Args:
        data: what the user wrote, for messages.
        builder: of a prepared set.
        split: the name of the split.

    Raises:
        InputError: if a row cannot be read.
    """
    import tensorflow_datasets as tfds

    try:
        file_format = builder.info.file_format
        if file_format in type(file_format).with_random_access():
            yield from builder.as_data_source(split=split)
        else:
            yield from tfds.as_numpy(builder.as_dataset(split=split))
    except Exception as error:  # whatever TFDS and TensorFlow raise for damaged files
        raise InputError(
            f"{data}/{split}: cannot be read ({_first_line(error)}); check that "
            f"{builder.data_dir} is whole, or remove it to have it prepared anew"
        ) from error


def flat_features(features: Any, above: str = "") -> dict[str, Any]:
    """Returns features by name, those inside others as "data/review_body"."""
    import tensorflow_datasets as tfds

    flat = {}
    for name, feature in sorted(features.items()):
        if isinstance(feature, tfds.features.FeaturesDict):
            flat |= flat_features(feature, f"{above}{name}/")
        else:
            flat[above + name] = feature
    return flat


def value_of(row: Mapping, name: str) -> Any:
    """Returns the value of a feature, named as by `flat_features`."""
    for key in name.split("/"):
        row = row[key]
    return row


def is_text(feature: Any) -> bool:
    """Says whether the values of a feature are single strings."""
    import tensorflow_datasets as tfds

    is_scalar = isinstance(feature, tfds.features.Tensor) and feature.shape == ()
    return is_scalar and feature.np_dtype == np.object_


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
    data: str,
    name: str,
    config: str | None,
    version: str | None,
    data_dir: Path,
    check_info: Callable,
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
        check_info(builder.info)
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
