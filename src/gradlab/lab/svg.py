"""Figures as SVG files that say what they show and that follow the reader's light or dark scheme."""

import html
import io
import re

from matplotlib.figure import Figure

# What matplotlib writes for ground and ink, and what a dark page shows instead; a printed page stays light. The blue is the one
# colour of the lines that is too dark for a dark ground.
_IN_THE_DARK = {
    "#ffffff": "#14171c",
    "#000000": "#e8ebf0",
    "#404040": "#c3cad5",
    "#4c4c4c": "#c3cad5",
    "#bfbfbf": "#5a6472",
    "#0072b2": "#3d9be0",
}
_DARK_STYLE = (
    "@media screen and (prefers-color-scheme: dark) {text{fill:#e8ebf0}"
    + "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
        for light, dark in _IN_THE_DARK.items()
        for kind in ("fill", "stroke")
    )
    + "}"
)


def draw_svg(figure: Figure, *, title: str, alt: str) -> str:
    """Return a figure as an SVG file with a title and a description; the same figure gives the same bytes.

    Parameters
    ----------
    figure
        The figure, drawn in the project's style.
    title
        A short name.
    alt
        One or two sentences that say what the figure shows, for those who do not see it.
    """
    buffer = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Title": title, "Description": alt}
    figure.savefig(buffer, format="svg", metadata=metadata)
    return follow_scheme(buffer.getvalue())


def follow_scheme(svg: str) -> str:
    """Return an SVG file of matplotlib with a style for readers who prefer dark pages; one that has it, as it is."""
    return svg if _DARK_STYLE in svg else svg.replace("</style>", f"{_DARK_STYLE}</style>", 1)


def describe_svg(svg: str) -> str:
    """Return the description inside an SVG file that `draw_svg` made; an empty text where there is none."""
    found = re.search(r"<dc:description>(.*?)</dc:description>", svg, re.DOTALL)
    return html.unescape(found.group(1)).strip() if found else ""
