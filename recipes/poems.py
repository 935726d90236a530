r"""Prepares the Tang poems of https://github.com/chinese-poetry/chinese-poetry for generation.py.

    python recipes/poems.py chinese-poetry.tar.xz poems.jsonl
    python recipes/generation.py --data poems.jsonl --text-column poem --model-type char

Each poem becomes one text, headed by its form, which a prompt can then ask for, and its title, with
a couplet on each line:

    五言四句《秋窗》
    小窗灯未灭，细雨叶先知。
    欲问秋来早，虫声已入诗。

Forms are 五言 or 七言 (five or seven characters in every line of verse) with 四句 or 八句 (four or
eight of them), or 长篇 with any other number of them; 杂言 is what keeps no such measure.
"""

import argparse
import json
import re
from collections import Counter
from contextlib import closing
from pathlib import Path

from common import run, write_jsonl

from textlstm import InputError
from textlstm.data.file_trees import ARCHIVE_ENDINGS, open_tree_of_files

MEASURES = {5: "五言", 7: "七言"}
LENGTHS = {4: "四句", 8: "八句"}
# Characters that are lost, and notes of editors.
_MARRED = re.compile(r"[□（）()\[\]〖〗{}<>《》]|[A-Za-z0-9]")
_VERSE = re.compile("[，。？！；、：]")


def main() -> None:
    """Reads the collection and writes the poems, one JSON object a line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("collection", type=Path, help="the archive, or the folder unpacked")
    parser.add_argument("output", type=Path, help="the .jsonl file to write")
    parser.add_argument(
        "--traditional", action="store_true", help="keep the characters as the collection has them"
    )
    flags = parser.parse_args()
    convert = str if flags.traditional else simplifier()

    poems, left_out = {}, Counter()
    for entry in entries(flags.collection):
        couplets = [couplet.strip() for couplet in entry["paragraphs"]]
        body = convert("\n".join(couplets))
        if not body or _MARRED.search(body):
            left_out["empty, with lost characters or with notes"] += 1
        elif body in poems:
            left_out["that stand there twice"] += 1
        else:
            title = re.sub("[《》\n]", "", convert(entry["title"])).strip() or "无题"
            poems[body] = f"{form_of(body)}《{title}》\n{body}"
    if not poems:
        raise InputError(f"{flags.collection}: holds no poem that can be used")

    write_jsonl(flags.output, ({"poem": poem} for poem in poems.values()))
    forms = Counter(poem.partition("《")[0] for poem in poems.values())
    print(f"{flags.output}: {len(poems):,} poems")
    for form, count in forms.most_common():
        print(f"  {form} {count:,}")
    for reason, count in left_out.items():
        print(f"  left out {count:,} {reason}")


def entries(collection: Path):
    """Yields the poems of the files that the collection calls poet.tang.NUMBER.json."""
    if not collection.exists():
        raise InputError(f"{collection}: there is no such file or folder")
    if not collection.is_dir() and not collection.name.endswith(ARCHIVE_ENDINGS):
        raise InputError(f"{collection}: is neither a folder nor an archive")
    tree = open_tree_of_files(collection)
    wanted = {path for path in tree.paths() if re.fullmatch(r"poet\.tang\.\d+\.json", path[-1])}
    if not wanted:
        raise InputError(f"{collection}: holds no files called poet.tang.NUMBER.json")
    with closing(tree.chosen(wanted)) as files:
        for path, stream in files:
            try:
                yield from json.load(stream)
            except ValueError as error:
                raise InputError(f"{tree.where(path)}: is not JSON ({error})") from None


def simplifier():
    """Returns what turns traditional characters into simplified ones."""
    try:
        from opencc import OpenCC
    except ImportError:
        raise InputError(
            "simplified characters are made by opencc, which is not installed: pip install opencc; "
            "or keep the traditional ones with --traditional"
        ) from None
    return OpenCC("t2s").convert


def form_of(body: str) -> str:
    """Names the form of a poem: how long its lines of verse are, and how many there are."""
    verses = verses_of(body)
    lengths = {len(verse) for verse in verses}
    if len(lengths) != 1 or not lengths <= MEASURES.keys():
        return "杂言"
    return MEASURES[lengths.pop()] + LENGTHS.get(len(verses), "长篇")


def verses_of(body: str) -> list[str]:
    """Returns the lines of verse of a poem, without their marks."""
    return [verse for verse in _VERSE.split(body.replace("\n", "")) if verse]


if __name__ == "__main__":
    run(main)
