"""A folder, a tar archive and a zip archive, all seen as one thing: files with paths.

Archives are read member by member and never unpacked: a set of 100,000 small texts is one file on
disk, not 100,000. A path is a tuple of its components. The order of files is that of the archive,
and for a folder the sorted one, so it is the same on every machine. A file whose name ends with
`.gz` is decompressed, wherever it lies.
"""

import bz2
import gzip
import lzma
import os
import re
import tarfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import BinaryIO

from textlstm.data.reading import readable

Parts = tuple[str, ...]

ARCHIVE_ENDINGS = (".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".zip")
_DECOMPRESSORS = {
    ".gz": gzip.open,
    ".tgz": gzip.open,
    ".xz": lzma.open,
    ".txz": lzma.open,
    ".bz2": bz2.open,
}


class FileTree(ABC):
    """The regular files below one folder or inside one archive.

    Args:
        path: the folder or archive.
    """

    def __init__(self, path: Path):
        self.path = path

    @abstractmethod
    def paths(self) -> Iterator[Parts]:
        """Yields the path of every file."""

    @abstractmethod
    def _files(self, wanted: Callable[[Parts], bool]) -> Iterator[tuple[Parts, BinaryIO]]:
        """Yields path and open stream of every file that is wanted, its bytes as they lie there."""

    def files(self, folders: Container[Parts]) -> Iterator[tuple[Parts, BinaryIO]]:
        """Yields path and open stream of every file that lies directly in one of `folders`."""
        return self._decompressed(lambda path: path[:-1] in folders)

    def chosen(self, paths: Container[Parts]) -> Iterator[tuple[Parts, BinaryIO]]:
        """Yields path and open stream of every file whose path is one of `paths`."""
        return self._decompressed(lambda path: path in paths)

    def file(self, wanted: Parts) -> Iterator[BinaryIO]:
        """Yields the open stream of one file, closed when the iterator goes on."""
        for _, stream in self._decompressed(lambda path: path == wanted):
            yield stream
            return

    def _decompressed(self, wanted: Callable[[Parts], bool]) -> Iterator[tuple[Parts, BinaryIO]]:
        with closing(self._files(wanted)) as files:
            for path, stream in files:
                if self.where(path).lower().endswith(".gz"):
                    with gzip.open(stream) as decompressed:
                        yield path, decompressed
                else:
                    yield path, stream

    def where(self, path: Parts) -> str:
        """Returns how messages name one of the files."""
        return "/".join((given_name(self.path), *path))


class Folder(FileTree):
    """The files below a folder, in sorted order."""

    def paths(self) -> Iterator[Parts]:
        """Yields the path of every file."""
        with readable(str(self.path)):
            for folder, subfolders, names in os.walk(self.path, onerror=_fail, followlinks=True):
                subfolders.sort()
                above = Path(folder).relative_to(self.path).parts
                for name in sorted(names):
                    yield (*above, name)

    def _files(self, wanted: Callable[[Parts], bool]) -> Iterator[tuple[Parts, BinaryIO]]:
        for path in self.paths():
            if wanted(path):
                with readable(self.where(path)):
                    with open(self.path.joinpath(*path), "rb") as stream:
                        yield path, stream


class TarArchive(FileTree):
    """The members of a compressed tar archive."""

    def paths(self) -> Iterator[Parts]:
        """Yields the path of every file."""
        for _, member in self._members():
            yield _parts(member.name)

    def _files(self, wanted: Callable[[Parts], bool]) -> Iterator[tuple[Parts, BinaryIO]]:
        for archive, member in self._members():
            path = _parts(member.name)
            if wanted(path):
                yield path, archive.extractfile(member)

    def _members(self) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
        # Decompressed by the module for it, as tarfile itself takes a damaged end for the end. "r|"
        # reads forward only, so each pass decompresses once.
        decompress = _DECOMPRESSORS[self.path.suffix.lower()]
        with readable(str(self.path)), decompress(self.path) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                while (member := archive.next()) is not None:
                    archive.members = []  # it would keep every header of the archive otherwise
                    if member.isfile():
                        yield archive, member


class ZipArchive(FileTree):
    """The members of a zip archive."""

    def paths(self) -> Iterator[Parts]:
        """Yields the path of every file."""
        with readable(str(self.path)), zipfile.ZipFile(self.path) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    yield _parts(_name_in_zip(member))

    def _files(self, wanted: Callable[[Parts], bool]) -> Iterator[tuple[Parts, BinaryIO]]:
        with readable(str(self.path)), zipfile.ZipFile(self.path) as archive:
            for member in archive.infolist():
                path = _parts(_name_in_zip(member))
                if not member.is_dir() and wanted(path):
                    with archive.open(member) as stream:
                        yield path, stream


def _name_in_zip(member: zipfile.ZipInfo) -> str:
    """Returns the path of a member; UTF-8 and GBK are read also where nothing says so.

    Zip files made on a Mac hold UTF-8, those of a Chinese Windows GBK, and neither says it.
    """
    if member.flag_bits & 0x800:  # it is said that the name is UTF-8
        return member.filename
    try:
        name = member.filename.encode("cp437")
    except UnicodeError:
        return member.filename
    with suppress(UnicodeError):
        return name.decode("utf-8")
    with suppress(UnicodeError):
        chinese = name.decode("gb2312")
        # The bytes of Chinese characters are frames and Greek letters in the code page of DOS,
        # which is what zip files hold else; those of GB2312's signs are letters with accents.
        if any("\u4e00" <= character <= "\u9fff" for character in chinese):
            return chinese
    return member.filename


class SingleFile(FileTree):
    """One plain or gzipped file, seen as the only file of a tree."""

    def paths(self) -> Iterator[Parts]:
        """Yields the empty path, which stands for the file itself."""
        yield ()

    def _files(self, wanted: Callable[[Parts], bool]) -> Iterator[tuple[Parts, BinaryIO]]:
        with readable(str(self.path)):
            with open(self.path, "rb") as stream:
                yield (), stream


def open_archive(path: Path) -> FileTree:
    """Returns the tree of an archive whose name has one of `ARCHIVE_ENDINGS`."""
    return ZipArchive(path) if path.suffix.lower() == ".zip" else TarArchive(path)


def open_tree_of_files(path: Path) -> FileTree:
    """Returns the tree of a folder, or of an archive whose name has one of `ARCHIVE_ENDINGS`."""
    return Folder(path) if path.is_dir() else open_archive(path)


def archives_in(folder: Path) -> list[FileTree]:
    """Returns the trees of the archives that lie directly in `folder`, without hidden ones."""
    with readable(str(folder)):
        names = sorted(path.name for path in folder.iterdir())
    return [
        open_archive(folder / name)
        for name in names
        if name.lower().endswith(ARCHIVE_ENDINGS) and not is_hidden((name,))
    ]


def is_hidden(path: Parts) -> bool:
    """Whether a file is hidden, or lies in a hidden folder or in what macOS adds to archives."""
    return any(name.startswith(".") or name == "__MACOSX" for name in path)


def given_name(path: Path) -> str:
    """Returns the last name of `path` as it was given; for `.` and `..` that of the folder meant.

    Links are not followed: what they lead to may have a name without an ending.
    """
    return path.resolve().name if path.name in ("", "..") else path.name


def short_name(path: Path, endings: Sequence[str] = ()) -> str:
    """Returns a file's name without its ending, with what does not fit a folder's name as `-`.

    Args:
        path: of the file or folder.
        endings: those that are taken off files.
    """
    name = given_name(path)
    if path.is_file():
        for ending in sorted(endings, key=len, reverse=True):
            if name.lower().endswith(ending):
                name = name[: -len(ending)]
                break
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "data"


def _parts(name: str) -> Parts:
    return tuple(part for part in name.split("/") if part not in ("", "."))


def _fail(error: OSError) -> None:
    # os.walk would pass over a folder that it may not list.
    raise error
