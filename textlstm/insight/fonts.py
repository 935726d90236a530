"""Fonts that have the characters of a text, Chinese ones included."""

from collections.abc import Iterable

from textlstm.errors import InputError


def find_fonts(texts: Iterable[str]) -> list[str]:
    """Returns installed font families that together have all characters of the texts.

    matplotlib's own font comes first; for characters that it lacks, the installed font that has
    most of them.

    Args:
        texts: what is to be drawn.

    Raises:
        InputError: if no installed font has some of the characters.
    """
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    missing = {character for text in texts for character in text if character.isprintable()}
    families = []

    def take(path: str, family: str) -> None:
        has = {character for character in missing if ord(character) in FT2Font(path).get_charmap()}
        if has:
            families.append(family)
            missing.difference_update(has)

    own = font_manager.FontProperties(family="DejaVu Sans")
    take(font_manager.findfont(own), "DejaVu Sans")
    if missing:
        found = {}  # by family; a family has the same characters in all its styles, nearly always
        for entry in font_manager.fontManager.ttflist:
            found.setdefault(entry.name, entry.fname)

        def count(path: str) -> int:
            characters = FT2Font(path).get_charmap()
            return sum(ord(character) in characters for character in missing)

        for family, path in sorted(found.items(), key=lambda item: (-count(item[1]), item[0])):
            if not missing:
                break
            take(path, family)
    if missing:
        shown = "".join(sorted(missing)[:10])
        raise InputError(
            f"no installed font has the characters {shown!r}; install one that does, such as "
            "Debian's fonts-noto-cjk for Chinese, Japanese and Korean"
        )
    return families
