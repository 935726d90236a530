"""Writes the page of what a model did with a text.

python -m textlstm.insight models/sentiment-en "A joy from start to finish." --html joy.html
"""

import argparse
import os
import sys


def main() -> None:
    """Reads the command line, and writes the page."""
    flags = read_flags()
    # TensorFlow would print how it was built, and that there is no GPU.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import textlstm
    from textlstm.insight import write_page

    text = sys.stdin.read() if flags.text == "-" else flags.text
    try:
        path = write_page(
            flags.html,
            textlstm.load(flags.model),
            text,
            target=flags.target,
            method=None if flags.method == "none" else flags.method,
            language=flags.language,
            name=flags.model,
        )
    except textlstm.InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print(f"Written to {path}; open it in a browser")


def read_flags() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m textlstm.insight", description="Shows what a model did with a text."
    )
    add = parser.add_argument
    add("model", metavar="FOLDER", help="an exported model, such as models/sentiment-en")
    add("text", help="what it reads; - for the standard input")
    add("--html", required=True, metavar="FILE", help="the page to write")
    add("--target", help="the answer asked about: a label, a token, a translation; default its own")
    add(
        "--method",
        choices=["gradients", "occlusion", "none"],
        default="gradients",
        help="how shares are found (occlusion runs the model once a token); default gradients",
    )
    add("--language", choices=["en", "zh"], help="of the page's own words; default by the text")
    return parser.parse_args()


if __name__ == "__main__":
    main()
