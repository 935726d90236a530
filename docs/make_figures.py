"""Makes the figures of gates.md, and prints the numbers of its tables.

python docs/make_figures.py
"""

from pathlib import Path

import textlstm
from textlstm import insight

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "figures"
REVIEW = "纸很好，没有异味，价格也便宜。"
UNIT = 36


def main() -> None:
    """Draws the figures, and prints the steps of one unit."""
    model = textlstm.load(ROOT / "models" / "sentiment-zh")
    recording = insight.record(model, REVIEW)
    trace = recording.traces["recurrent"]
    print(recording.answers)
    print("\n".join(table_of(trace, UNIT)))
    print(f"half-life of unit {UNIT}: {insight.half_lives(trace)[0, 0, UNIT]:.1f} steps")
    for name, figure in (
        ("shares", insight.draw_shares(insight.attribute(model, REVIEW))),
        ("lstm", insight.draw_gates(trace)),
        ("half_lives", insight.draw_half_lives(trace)),
    ):
        figure.savefig(FIGURES / f"{name}.png")


def table_of(trace: insight.Trace, unit: int) -> list[str]:
    """Returns the lines of the table of a unit of the first layer, forward."""
    arrays = [*trace.gates.values(), trace.states["c"], trace.states["h"]]
    lines = []
    for step, token in enumerate(trace.tokens):
        token = token.strip().replace("<", "\\<")
        numbers = " | ".join(f"{array[0, 0, step, unit]:.3f}" for array in arrays)
        lines.append(f"| {token} | {numbers} |")
    return lines


if __name__ == "__main__":
    main()
