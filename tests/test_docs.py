"""The pages that explain: what they print is what the shipped models do."""

import json
import re
import sys
from pathlib import Path

import pytest

import textlstm
from textlstm import insight

DOCS = Path(__file__).resolve().parents[1] / "docs"
sys.path.insert(0, str(DOCS))
import make_figures  # noqa: E402

PAGES = [DOCS / "gates.md", DOCS / "gates.zh.md"]


@pytest.fixture(scope="module")
def trace():
    model = textlstm.load(make_figures.ROOT / "models" / "sentiment-zh")
    return insight.record(model, make_figures.REVIEW).traces["recurrent"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_table_of_a_unit_is_what_it_does(page, trace):
    (printed,) = re.findall(r"<!-- unit \d+ -->\n.*\n.*\n((?:\|.*\n)+)", page.read_text("utf-8"))
    assert f"<!-- unit {make_figures.UNIT} -->" in page.read_text("utf-8")
    for line, expected in zip(
        printed.splitlines(), make_figures.table_of(trace, make_figures.UNIT), strict=True
    ):
        (token, *numbers), (wanted, *others) = (
            [cell.strip() for cell in row.strip("|").split("|")] for row in (line, expected)
        )
        assert token == wanted
        assert list(map(float, numbers)) == pytest.approx(list(map(float, others)), abs=2e-3)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_figures_are_there(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (DOCS / target).exists(), target


def test_the_page_on_serving_says_what_folders_answer_and_its_code_runs(monkeypatch):
    page = (DOCS / "serving.md").read_text("utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in re.findall(r"^\|.*\|$", page, re.M)
    ][2:]
    said, task = {}, ""
    for cells in rows:
        task = cells[0].strip("`") or task
        said.setdefault(task, set()).add(cells[1].strip("`"))
    for name in ("sentiment-zh", "translation-en-zh", "generation-poetry-zh"):
        folder = make_figures.ROOT / "models" / name / "1" / "assets.extra"
        about = json.loads((folder / "textlstm.json").read_text("utf-8"))
        assert set(about["signatures"]) == said[about["task"]] | said["all"]
    monkeypatch.chdir(make_figures.ROOT)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.S):
        exec(block, names)
    assert len(names["ids"]) == 40


def test_both_languages_show_the_same_figures():
    shown = [re.findall(r"!\[.*?\]\((.*?)\)", page.read_text("utf-8")) for page in PAGES]
    assert shown[0] == shown[1] and shown[0]
