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
    for are_known in (True, False):
        if not missing:
            break
        if not are_known:
            _add_new_fonts(font_manager)
        found = {}  # by family; a family has the same characters in all its styles, nearly always
        for entry in font_manager.fontManager.ttflist:
            if not entry.name.startswith("Last Resort"):  # which draws a box for every character
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


def _add_new_fonts(font_manager) -> None:
    """Adds fonts that were installed since matplotlib listed them, which it does once."""
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in sorted(set(font_manager.findSystemFonts()) - known):
        try:
            font_manager.fontManager.addfont(path)
        except (OSError, RuntimeError):  # a file that is no font matplotlib can read
            continue
