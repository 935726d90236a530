"""The embedded phrase book, English and Chinese, so that translation runs with no network.

`samples/phrases_en_zh.json` holds *slots*, lists of entries in both languages; *frames*, sentences
with slots in both languages; and pairs *written* freely. Pairs are unfolded from the frames by a
seed.

A frame refers to its slots as `{place}`, to a second entry of the same slot as `{place2}`, and to a
form of an entry that is not its plain "en" or "zh" as `{person.his}` or `{thing.measure}`. The form
"zh_count", of numbers before measure words, is given only where it is not the plain one.

Training never sees certain pairs of entries in one sentence: of all pairs of entries that a frame
puts together, a hash holds some back for validation and some for the test, whose sentences are
those that have such a pair. What is tested is thus whether known words are put together rightly.
"""

import json
import random
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from itertools import combinations

from textlstm.data.pairs import Pair, PairSource
from textlstm.data.sample import pick
from textlstm.data.splitting import part_of
from textlstm.errors import InputError

_REFERENCE = re.compile(r"\{([a-z_]+)(\d?)(?:\.([a-z_]+))?\}")
# Of the pairs of entries; a sentence of three entries has three pairs.
_HELD_BACK = {"test": 0.05, "validation": 0.03}
_COUNTS = {"train": 12_000, "validation": 500, "test": 1_000}


class PhraseBook:
    """The building blocks of the sentences.

    Args:
        blocks: what the json file holds; see the module's text.
    """

    def __init__(self, blocks: Mapping):
        self._slots = blocks["slots"]
        self._frames = [(frame["en"], frame["zh"]) for frame in blocks["frames"]]
        self.written = [(pair["en"], pair["zh"]) for pair in blocks["written"]]

    def unfold(self, part: str, count: int, seed: int = 0) -> Iterator[tuple[str, str]]:
        """Yields `count` different pairs of an English and a Chinese sentence.

        Args:
            part: "train", "validation" or "test".
            count: how many.
            seed: the same seed gives the same pairs; a smaller count gives the first of them.

        Raises:
            InputError: if the frames do not unfold to so many different sentences.
        """
        rng = random.Random(f"{part}/{seed}")
        seen: set[str] = set()
        tries = 0
        while len(seen) < count:
            english, chinese, entries = self._draw(rng)
            tries += 1
            if _part(entries) == part and english not in seen:
                seen.add(english)
                tries = 0
                yield english, chinese
            elif tries == 10_000:
                raise InputError(
                    f"the phrase book, part {part!r}: holds hardly more than {len(seen):,} "
                    f"different sentences, {count:,} were asked for; ask for fewer"
                )

    def _draw(self, rng: random.Random) -> tuple[str, str, list[str]]:
        """Fills a frame; returns both sentences, and the entries in it."""
        frame = pick(rng, self._frames)
        chosen: dict[tuple[str, str], Mapping] = {}
        for slot, number, _ in _REFERENCE.findall(frame[0]):
            if (slot, number) not in chosen:
                others = [entry for (name, _), entry in chosen.items() if name == slot]
                free = [entry for entry in self._slots[slot] if entry not in others]
                chosen[slot, number] = pick(rng, free)
        english, chinese = (
            _REFERENCE.sub(lambda found: _form(chosen, found, language), text)  # noqa: B023
            for language, text in zip(("en", "zh"), frame)
        )
        entries = [f"{slot}: {entry['en']}" for (slot, _), entry in chosen.items()]
        return english[0].upper() + english[1:], chinese, entries


def _form(chosen: Mapping, found: re.Match, language: str) -> str:
    """Returns the form of an entry that a reference asks for."""
    entry = chosen[found[1], found[2]]
    if found[3] == "zh_count":
        return entry.get("zh_count", entry["zh"])
    return entry[found[3] or language]


def _part(entries: list[str]) -> str:
    """Returns the part of a sentence: that of the pairs of its entries which is held back most."""
    parts = {part_of("\n".join(sorted(two)), shares=_HELD_BACK) for two in combinations(entries, 2)}
    return next((part for part in _HELD_BACK if part in parts), "train")


def load_phrase_book() -> PhraseBook:
    """Loads the embedded phrase book."""
    file = resources.files("textlstm.data").joinpath("samples", "phrases_en_zh.json")
    return PhraseBook(json.loads(file.read_text(encoding="utf-8")))


class PhraseBookSource(PairSource):
    """The embedded phrase book, from English to Chinese.

    The parts are "train", "validation" and "test" (unfolded sentences), and "written" (those that
    were written freely).

    Args:
        counts: unfolded pairs in each part. Default: train 12,000, validation 500, test 1,000.
        seed: of the unfolding. Default: 0.
    """

    def __init__(self, counts: Mapping[str, int] = _COUNTS, seed: int = 0):
        super().__init__(
            "sample",
            "embedded phrase book, English and Chinese, unfolded from frames: for demonstration, "
            "no substitute for real translations",
            ("train", "validation", "test", "written"),
        )
        self._counts = counts
        self._seed = seed

    def _read(self, part: str) -> Iterator[Pair]:
        book = load_phrase_book()
        if part == "written":
            rows = iter(book.written)
        else:
            rows = book.unfold(part, self._counts[part], self._seed)
        for number, (english, chinese) in enumerate(rows, start=1):
            yield Pair(english, chinese, f"sample/{part}:{number}")
