"""The page: its data, its safety, and what a real browser makes of it."""

import base64
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from textlstm import InputError
from textlstm.insight import record, write_page

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
MODELS = Path(__file__).resolve().parents[2] / "models"
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")


def data_of(page: str) -> dict:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(text)


def test_the_page_holds_what_was_recorded(make_classifier, tmp_path):
    model = make_classifier()
    path = write_page(tmp_path / "page.html", model, "good <b>& paper")
    page = path.read_text("utf-8")
    assert "http" not in page.replace("http-equiv", "")  # nothing is fetched from anywhere
    data = data_of(page)
    recorded = record(model, "good <b>& paper").traces["recurrent"]
    (trace,) = data["traces"]
    assert trace["tokens"] == list(recorded.tokens) == [" good", " <b>&", " paper", "</s>"]
    for name, array in {**recorded.gates, **recorded.states}.items():
        shown = trace["arrays"][name]
        steps = np.frombuffer(base64.b64decode(shown["bytes"]), "uint8").reshape(array.shape)
        size = (shown["high"] - shown["low"]) / 255
        np.testing.assert_allclose(shown["low"] + size * steps, array, atol=0.51 * size)
    assert data["attribution"]["kind"] == "label" and data["language"] == "en"
    assert [path] == list(tmp_path.iterdir())


def test_the_page_has_the_language_of_the_text(make_classifier, tmp_path):
    def language(text, **options):
        path = write_page(tmp_path / "page.html", make_classifier(), text, method=None, **options)
        return data_of(path.read_text("utf-8"))["language"]

    assert [language("很好"), language("good"), language("很好", language="en")] == [
        "zh",
        "en",
        "en",
    ]


HOSTILE = "</script><script>document.title='broken'</script><!-- \u2028 \ud800 {{DATA}} \" ' \\"


def run_in_browser(page: Path, script: str) -> str:
    """Opens a page from disk, runs a script when it is there, and returns the document after it."""
    watched = page.with_name(f"watched-{page.name}")
    watched.write_text(page.read_text("utf-8") + f"<script>{script}</script>", "utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command += [f"--user-data-dir={page.parent / 'profile'}", "--dump-dom", watched.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


CLICKS = """
  const told = [];
  const spans = () => document.querySelectorAll("#gates-text span");
  told.push(spans().length, document.getElementById("title").textContent);
  spans()[1].click();
  told.push(document.querySelector("#gates-text .picked").textContent);
  told.push(document.querySelector("#detail strong").textContent);
  document.getElementById("next").click();
  told.push(document.getElementById("unit").value);
  const choose = (id, value) => {
    const select = document.getElementById(id); select.value = value;
    select.dispatchEvent(new Event("change"));
  };
  choose("quantity", "c"); choose("direction", "1");
  told.push(document.getElementById("quantity").value, spans()[1].title);
  document.getElementById("language").click();
  told.push(document.documentElement.lang);
  const out = document.createElement("pre");
  out.id = "told"; out.textContent = JSON.stringify(told);
  document.body.append(out);
"""


@needs_chromium
def test_a_click_shows_the_gates_of_a_token(make_classifier, tmp_path):
    model = make_classifier()
    path = write_page(tmp_path / "page.html", model, "good paper")
    document = run_in_browser(path, CLICKS)
    (told,) = re.findall(r'<pre id="told">(.*?)</pre>', document)
    count, title, picked, detail, unit, quantity, value, language = json.loads(told)
    assert (count, title) == (3, "What the model did with this text")
    assert (picked, detail) == (" paper", "2. “ paper”")
    assert (unit, quantity, language) == ("0", "c", "zh")
    memory = record(model, "good paper").traces["recurrent"].states["c"]
    assert float(value) == pytest.approx(memory[0, 1, 1, 0], abs=0.005)


@needs_chromium
@pytest.mark.parametrize("text", [HOSTILE, "", "good " * 2000], ids=["hostile", "empty", "long"])
def test_any_text_is_shown_as_it_is(make_language_model, tmp_path, text):
    path = write_page(tmp_path / "page.html", make_language_model(), text, method=None)
    count = len(data_of(path.read_text("utf-8"))["traces"][0]["tokens"])
    document = run_in_browser(
        path, "document.body.dataset.count = document.querySelectorAll('#gates-text span').length;"
    )
    assert "<title>What the model did with this text</title>" in document
    assert f'data-count="{count}"' in document
    assert "broken" not in re.sub(r"<script.*?</script>", "", document, flags=re.S)


def test_hostile_text_stays_within_its_data(make_classifier, tmp_path):
    path = write_page(tmp_path / "page.html", make_classifier(), HOSTILE, method=None, name=HOSTILE)
    page = path.read_text("utf-8")
    assert page.count("<script") == 2 and page.count("</script>") == 2
    assert data_of(page)["model"] == HOSTILE.replace("\ud800", "?")


def test_bad_options_leave_no_page(make_classifier, tmp_path, monkeypatch):
    model, path = make_classifier(), tmp_path / "page.html"
    for options, message in (
        ({"language": "de"}, "language must be one of en, zh; got 'de'"),
        ({"target": "fine"}, "no label 'fine'"),
        ({"method": "magic"}, "method must be one of"),
        ({"max_bytes": 10}, "more than the 0 MB of max_bytes"),
    ):
        with pytest.raises(InputError, match=message):
            write_page(path, model, "good", **options)
    with pytest.raises(InputError, match="no folder .*nowhere to write page.html to"):
        write_page(tmp_path / "nowhere" / "page.html", model, "good")
    monkeypatch.setattr("textlstm.insight.page._MAX_PAGE_BYTES", 1000)
    with pytest.raises(InputError, match="more than a browser shows well"):
        write_page(path, model, "good", method=None)
    assert not list(tmp_path.iterdir())


def test_a_model_without_numbers_is_told(make_classifier, tmp_path):
    model = make_classifier()
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    with pytest.raises(InputError, match="have diverged"):
        write_page(tmp_path / "page.html", model, "good", method=None)


def run_command(*arguments, text=None):
    command = [sys.executable, "-m", "textlstm.insight", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, input=text, timeout=300)


def test_the_command_writes_a_page_of_a_shipped_model(tmp_path):
    path = tmp_path / "page.html"
    done = run_command(MODELS / "sentiment-zh", "-", "--html", path, text="纸很好，没有异味。")
    assert done.returncode == 0, done.stderr
    data = data_of(path.read_text("utf-8"))
    assert data["answers"][0][0] == "positive" and data["language"] == "zh"
    assert str(path) in done.stdout


def test_the_command_tells_a_mistake_in_one_line(tmp_path):
    done = run_command(tmp_path, "good", "--html", tmp_path / "page.html")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
