"""A folder or archive that holds a set: class folders of text files, or tables.

What is looked for, in this order:

1. tables named after parts: `train.csv test.csv`, perhaps `dev.csv`;
2. class folders, one text a file: `pos/*.txt neg/*.txt`, or `train/pos/*.txt ... test/neg/*.txt`;
   in a folder, in an archive, or spread over several archives in a folder (the IMDb reviews);
3. exactly one table.

A folder that only wraps the rest (`aclImdb/`) is looked through. Hidden files, and the `__MACOSX`
folder that macOS adds to archives, are left out.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from textlstm.data.examples import PART_NAMES, Example, Source, standard_part
from textlstm.data.file_trees import (
    ARCHIVE_ENDINGS,
    FileTree,
    Parts,
    archives_in,
    given_name,
    is_hidden,
    open_tree_of_files,
)
from textlstm.data.reading import decode, readable
from textlstm.data.table_files import (
    TABLE_ENDINGS,
    Columns,
    TableFile,
    TableSource,
    has_ending,
)
from textlstm.errors import InputError


class ClassFolders(Source):
    """A source of class folders.

    Args:
        name: see `Source`.
        description: see `Source`.
        trees: the folders or archives that together hold the set.
        folders: for each part, the label of each class folder's path.
        encoding: name of the files' encoding.
        notes: see `Source`.
    """

    def __init__(
        self,
        name: str,
        description: str,
        trees: list[tuple[FileTree, set[Parts]]],
        folders: dict[str, dict[Parts, str]],
        encoding: str,
        notes: tuple[str, ...] = (),
    ):
        super().__init__(name, description, tuple(folders), notes)
        self._trees = trees
        self._folders = folders
        self._encoding = encoding

    def _read(self, part: str) -> Iterator[Example]:
        labels = self._folders[part]
        for tree, held in self._trees:
            if held.isdisjoint(labels):
                continue  # decompressing an archive that holds nothing of the part is wasted
            for path, stream in tree.files(labels):
                if _is_text(path):
                    where = tree.where(path)
                    with readable(where):
                        data = stream.read()
                    text = decode(data, self._encoding, where).removeprefix("\ufeff")
                    yield Example(text, labels[path[:-1]], where)


def open_tree(path: Path, name: str, columns: Columns, encoding: str) -> Source:
    """Opens a folder or an archive.

    Args:
        path: the folder or archive.
        name: the source's name.
        columns: where tables hold text and label.
        encoding: name of the encoding of the files.

    Raises:
        InputError: if nothing that can be read is found, or more than one thing.
    """
    found = _Found([open_tree_of_files(path)])
    if path.is_dir() and not found.tables and len(found.training_classes) < 2:
        # Only now: an archive beside its own unpacked files would give every text twice.
        if archives := archives_in(path):
            found = _Found(archives)
    if found.tables and (found.has_train_table or len(found.training_classes) < 2):
        return _open_tables(path, found, name, columns, encoding)
    columns.refuse_table_flags(f"{path}: class folders")
    return _open_class_folders(path, found, name, encoding)


class _Found:
    """What lies in some trees, from the names of their files alone.

    Args:
        trees: the folder, or the archives, that together hold the set.

    Attributes:
        held: each tree with the number of texts that lie directly in each of its folders.
        tables: every table that is not hidden.
        classes: the path of each class folder, by part and label.
        others: the folders of texts that are no class folders, and the other files.
    """

    def __init__(self, trees: list[FileTree]):
        self.held: list[tuple[FileTree, Counter[Parts]]] = []
        self.tables: list[tuple[FileTree, Parts]] = []
        self.others: list[str] = []
        for tree in trees:
            counts: Counter[Parts] = Counter()
            for file in tree.paths():
                if has_ending(file[-1], TABLE_ENDINGS) and not is_hidden(file):
                    self.tables.append((tree, file))
                elif len(file) > 1 and _is_text(file):
                    counts[file[:-1]] += 1
                else:
                    self.others.append(tree.where(file))
            self.held.append((tree, counts))
        self.total = sum((counts for _, counts in self.held), Counter())
        # A folder with a table in it is a set of its own with its notes, not a class.
        for _, file in self.tables:
            self.total.pop(file[:-1], None)
        self.classes = _class_folders(trees[0].path, sorted(self.total))
        seen = {folder for classes in self.classes.values() for folder in classes.values()}
        self.others += [
            f"{'/'.join(folder)}/ ({count:,} file{'s' * (count > 1)})"
            for folder, count in sorted(self.total.items())
            if folder not in seen
        ]
        self.has_train_table = any(_table_part(file) == "train" for _, file in self.tables)

    @property
    def training_classes(self) -> dict[str, Parts]:
        return next(iter(self.classes.values()), {})


def _class_folders(path: Path, folders: list[Parts]) -> dict[str, dict[str, Parts]]:
    """Finds the class folders among all folders that hold texts, by part and label."""
    prefix = _wrapping(folders)
    names = {folder[len(prefix)] for folder in folders if len(folder) > len(prefix)}
    by_part: dict[str, dict[str, Parts]] = {}
    for part in PART_NAMES:
        for name in sorted(names):
            if standard_part(name) == part:
                inside = {f[-1]: f for f in folders if f[:-1] == (*prefix, name)}
                if inside and part in by_part:
                    other = next(iter(by_part[part].values()))[:-1]
                    raise InputError(
                        f"{path}: both {'/'.join(other)} and {'/'.join((*prefix, name))} could be "
                        f"the {part} part; take one away"
                    )
                if inside:
                    by_part[part] = inside
    if "train" in by_part:
        return by_part if len(by_part) > 1 else {"all": by_part["train"]}
    inside = {folder[-1]: folder for folder in folders if folder[:-1] == prefix}
    return {"all": inside} if inside else {}


def _wrapping(folders: list[Parts]) -> Parts:
    """Returns the path of the folders that hold nothing but one folder, which holds the set."""
    prefix: Parts = ()
    while True:
        below = [folder for folder in folders if len(folder) > len(prefix)]
        names = {folder[len(prefix)] for folder in below}
        deeper = any(len(folder) > len(prefix) + 1 for folder in below)
        if len(names) != 1 or not deeper or standard_part(*names):
            return prefix
        prefix = (*prefix, *names)


def _open_class_folders(path: Path, found: _Found, name: str, encoding: str) -> ClassFolders:
    others = found.others + [tree.where(file) for tree, file in found.tables]
    if not found.classes:
        kinds = ", ".join(TABLE_ENDINGS[::2])
        raise InputError(
            f"{path}: holds no class folders (such as pos/ and neg/, perhaps below train/ and "
            f"test/) and no table ({kinds}); found: {_some(others) or 'nothing'}"
        )
    notes = _agree(path, found.classes, found.total)
    if len(found.training_classes) < 2:
        only = ", ".join("/".join(folder) for folder in found.training_classes.values())
        raise InputError(
            f"{path}: a classifier needs at least two class folders to train on; found: "
            f"{only or 'none that test has too'}"
        )
    return ClassFolders(
        name,
        f"class folders in {given_name(path)}: {', '.join(sorted(found.training_classes))}",
        [(tree, set(counts)) for tree, counts in found.held],
        {part: {f: label for label, f in found.classes[part].items()} for part in found.classes},
        encoding,
        (*notes, *_other_notes(others)),
    )


def _agree(path: Path, by_part: dict[str, dict[str, Parts]], total: Counter[Parts]) -> list[str]:
    """Takes out the classes that a test cannot know; returns notes about them."""
    notes = []
    for part in ("validation", "test"):
        if extra := sorted(set(by_part.get(part, ())) - set(by_part.get("train", ()))):
            raise InputError(
                f"{path}: the class {extra[0]!r} is in {part} but not in train; "
                "add it to train or take it away"
            )
    if "test" in by_part:
        for part in ("train", "validation"):
            for label in sorted(set(by_part.get(part, ())) - set(by_part["test"])):
                folder = by_part[part].pop(label)
                notes.append(
                    f"left out the {total[folder]:,} files of {'/'.join(folder)}: "
                    f"test has no class {label!r}"
                )
    return notes


def _open_tables(
    path: Path, found: _Found, name: str, columns: Columns, encoding: str
) -> TableSource:
    chosen, left_out = _choose_tables(path, found.tables)
    return TableSource(
        name,
        f"{', '.join('/'.join(file) for _, file in chosen.values())} in {given_name(path)}",
        {part: TableFile(tree, file, encoding) for part, (tree, file) in chosen.items()},
        columns,
        _other_notes(found.others + left_out),
    )


def _choose_tables(
    path: Path, tables: list[tuple[FileTree, Parts]]
) -> tuple[dict[str, tuple[FileTree, Parts]], list[str]]:
    """Returns the table of each part, and the names of the tables left out."""
    names = _some(sorted(tree.where(file) for tree, file in tables))
    if len({(tree.path, file[:-1]) for tree, file in tables}) > 1:
        raise InputError(
            f"{path}: holds tables in several places: {names}; give the path of one folder or table"
        )
    by_part: dict[str, tuple[FileTree, Parts]] = {}
    left_out = []
    for tree, file in tables:
        part = _table_part(file)
        if part is None:
            left_out.append(tree.where(file))
        elif part in by_part:
            other = by_part[part]
            raise InputError(
                f"{path}: both {other[0].where(other[1])} and {tree.where(file)} could be the "
                f"{part} part; give the folder or the table that is meant"
            )
        else:
            by_part[part] = tree, file
    if "train" in by_part:
        if len(by_part) == 1:
            return {"all": by_part["train"]}, left_out
        return {part: by_part[part] for part in PART_NAMES if part in by_part}, left_out
    if len(tables) == 1:
        return {"all": tables[0]}, []
    raise InputError(
        f"{path}: holds {len(tables)} tables and none is called train: {names}; give the "
        "path of one table, or call them train, validation and test"
    )


def _table_part(file: Parts) -> str | None:
    return standard_part(file[-1].split(".")[0])


def _is_text(path: Parts) -> bool:
    """Whether the file can be a text: not hidden, no archive, and no table."""
    return not is_hidden(path) and not has_ending(path[-1], (*ARCHIVE_ENDINGS, *TABLE_ENDINGS))


def _other_notes(others: list[str]) -> tuple[str, ...]:
    if not others:
        return ()
    noun = "1 file or folder" if len(others) == 1 else f"{len(others):,} files or folders"
    return (f"left out {noun} beside the set: {_some(others)}",)


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
