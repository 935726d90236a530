"""One HTML page of what a model did with a text, to open from disk with no network."""

import base64
import json
import os
import re
from pathlib import Path

import numpy as np

from textlstm.errors import InputError
from textlstm.insight.attribution import Attribution, attribute_subject
from textlstm.insight.recording import Recording, Trace, record_subject
from textlstm.insight.retention import half_lives
from textlstm.insight.subjects import MAX_BYTES, make_subject

_TEMPLATE = Path(__file__).with_name("page.html")
_CHINESE = re.compile("[\u3400-\u9fff]")
_MAX_PAGE_BYTES = 64_000_000
LANGUAGES = ("en", "zh")


def write_page(
    path: str | Path,
    model,
    text: str | bytes,
    *,
    target: str | None = None,
    method: str | None = "gradients",
    language: str | None = None,
    name: str | None = None,
    max_bytes: int = MAX_BYTES,
) -> Path:
    """Writes what a model did with a text as one HTML page that needs nothing else.

    The page shows the answers, the text coloured by what speaks for and against the answer, and
    coloured by any gate or state of any layer, direction and unit; a map of all units; and the
    attention, where there is some. Gates and states are rounded to 256 steps for it.

    Args:
        path: of the file; one that is there is replaced.
        model: a `TextClassifier`, `LanguageModel` or `Translator`.
        text: what it reads.
        target: the answer that is asked about, as of `attribute`; default the model's own.
        method: of `attribute`; `None` leaves that part out.
        language: of the page's own words, "en" or "zh"; default by the text. A button changes it.
        name: of the model, on the page; default its class.
        max_bytes: of `record`.

    Returns:
        The path.

    Raises:
        InputError: if an argument is out of its range, the page would have more than 64 MB, or it
            cannot be written.

    Example:
        >>> write_page("joy.html", textlstm.load("models/sentiment-en"), "A joy to watch.")
    """
    if language is not None and language not in LANGUAGES:
        raise InputError(f"language must be one of {', '.join(LANGUAGES)}; got {language!r}")
    path = Path(path)
    if not path.parent.is_dir():
        raise InputError(f"no folder {path.parent} to write {path.name} to; make it first")
    subject = make_subject(model, text, max_bytes, target=target)
    recording = record_subject(subject, text)
    attribution = None if method is None else attribute_subject(subject, text, method)
    if language is None:
        language = "zh" if _CHINESE.search(recording.text) else "en"
    page = render_page(recording, attribution, language, name or type(model).__name__, subject.cut)
    if len(page) > _MAX_PAGE_BYTES:
        raise InputError(
            f"the page would have {len(page) / 1e6:,.0f} MB, more than a browser shows well "
            f"({_MAX_PAGE_BYTES / 1e6:.0f} MB); give a shorter text than these "
            f"{len(recording.tokens):,} tokens"
        )
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(page, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def render_page(
    recording: Recording,
    attribution: Attribution | None = None,
    language: str = "en",
    name: str = "",
    cut: bool = False,
) -> str:
    """Returns the page as HTML.

    Args:
        recording: what `record` gave.
        attribution: what `attribute` gave; default none.
        language: "en" (default) or "zh".
        name: of the model, on the page.
        cut: whether the text is longer than what the model reads.

    Raises:
        InputError: if a state is infinite or no number.
    """
    arrays = [a for trace in recording.traces.values() for a in trace.states.values()]
    if not all(np.isfinite(array).all() for array in arrays):
        raise InputError(
            "the model computes infinities or no numbers at all (nan) for this text; its weights "
            "have diverged"
        )
    data = {
        "language": language,
        "model": name,
        "tokens": len(recording.tokens),
        "cut": cut,
        "answers": list(recording.answers.items()),
        "attribution": None,
        "traces": [_trace_data(trace) for trace in recording.traces.values()],
        "attention": None,
    }
    if attribution is not None:
        data["attribution"] = {
            "tokens": attribution.tokens,
            "shares": [round(float(share), 5) for share in attribution.shares],
            "kind": attribution.kind,
            "answer": attribution.answer,
            "method": attribution.method,
            "value": attribution.value,
            "empty": attribution.empty_value,
        }
    if recording.attention is not None:
        first = next(iter(recording.traces.values()))
        data["attention"] = {
            "source": first.tokens,
            "targets": recording.targets or list(recording.answers)[:1],
            "weights": np.round(recording.attention.astype("float64"), 4).tolist(),
        }
    # "<" ends no script, and begins no comment, where there is none.
    text = json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    # Half of a pair of surrogates cannot be written as UTF-8.
    text = text.encode("utf-8", "replace").decode("utf-8")
    before, after = _TEMPLATE.read_text(encoding="utf-8").split("{{DATA}}")
    return before + text + after


def _trace_data(trace: Trace) -> dict:
    """Returns what the page needs of a trace, its arrays as bytes between two bounds."""
    arrays = {}
    for name, array in {**trace.gates, **trace.states}.items():
        most = float(np.abs(array).max(initial=0.0))
        signed = bool((array < 0).any()) or name in trace.states
        # Round bounds, so that 0 is one of the 256 steps, nearly, and colours compare.
        high = 1.0 if most <= 1 else float(np.ceil(most))
        low = -high if signed else 0.0
        steps = np.rint((array - low) / (high - low) * 255).astype("uint8")
        arrays[name] = {
            "low": low,
            "high": high,
            "units": array.shape[-1],
            "bytes": base64.b64encode(steps.tobytes()).decode("ascii"),
        }
    layers, directions, *_ = trace.shape
    lives = None
    if trace.keep is not None:
        lives = [
            [[round(float(x), 2) if np.isfinite(x) else None for x in row] for row in layer]
            for layer in half_lives(trace)
        ]
    return {
        "name": trace.name,
        "tokens": trace.tokens,
        "layers": layers,
        "directions": directions,
        "keep": trace.keep,
        "arrays": arrays,
        "half_lives": lives,
    }
