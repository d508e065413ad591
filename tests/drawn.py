"""What a drawn figure shows, for tests."""

from matplotlib.figure import Figure
from matplotlib.text import Text

ROUNDING = 1  # pixels


def texts_outside(figure: Figure) -> list[str]:
    """The texts that are cut at an edge of the figure, but for those of ticks.

    The layout makes room for ticks, and keeps some that lie beyond the limits, where nobody sees
    them.
    """
    figure.draw_without_rendering()
    ticks = {
        label for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)
        for label in axis.get_ticklabels(which="both")
    }  # fmt: skip
    page = figure.bbox.padded(ROUNDING)
    return [
        text.get_text()
        for text in figure.findobj(Text)
        if text.get_text() and text.get_visible() and text not in ticks
        and not all(page.contains(*corner) for corner in text.get_window_extent().corners())
    ]  # fmt: skip
