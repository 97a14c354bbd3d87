"""The settings under which figures were published, for cells that tests make up."""

from typing import Any

from gradlab.engine.figures import load_figures
from gradlab.engine.study import discover


def settings_behind(study: str, figure_id: str) -> dict[str, Any]:
    """Return the parameters that a cell needs for a published figure to be held against it."""
    (figure,) = (figure for figure in load_figures(discover()[study]) if figure.id == figure_id)
    return dict(figure.settings)
