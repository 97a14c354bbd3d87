"""The page of a study: everything that was computed for it, with the gallery of its cells; and where plots lie."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradlab.engine.results import CellResult
from gradlab.engine.schedule import print_time
from gradlab.engine.verify import Repeat
from gradlab.report.blocks import Picture
from gradlab.report.families import Family, label_family
from gradlab.report.links import Links
from gradlab.report.page import render_page, write_text
from gradlab.report.sections import Section

SCRIPTS = ("contents.js", "marks.js")  # of pages with contents and plots
_STATUS_SYMBOLS = {"done": "✓", "failed": "✗", "missing": "–", "stale": "↺"}


def render_study(section: Section, links: Links, repeats: Mapping[str, Repeat]) -> None:
    """Write the page of a study: everything that was computed for it."""
    protocols: dict[str, list[dict[str, Any]]] = {}
    for family, members in links.families.items():
        if family.study == section.study.name:
            protocols.setdefault(family.protocol, []).append(_family_context(family, members, links, repeats))
    render_page(
        links.root / f"pages/{section.study.name}.html",
        "study.html.j2",
        links,
        scripts=SCRIPTS,
        about=section.study,
        blocks=section.blocks,
        addresses=address_plots(section, links),
        protocols=protocols.items(),
    )


def _family_context(
    family: Family, members: Sequence[CellResult], links: Links, repeats: Mapping[str, Repeat]
) -> dict[str, Any]:
    return {
        "id": links.gallery(family),
        "label": label_family(members),
        "cells": [_cell_context(cell, links, repeats.get(cell.name)) for cell in members],
    }


def _cell_context(cell: CellResult, links: Links, repeat: Repeat | None) -> dict[str, Any]:
    done = cell.status == "done"
    figures = [name for name in cell.run["outputs"] if name.endswith(".svg")] if done else []
    return {
        "name": cell.cell,
        "full_name": cell.name,
        "status": cell.status,
        "symbol": _STATUS_SYMBOLS[cell.status],
        "outdated": "; ".join(cell.outdated),
        "page": links.page(cell),
        "thumbnail": links.relative(cell.directory / figures[0]) if figures else None,
        "time": print_time(cell.run["wall_seconds"]) if done else None,
        "manifest": links.relative(cell.directory / "manifest.json") if done else None,
        "repeat": repeat,
    }


def save_plots(section: Section, links: Links) -> None:
    """Write the plots that are the report's own, and their data."""
    for picture in section.pictures:
        if picture.file is None:
            file = _plot_file(picture, section, links)
            write_text(file, picture.svg)
            if picture.data:
                write_text(file.with_suffix(".csv"), picture.data)


def address_plots(section: Section, links: Links) -> dict[str, dict[str, str | None]]:
    """Return where each plot lies, and its data: of one that a cell saved, the cell's curves."""
    addresses = {}
    for picture in section.pictures:
        file = picture.file or _plot_file(picture, section, links)
        data = file.with_name("curves.csv") if picture.file else file.with_suffix(".csv") if picture.data else None
        addresses[picture.name] = {"svg": links.relative(file), "data": links.relative(data) if data else None}
    return addresses


def _plot_file(picture: Picture, section: Section, links: Links) -> Path:
    return links.root / "figures" / section.study.name / f"{picture.name}.svg"
