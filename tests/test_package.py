"""The front door: every public name is there, and documented."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import textlstm

ROOMS = [
    "",
    ".cells",
    ".kernels",
    ".layers",
    ".tokenizers",
    ".data",
    ".decoding",
    ".tasks",
    ".interop",
    ".insight",
]


@pytest.mark.parametrize("room", ROOMS)
def test_public_names_are_documented(room):
    module = importlib.import_module(f"textlstm{room}")
    assert inspect.getdoc(module)
    names = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
    for name in names:
        thing = getattr(module, name)
        if inspect.isclass(thing):
            assert "__doc__" in vars(thing) and thing.__doc__, name
            for method_name, method in vars(thing).items():
                if inspect.isfunction(method) and not method_name.startswith("_"):
                    assert inspect.getdoc(method), f"{name}.{method_name}"
        elif inspect.isfunction(thing):
            assert inspect.getdoc(thing), name


def test_rooms_import_only_from_rooms_above():
    order = [
        "errors",
        "cells",
        "kernels",
        "layers",
        "tokenizers",
        "data",
        "decoding",
        "tasks",
        "saving",
        "interop",
        "insight",
    ]
    package = Path(textlstm.__file__).parent
    for number, room in enumerate(order):
        for file in sorted((package / room).rglob("*.py")) or [package / f"{room}.py"]:
            imported = re.findall(
                r"^\s*(?:from|import) textlstm\.(\w+)", file.read_text("utf-8"), re.M
            )
            if file.name == "task.py":  # `Task.explain`, the one way down
                imported.remove("insight")
            assert set(imported) <= set(order[: number + 1]), file
