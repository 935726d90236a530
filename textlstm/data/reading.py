"""Bytes to text, with an error that tells a person which file, line and byte to look at."""

import codecs
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from textlstm.errors import InputError

# Tried, in this order, only to word the advice in an error; nothing is ever decoded by guess.
_LIKELY_ENCODINGS = ("gb18030", "windows-1252")


@contextmanager
def readable(where: str) -> Iterator[None]:
    """Turns what the system and the archive readers raise into an `InputError` about `where`."""
    try:
        yield
    except (OSError, EOFError, RuntimeError, NotImplementedError) as error:
        # zipfile raises RuntimeError for a member with a password and NotImplementedError for an
        # unknown compression.
        raise _unreadable(where, error) from error
    except (zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise _unreadable(where, error) from error


def _unreadable(where: str, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return InputError(f"{where}: cannot be read ({reason}); check that the file is whole")


def check_encoding(encoding: str) -> str:
    """Returns `encoding`, or raises an `InputError` if Python knows no such text encoding."""
    try:
        "".encode(encoding)
    except (LookupError, ValueError):  # "undefined" is a codec that fails with UnicodeError
        raise InputError(
            f"encoding {encoding!r} is unknown; give a name such as utf-8, gb18030, windows-1252"
        ) from None
    return encoding


def decode(data: bytes, encoding: str, where: str) -> str:
    """Decodes `data` strictly.

    Args:
        data: the bytes of a whole file or line.
        encoding: name of the encoding.
        where: the file or "file:row", for the error.

    Raises:
        InputError: at the first byte that is not of this encoding.
    """
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        byte = f"byte 0x{data[error.start]:02X} at position {error.start + 1}"
        raise InputError(f"{where}: {byte} is not {encoding}; {_advice(data, encoding)}") from None


def _advice(data: bytes, encoding: str) -> str:
    for likely in _LIKELY_ENCODINGS:
        if codecs.lookup(likely) != codecs.lookup(encoding):
            try:
                data.decode(likely)
            except UnicodeDecodeError:
                continue
            return f"give the file's encoding, perhaps --encoding {likely}"
    return "give the file's encoding with --encoding"


def lines(stream: BinaryIO, encoding: str, where: str) -> Iterator[str]:
    """Yields the decoded lines of `stream`, line ends kept, without a byte order mark.

    Args:
        stream: the file, open in binary mode.
        encoding: name of the encoding.
        where: the file's name, for errors.

    Raises:
        InputError: for an undecodable byte or a NUL, with its line.
    """
    # A damaged file shows only where its bytes are asked for, which is here.
    with readable(where):
        for row, line in _numbered_lines(stream, encoding, where):
            if row == 1:
                line = line.removeprefix("\ufeff")
            if "\0" in line:
                raise InputError(
                    f"{where}:{row}: holds a NUL character; "
                    "save the file as plain text, or give its --encoding if it is UTF-16"
                )
            yield line


def _numbered_lines(stream: BinaryIO, encoding: str, where: str) -> Iterator[tuple[int, str]]:
    if not _has_plain_newlines(encoding):
        yield from _wide_lines(stream, encoding, where)
        return
    # Line by line, because a decoder that reads ahead cannot tell the line of a bad byte.
    for row, line in enumerate(stream, start=1):
        yield row, decode(line, encoding, f"{where}:{row}")


def _has_plain_newlines(encoding: str) -> bool:
    """Whether a byte 10 is always a line end, so that undecoded bytes may be cut into lines."""
    return "\n".encode(encoding.lower().replace("_", "-").removesuffix("-sig")) == b"\n"


class _ForwardOnly(io.RawIOBase):
    """A stream that cannot seek, and says so: a tar archive's fails when it is asked."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream

    def readable(self) -> bool:
        """Returns that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:
        """Reads into `buffer`; returns the number of bytes."""
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _wide_lines(stream: BinaryIO, encoding: str, where: str) -> Iterator[tuple[int, str]]:
    buffered = io.BufferedReader(_ForwardOnly(stream))
    text = io.TextIOWrapper(buffered, encoding=encoding, newline="\n")
    row = 0
    try:
        for row, line in enumerate(text, start=1):  # noqa: B007 (the error needs it)
            yield row, line
    except UnicodeError as error:
        raise InputError(
            f"{where}: not {encoding} after line {row} ({error}); "
            "give the file's encoding with --encoding"
        ) from None


def check_given_once(data: Sequence[str | Path]) -> None:
    """Raises an `InputError` if there is nothing in a list of paths and names, or one twice."""
    if not data:
        raise InputError("data is an empty list; give at least one path or name")
    places = [Path(one).expanduser().resolve() for one in data]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise InputError(f"data {str(data[number])!r}: is given twice; give it once")
