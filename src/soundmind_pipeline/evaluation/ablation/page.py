"""The ablation as one HTML file that needs nothing else."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from soundmind_pipeline.evaluation.ablation.tables import VERDICTS
from soundmind_pipeline.evaluation.number_tables import show
from soundmind_pipeline.evaluation.pages import page_environment
from soundmind_pipeline.evaluation.style import inline_svg


def render_page(results: Mapping[str, Any], drawn: str) -> str:
    """The page as HTML.

    Args:
        results: The content of ``ablation.json``.
        drawn: The figure, the text of an SVG file.
    """
    environment = page_environment()
    environment.filters["show"] = show
    figure = inline_svg(drawn, "arms", "Held-out accuracy of every arm, beside the paper's")
    return environment.get_template("ablation.html.j2").render(
        results=results, figure=Markup(figure), verdicts=VERDICTS, kinds={True: "good", False: "bad", None: "warn"}
    )
