"""Executed notebooks as HTML pages: light, without scripts, in the report's style, each with where it comes from."""

import json
import os
import re
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import nbformat
import nh3
from nbconvert import HTMLExporter, TemplateExporter
from nbconvert.filters import Highlight2HTML

from gradlab.files import atomic_path
from gradlab.repeatability import Repeat
from gradlab.results import CellResult, print_commit
from gradlab.svg import describe_svg, follow_scheme
from gradlab.text import print_time


class _PageExporter(HTMLExporter):
    """An exporter that leaves the page as the template made it.

    Its parent parses every page once more to describe images without a text, which takes longer than all the rest; the
    template gives each image one.
    """

    def from_notebook_node(self, nb: nbformat.NotebookNode, resources: Any = None, **kw: Any) -> tuple[str, Any]:
        return TemplateExporter.from_notebook_node(self, nb, resources, **kw)


def page_of(result: CellResult, folder: Path) -> Path:
    """Return where the page of a cell lies in the folder of pages."""
    return folder / f"{result.name}.html"


def render_pages(
    results: Mapping[str, CellResult],
    repeats: Mapping[str, Repeat],
    folder: Path,
    *,
    template: Path,
    report: Path,
    style: Path,
) -> None:
    """Render every executed notebook, those of failed runs too.

    Parameters
    ----------
    results
        The planned cells under their names; those without a notebook are passed over.
    repeats
        What is known of second runs of these cells.
    folder
        Where the pages go.
    template
        The folder of the page's template; its name is the template's name.
    report
        The report, to which each page links back.
    style
        The style sheet, beside which no other is needed.
    """
    highlight = Highlight2HTML(pygments_lexer="ipython3")

    @cache  # cells share their notebooks' code
    def show_code(source: str) -> str:
        return clean_html(highlight(source))

    exporter = _PageExporter(
        template_name=template.name,
        extra_template_basedirs=[str(template.parent)],
        exclude_anchor_links=True,
        filters={"clean_html": clean_html, "follow_scheme": follow_scheme, "show_code": show_code},
    )
    pages = {str(cell.directory): page_of(cell, folder) for cell in results.values() if cell.notebook}
    for result in results.values():
        if result.notebook is None:
            continue
        page = page_of(result, folder)
        notebook = _read_notebook(result.notebook)
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        context = {
            "title": result.name,
            "status": result.status,
            "outdated": result.outdated,
            "repeat": repeats.get(result.name),
            "stopped": any(output.output_type == "error" for output in outputs),
            "report": _link(page, report),
            "style": _link(page, style),
            "source": _link(page, result.notebook),
            "figure_text": partial(_figure_text, directory=result.directory),
            "origin": _describe_origin(result, repeats.get(result.name), page, pages, report)
            if result.manifest
            else None,
        }
        html, _ = exporter.from_notebook_node(notebook, resources={"gradlab": context})
        with atomic_path(page) as temporary:
            temporary.write_text(html, encoding="utf-8")


def _read_notebook(file: Path) -> nbformat.NotebookNode:
    """Return a notebook; where a run was killed while it wrote it, one that says so."""
    try:
        text = file.read_text(encoding="utf-8")
        content = json.loads(text)
        if not (isinstance(content, dict) and content.get("nbformat") == 4 and isinstance(content.get("cells"), list)):
            raise ValueError(f"{file} has no cells in the form of nbformat 4")  # of others nbformat makes what it can
        return nbformat.reads(text, as_version=4)
    except ValueError:
        text = f"`{file.name}` cannot be read: it is not a whole notebook. The cell's next run writes it anew."
        return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])


def clean_html(html: str) -> str:
    """Return HTML without scripts, styles, event handlers and unknown tags; classes stay, for highlighted code."""
    classes = {tag: nh3.ALLOWED_ATTRIBUTES.get(tag, set()) | {"class"} for tag in ("div", "pre", "span", "table")}
    return nh3.clean(html, attributes={**nh3.ALLOWED_ATTRIBUTES, **classes})


def _describe_origin(
    result: CellResult, repeat: Repeat | None, page: Path, pages: Mapping[str, Path], report: Path
) -> dict[str, Any]:
    """Return what the manifest says, with links: to the data in the report, to the pages of cells whose results went in."""
    manifest = result.manifest
    inputs, data = [], []
    for path, digest in manifest["inputs"].items():
        folder, file = os.path.split(path)
        if file == "dataset.json":
            name = os.path.basename(folder)
            address = f"{_link(page, report)}#data-{name}"
            data.append((name, digest, address))
        else:
            address = _link(page, pages[folder]) if folder in pages else None
        inputs.append((path, digest, address))
    comparison = repeat.comparison if repeat else None
    return {
        "manifest": _link(page, result.directory / "manifest.json"),
        "started": manifest["started"],
        "time": print_time(manifest["wall_seconds"]),
        "machine": manifest["machine"],
        "versions": manifest["versions"],
        "commit": result.commit,
        "data": data,
        "inputs": inputs,
        "outputs": [
            (name, digest, _link(page, result.directory / name) if (result.directory / name).exists() else None)
            for name, digest in manifest["outputs"].items()
        ],
        "second": comparison and {**comparison.second, "commit": print_commit(comparison.second["git"])},
        "comparison": comparison,
    }


def _link(page: Path, target: Path) -> str:
    return Path(os.path.relpath(target, page.parent)).as_posix()


def _figure_text(cell: nbformat.NotebookNode, *, directory: Path) -> str:
    """Return the description of the figure that a notebook's code draws: the one it was saved with, in `directory`."""
    saved = re.search(r'save_figure\(\s*output,\s*"([^"]+)"', cell.source)
    file = directory / f"{saved.group(1)}.svg" if saved else None
    return (
        describe_svg(file.read_text(encoding="utf-8")) if file and file.exists() else "Figure drawn by the code above"
    )
