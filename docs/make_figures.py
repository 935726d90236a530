"""Makes the figures of gates.md, and prints the numbers of its tables.

python recipes/sentiment.py --cell gru --export runs/gru
python recipes/memory.py --output docs/figures
python docs/make_figures.py
"""

from pathlib import Path

import textlstm
from textlstm import insight

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "figures"
REVIEW = "纸很好，没有异味，价格也便宜。"
UNIT = 234
UNITS = [166, 210, UNIT, 252, 301, 371, 488, 496]
GRU_REVIEW = "等了两个小时，菜还是凉的，再也不来了。"
GRU_UNIT = 95


def main() -> None:
    """Draws the figures, and prints the steps of one unit of each model."""
    model = textlstm.load(ROOT / "models" / "sentiment-zh")
    trace = show(model, REVIEW, UNIT)
    print(f"half-life of unit {UNIT}: {insight.half_lives(trace)[0, 0, UNIT]:.1f} steps")
    gru = show(textlstm.load(ROOT / "runs" / "gru"), GRU_REVIEW, GRU_UNIT)
    for name, figure in (
        ("shares", insight.draw_shares(insight.attribute(model, REVIEW))),
        ("lstm", insight.draw_gates(trace, units=UNITS)),
        ("half_lives", insight.draw_half_lives(trace)),
        ("gru", insight.draw_gates(gru, units=8)),
    ):
        figure.savefig(FIGURES / f"{name}.png")


def show(model, text: str, unit: int) -> insight.Trace:
    """Prints what a model answers, and the steps of one unit; returns the trace."""
    recording = insight.record(model, text)
    trace = recording.traces["recurrent"]
    print(recording.answers)
    print("\n".join(table_of(trace, unit)))
    return trace


def table_of(trace: insight.Trace, unit: int) -> list[str]:
    """Returns the lines of the table of a unit of the first layer, forward."""
    arrays = [*trace.gates.values(), *(trace.states[name] for name in sorted(trace.states))]
    lines = []
    for step, token in enumerate(trace.tokens):
        token = token.strip().replace("<", "\\<") or "␣"
        numbers = " | ".join(f"{array[0, 0, step, unit]:.3f}" for array in arrays)
        lines.append(f"| {token} | {numbers} |")
    return lines


if __name__ == "__main__":
    main()
