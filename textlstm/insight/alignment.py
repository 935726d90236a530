"""The picture of an alignment: where a translator looked while it said each token."""

from textlstm.insight.fonts import drawing, new_figure


def draw_alignment(alignment):
    """Draws the attention of one translation, the text from left to right, what was said below it.

    Args:
        alignment: an `Alignment`, as `Translator.align` gives it.

    Returns:
        A `matplotlib.figure.Figure`; `figure.savefig("attention.png")` writes it.

    Raises:
        InputError: if `matplotlib` is not installed, or no installed font has the characters.

    Example:
        >>> (alignment,) = model.align(["Where is the station?"])
        >>> draw_alignment(alignment).savefig("attention.png")
    """
    source = [piece.replace("▁", " ").strip() or "␣" for piece in alignment.source]
    target = [piece.replace("▁", " ").strip() or "␣" for piece in alignment.target]
    figure = new_figure(1.5 + 0.4 * len(source), 1.2 + 0.4 * len(target))
    with drawing([*source, *target]):
        axes = figure.add_subplot()
        image = axes.imshow(alignment.weights, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(source)), source, rotation=60, ha="left", rotation_mode="anchor")
        axes.set_yticks(range(len(target)), target)
        axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=2)
        axes.set_xlabel("read")
        axes.set_ylabel("said")
        figure.colorbar(image, label="attention", shrink=0.6)
        figure.canvas.draw()  # while the fonts are chosen
    return figure
