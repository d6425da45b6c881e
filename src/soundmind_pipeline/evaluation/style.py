"""One look for every figure: quiet axes, two colours that mean the two policies, SVG that follows the page's theme."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: Final = {"sft": "#8d99ae", "rl": "#4f6bed"}
"""Before and after: grey-blue and indigo, told apart on white, on black, and in greyscale."""
INSIDE: Final = {"sft": "#12151c", "rl": "#ffffff"}
"""Of text on these colours."""
ACCENTS: Final = ("#4f6bed", "#e07a3f", "#2a9d8f", "#b05fc4", "#c9a227")
"""Further series, in order."""
POLICY_NAMES: Final = {"sft": "after SFT", "rl": "after RL"}
SETTING_NAMES: Final = {
    "audio_to_text": "audio → text",
    "text_to_text": "text → text",
    "audio_text_to_text": "audio + text → text",
    "text_to_audio": "text → audio",
    "audio_to_audio": "audio → audio",
}
CONTROL_NAMES: Final = {
    "other_voice": "another voice",
    "slower": "a fifth slower",
    "faster": "a fifth faster",
    "noise_20db": "noise, 20 dB SNR",
    "noise_10db": "noise, 10 dB SNR",
    "noise_0db": "noise, 0 dB SNR",
    "shuffled": "another problem's",
    "silence": "silence",
}
"""What is done to the audio, from what a listener hardly minds to what takes the question away."""
NOISE_CONTROLS: Final = {"noise_20db": 20, "noise_10db": 10, "noise_0db": 0}
"""Noise controls and their signal-to-noise ratio in dB."""

# Nothing else has this colour, so that it can be replaced by the colour of a page's own text.
_INK: Final = "#1b1f27"
_RC: Final[dict[str, Any]] = {
    "axes.axisbelow": True,
    "axes.edgecolor": _INK,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": _INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": _INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "grid.alpha": 0.15,
    "grid.color": _INK,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "soundmind",
    "text.color": _INK,
    "xtick.color": _INK,
    "xtick.labelsize": 8,
    "xtick.major.width": 0.6,
    "ytick.color": _INK,
    "ytick.labelsize": 8,
    "ytick.major.width": 0.6,
}


@contextmanager
def figure(width: float, height: float, **grid: Any) -> Iterator[tuple["Figure", Any]]:
    """A figure of ``width`` × ``height`` inches in the project's look, with its axes.

    Args:
        width: In inches.
        height: In inches.
        grid: Passed on to ``Figure.subplots``.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Figure() instead of pyplot: no global state, no backend to choose, safe in any thread.
    with mpl.rc_context(_RC):
        drawn = Figure(figsize=(width, height), layout="constrained")
        yield drawn, drawn.subplots(**grid)


def to_svg(drawn: "Figure") -> str:
    """The figure as the text of an SVG file on white: same figure, same bytes."""
    buffer = io.StringIO()
    drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return buffer.getvalue().replace("<svg ", '<svg style="background:#fff" ', 1)


def inline_svg(text: str, name: str, title: str) -> str:
    """An SVG file of :func:`to_svg` as an element of an HTML page, in the page's colour and typeface.

    Args:
        text: The file.
        name: Prefix of all element ids, so that several figures can stand in one page.
        title: What a screen reader says.

    Returns:
        One ``<svg>`` element, as wide as its place, without namespaces, document type or metadata: nothing in it points
        outside the page.
    """
    svg = text[text.index("<svg") :].strip()
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(url\(|href=")#', rf"\1#{name}-", svg)
    svg = svg.replace("xlink:href", "href").replace(_INK, "currentColor")
    # One face for page and figures; the family that matplotlib measured with stays as the fallback.
    svg = svg.replace("'DejaVu Sans'", "var(--face, 'DejaVu Sans')")
    view_box = re.search(r'viewBox="[^"]*"', svg)
    return re.sub(
        r"^<svg[^>]*>", f'<svg role="img" aria-label="{title}" {view_box.group() if view_box else ""}>', svg, count=1
    )


def tidy(axes: "Axes", title: str, xlabel: str = "") -> None:
    """Title above the axes, label below, and no tick marks: the grid is enough."""
    axes.set_title(title)
    axes.set_xlabel(xlabel)
    axes.tick_params(length=0)
