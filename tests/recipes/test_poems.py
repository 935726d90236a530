"""Tang poems from their collection to texts that name their form."""

import json
import zipfile

import pytest
from recipe_runner import Recipe

RECIPE = Recipe("poems")
COUPLETS = {
    "五言四句": ["小窗灯未灭，细雨叶先知。", "欲问秋来早，虫声已入诗。"],
    "七言四句": ["门外青山一带斜，门前流水到人家。", "老翁不识城中事，闲扫春风满地花。"],
    "五言长篇": ["小窗灯未灭，细雨叶先知。"],
    "杂言": ["君不见，小窗灯未灭。"],
}


@pytest.fixture
def collection(tmp_path):
    """An archive as the collection is one, with a poem of each form, and some that are no use."""
    poems = [
        {"title": f"《{form}》 一", "author": "无名", "paragraphs": couplets}
        for form, couplets in COUPLETS.items()
    ]
    poems += [
        {"title": "再", "author": "无名", "paragraphs": COUPLETS["五言四句"]},
        {"title": "残", "author": "无名", "paragraphs": ["小窗□未灭，细雨叶先知。"]},
        {"title": "空", "author": "无名", "paragraphs": []},
    ]
    path = tmp_path / "chinese-poetry.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("全唐诗/poet.tang.0.json", json.dumps(poems[:3]))
        archive.writestr("全唐诗/poet.tang.1000.json", json.dumps(poems[3:]))
        archive.writestr("全唐诗/authors.tang.json", "[]")
    return path


def test_each_poem_is_headed_by_its_form(collection, tmp_path, monkeypatch, capfd):
    output = tmp_path / "poems.jsonl"
    assert RECIPE.run_here(monkeypatch, collection, output, "--traditional") == 0
    poems = [json.loads(line)["poem"] for line in output.read_text("utf-8").splitlines()]
    assert poems == [
        f"{form}《{form} 一》\n" + "\n".join(couplets) for form, couplets in COUPLETS.items()
    ]
    printed = capfd.readouterr().out
    assert "4 poems" in printed and "五言四句 1" in printed
    assert "left out 2 empty, with lost characters or with notes" in printed
    assert "left out 1 that stand there twice" in printed


def test_characters_are_simplified(tmp_path, monkeypatch):
    pytest.importorskip("opencc")
    folder = tmp_path / "collection"
    folder.mkdir()
    poem = {"title": "無題", "author": "", "paragraphs": ["門外青山一帶斜，門前流水到人家。"]}
    (folder / "poet.tang.0.json").write_text(json.dumps([poem]), "utf-8")
    assert RECIPE.run_here(monkeypatch, folder, tmp_path / "poems.jsonl") == 0
    (line,) = (tmp_path / "poems.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["poem"] == "七言长篇《无题》\n门外青山一带斜，门前流水到人家。"


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "there is no such file or folder"),
        ({}, "holds no files called poet.tang.NUMBER.json"),
        ({"poet.tang.0.json": "["}, "poet.tang.0.json: is not JSON"),
        ({"poet.tang.0.json": "[]"}, "holds no poem that can be used"),
    ],
)
def test_what_is_no_collection_is_one_line(tmp_path, monkeypatch, capfd, content, message):
    folder = tmp_path / "collection"
    if content is not None:
        folder.mkdir()
        for name, text in content.items():
            (folder / name).write_text(text, "utf-8")
    output = tmp_path / "poems.jsonl"
    assert RECIPE.run_here(monkeypatch, folder, output, "--traditional") == 2
    error = capfd.readouterr().err
    assert message in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir() if path != folder] == []
