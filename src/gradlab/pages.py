"""Executed notebooks as HTML pages: light, without scripts, in the report's style."""

import os
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import nbformat
import nh3
from nbconvert import HTMLExporter

from gradlab.files import atomic_path
from gradlab.results import CellResult
from gradlab.svg import describe_svg


def page_of(result: CellResult, folder: Path) -> Path:
    """Return where the page of a cell lies in the folder of pages."""
    return folder / f"{result.name}.html"


def render_pages(results: Iterable[CellResult], folder: Path, *, template: Path, report: Path, style: Path) -> None:
    """Render every executed notebook, those of failed runs too.

    Parameters
    ----------
    results
        The planned cells; those without a notebook are passed over.
    folder
        Where the pages go.
    template
        The folder of the page's template; its name is the template's name.
    report
        The report, to which each page links back.
    style
        The style sheet, beside which no other is needed.
    """
    exporter = HTMLExporter(
        template_name=template.name,
        extra_template_basedirs=[str(template.parent)],
        exclude_anchor_links=True,
        filters={"clean_html": clean_html},
    )
    for result in results:
        if result.notebook is None:
            continue
        page = page_of(result, folder)
        notebook = nbformat.read(result.notebook, as_version=4)
        links = {
            "title": result.name,
            "report": _link(page, report),
            "style": _link(page, style),
            "source": _link(page, result.notebook),
            "manifest": _link(page, result.directory / "manifest.json") if result.manifest else None,
            "figure_text": partial(_figure_text, directory=result.directory),
        }
        html, _ = exporter.from_notebook_node(notebook, resources={"gradlab": links})
        with atomic_path(page) as temporary:
            temporary.write_text(html, encoding="utf-8")


def clean_html(html: str) -> str:
    """Return HTML without scripts, styles, event handlers and unknown tags; classes stay, for highlighted code."""
    classes = {tag: nh3.ALLOWED_ATTRIBUTES.get(tag, set()) | {"class"} for tag in ("div", "pre", "span", "table")}
    return nh3.clean(html, attributes={**nh3.ALLOWED_ATTRIBUTES, **classes})


def _link(page: Path, target: Path) -> str:
    return Path(os.path.relpath(target, page.parent)).as_posix()


def _figure_text(cell: nbformat.NotebookNode, *, directory: Path) -> str:
    """Return the description of the figure that a notebook's code draws: the one it was saved with, in `directory`."""
    saved = re.search(r'save_figure\(\s*output,\s*"([^"]+)"', cell.source)
    file = directory / f"{saved.group(1)}.svg" if saved else None
    return (
        describe_svg(file.read_text(encoding="utf-8")) if file and file.exists() else "Figure drawn by the code above"
    )
