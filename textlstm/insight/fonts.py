"""Figures to draw on, and fonts that have the characters of a text, Chinese ones included."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from textlstm.errors import InputError


def new_figure(width: float, height: float):
    """Makes an empty figure.

    Args:
        width: in inches.
        height: in inches.

    Raises:
        InputError: if `matplotlib` is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            f"pictures are drawn by matplotlib, which cannot be imported ({error}); "
            'pip install "textlstm[plots]"'
        ) from error
    return Figure(figsize=(width, height), layout="constrained", dpi=150)


@contextmanager
def drawing(texts: Iterable[str]) -> Iterator[None]:
    """Sets matplotlib up to draw texts, as long as the block lasts.

    Args:
        texts: what is to be drawn.

    Raises:
        InputError: if no installed font has some of the characters.
    """
    from matplotlib import rc_context

    # It warns of each font that has no style of the very weight it asks for.
    logger = logging.getLogger("matplotlib.font_manager")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        # Some of these fonts have no minus sign.
        with rc_context({"font.family": find_fonts(texts), "axes.unicode_minus": False}):
            yield
    finally:
        logger.setLevel(level)


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
    families = ["DejaVu Sans"]  # matplotlib's own

    def take(path: str) -> None:
        characters = FT2Font(path).get_charmap()
        missing.difference_update([one for one in missing if ord(one) in characters])

    take(font_manager.findfont(font_manager.FontProperties(family=families[0])))
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
            if count(path):
                families.append(family)
                take(path)
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
