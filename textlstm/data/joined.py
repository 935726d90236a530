"""Several sources, read as one."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from textlstm.data.examples import Example, Source
from textlstm.data.parted_source import PartedSource
from textlstm.data.texts import Text, TextSource
from textlstm.errors import InputError

_LONGEST_NAME = 60


class JoinedSource(Source):
    """The rows of several sources, one source after another.

    Each example carries the name of the source it came from, so that scores can be given for each.
    Sources of the same name are told apart by a number: "train", "train-2".

    Args:
        sources: what to join; all bring the same parts.

    Attributes:
        names: the name of each source, as the examples carry it.

    Raises:
        InputError: if the sources do not bring the same parts.
    """

    def __init__(self, sources: Sequence[Source]):
        super().__init__(*_joined(sources))
        self._sources = tuple(sources)
        self.has_columns = any(source.has_columns for source in sources)
        self.names = _told_apart([source.name for source in sources])

    def _read(self, part: str) -> Iterator[Example]:
        # Unchecked: a file may well hold a single class, or no text, as long as not all do.
        for name, source in zip(self.names, self._sources, strict=True):
            for example in source._read(part):
                yield replace(example, source=name)


class JoinedTexts(TextSource):
    """The texts of several sources, one source after another.

    Args:
        sources: what to join; all bring the same parts.

    Raises:
        InputError: if the sources do not bring the same parts.
    """

    def __init__(self, sources: Sequence[TextSource]):
        super().__init__(*_joined(sources))
        self._sources = tuple(sources)
        self.has_columns = any(source.has_columns for source in sources)

    def _read(self, part: str) -> Iterator[Text]:
        for source in self._sources:
            yield from source._read(part)


class LabelledTexts(TextSource):
    """The texts of a source of labelled ones, without their labels.

    Args:
        source: what `open_source` gives.
    """

    def __init__(self, source: Source):
        super().__init__(source.name, source.description, source.parts, tuple(source.notes))
        self._source = source
        self.has_columns = source.has_columns

    def _read(self, part: str) -> Iterator[Text]:
        for example in self._source._read(part):
            yield Text(example.text, example.where)


def _joined(sources: Sequence[PartedSource]) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
    """Returns name, description, parts and notes of several sources as one."""
    first = sources[0]
    for other in sources[1:]:
        if set(other.parts) != set(first.parts):
            raise InputError(
                f"{first.name} brings {_shown(first)} and {other.name} {_shown(other)}; only sets "
                "that bring the same parts can be used together"
            )
    return (
        "+".join(source.name for source in sources)[:_LONGEST_NAME].rstrip("+-."),
        f"{len(sources)} sets: {'; '.join(source.description for source in sources)}",
        first.parts,
        tuple(note for source in sources for note in source.notes),
    )


def _shown(source: PartedSource) -> str:
    return "no parts" if source.parts == ("all",) else f"the parts {', '.join(source.parts)}"


def _told_apart(names: list[str]) -> tuple[str, ...]:
    told: list[str] = []
    for name in names:
        number, unique = 1, name
        while unique in told:
            number += 1
            unique = f"{name}-{number}"
        told.append(unique)
    return tuple(told)
