"""Translation sets of TensorFlow Datasets (TFDS): `tfds:NAME/CONFIG`."""

from collections.abc import Iterator
from typing import Any

from textlstm.data.pair_files import named_parts
from textlstm.data.pairs import Pair, PairSource
from textlstm.data.reading import decode
from textlstm.data.tfds_builders import (
    flat_features,
    is_text,
    open_builder,
    rows_of,
    short_name,
    value_of,
)
from textlstm.errors import InputError


class TfdsPairSource(PairSource):
    """A source of a prepared TFDS set with a feature for each language.

    Args:
        data: what the user wrote, for messages.
        builder: the TFDS builder of the prepared set.
        source: name of the feature of the texts to translate; `None`: the set's own choice.
        target: likewise of the translations.
        encoding: name of the encoding of the texts.

    Raises:
        InputError: if a feature is missing, no split can be the training part, or two splits could
            be the same part.
    """

    has_columns = True

    def __init__(
        self, data: str, builder: Any, source: str | None, target: str | None, encoding: str
    ):
        self._data = data
        self._builder = builder
        self._encoding = encoding
        self._source, self._target = _choose_sides(data, builder.info, source, target)
        self._splits = self._choose_splits()
        super().__init__(
            short_name(data),
            f"{builder.info.full_name} of TensorFlow Datasets, {self._source} to {self._target}",
            tuple(self._splits),
        )

    def _choose_splits(self) -> dict[str, str]:
        """Returns the name of the split of each part; the training part comes first."""
        names = [name for name, about in self._builder.info.splits.items() if about.num_examples]
        parts = named_parts(names, self._data, "save the one that is meant as a table")
        if len(names) == 1:
            return {"all": names[0]}
        if "train" not in parts:
            raise InputError(
                f"{self._data}: has no split called train; the splits are "
                f"{', '.join(names) or 'none'}"
            )
        return parts

    def _read(self, part: str) -> Iterator[Pair]:
        split = self._splits[part]
        for number, row in enumerate(rows_of(self._data, self._builder, split), start=1):
            where = f"{self._data}/{split}:{number}"
            sides = (
                decode(value_of(row, name), self._encoding, where)
                for name in (self._source, self._target)
            )
            yield Pair(*sides, where)


def open_tfds_pairs(
    data: str, source: str | None, target: str | None, encoding: str
) -> TfdsPairSource:
    """Opens a TFDS set of translations; prepares it if it is not there yet.

    Args:
        data: "tfds:NAME", "tfds:NAME/CONFIG", either perhaps with ":VERSION".
        source: name of the feature of the texts to translate, such as "en". Default: the set's own
            choice (its `supervised_keys`).
        target: likewise of the translations.
        encoding: name of the encoding of the texts.

    Raises:
        InputError: if there is no such set, if it is neither prepared nor can be downloaded, or if
            it has no such features.
    """
    builder = open_builder(data, lambda info: _choose_sides(data, info, source, target))
    return TfdsPairSource(data, builder, source, target, encoding)


def _choose_sides(data: str, info: Any, source: str | None, target: str | None) -> tuple[str, str]:
    """Returns the names of the features of both sides."""
    features = flat_features(info.features)
    texts = [name for name, feature in features.items() if is_text(feature)]
    own = (info.supervised_keys or (None, None))[:2]
    chosen = []
    for given, usual, flag in zip(
        (source, target), own, ("--source-language", "--target-language"), strict=True
    ):
        # A feature may stand inside another: "translation/en" is found as "en", too.
        name = given or usual
        found = [text for text in texts if name in (text, text.rpartition("/")[2])]
        if len(found) != 1:
            problem = "is not said" if name is None else f"{name!r} is none of its texts"
            raise InputError(
                f"{data}: which feature {flag} means {problem}; give it one of these: "
                f"{', '.join(texts) or 'none holds texts'}"
            )
        chosen += found
    if chosen[0] == chosen[1]:
        raise InputError(f"{data}: both sides are {chosen[0]!r}; give two different languages")
    return chosen[0], chosen[1]
