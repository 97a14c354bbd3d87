"""The settings under which figures were published, for cells that tests make up."""

from pathlib import Path

from gradlab.engine.figures import load_settings, settings_of

_SETTINGS = load_settings(Path(__file__).parent.parent / "workflow/published")


def settings_behind(study: str, figure_id: str) -> dict:
    """Return the parameters that a cell needs for a published figure to be held against it."""
    return settings_of(figure_id, _SETTINGS[study])
