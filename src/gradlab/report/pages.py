"""Executed notebooks as HTML pages: light, without scripts, in the report's style, each with where it comes from."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nh3
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from nbconvert.filters import Highlight2HTML, ansi2html
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.filters.strings import text_base64

from gradlab.engine.results import CellResult, print_commit
from gradlab.engine.verify import Repeat
from gradlab.files import atomic_path
from gradlab.lab.svg import describe_svg, follow_scheme
from gradlab.report.text import print_time

# The forms of an output that a page can show: the first one that the output has is shown.
_FORMS = ("text/html", "text/markdown", "image/svg+xml", "image/png", "text/plain")


@dataclass(frozen=True)
class _Output:
    """One output of a code cell: `stream`, `error`, or a form of `_FORMS`; a stream's `name` is stdout or stderr."""

    kind: str
    text: str
    name: str = ""


@dataclass(frozen=True)
class _Cell:
    """One cell of a notebook; `number` counts executions, None where the cell was not executed."""

    kind: str
    source: str
    number: int | None = None
    tags: Sequence[str] = ()
    outputs: Sequence[_Output] = ()


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
        The folder of the page's template, `index.html.j2`.
    report
        The report, to which each page links back.
    style
        The style sheet, beside which no other is needed.
    """
    page_template = _load_template(template)
    notebooks = {name: notebook for name, cell in results.items() if (notebook := cell.notebook)}
    pages = {str(results[name].directory): page_of(results[name], folder) for name in notebooks}
    for name, notebook in notebooks.items():
        result, repeat = results[name], repeats.get(name)
        page = page_of(result, folder)
        cells = _read_notebook(notebook)
        html = page_template.render(
            cells=cells,
            title=name,
            status=result.status,
            outdated=result.outdated,
            repeat=repeat,
            error=next((output for cell in cells for output in cell.outputs if output.kind == "error"), None),
            report=_link(page, report),
            style=_link(page, style),
            source=_link(page, notebook),
            figures=_describe_figures(cells, result.directory),
            origin=_describe_origin(result, repeat, page, pages, report) if result.manifest else None,
        )
        with atomic_path(page, durable=False) as temporary:
            temporary.write_text(html, encoding="utf-8")
    os.sync()  # once for all pages: to wait for the disk after each would take longer than to render it


def _load_template(folder: Path) -> Template:
    """Return the template of a page; what it shows of a notebook is cleaned, or escaped."""
    highlight = Highlight2HTML(pygments_lexer="ipython3")

    @cache  # cells share their notebooks' code and text
    def show_code(source: str) -> Markup:
        return clean_html(highlight(source))

    @cache
    def show_text(source: str) -> Markup:
        return clean_html(
            MarkdownWithMath(renderer=IPythonRenderer(escape=False, exclude_anchor_links=True)).render(source)
        )

    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {
        "base64": text_base64,
        "clean_html": clean_html,
        "follow_scheme": follow_scheme,
        "show_code": show_code,
        "show_ansi": lambda text: Markup(ansi2html(text)),
        "show_text": show_text,
    }
    return environment.get_template("index.html.j2")


def _read_notebook(file: Path) -> list[_Cell]:
    """Return the cells of a notebook; where a run was killed while it wrote it, one that says so."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["nbformat"] != 4:
            raise ValueError(f"{file} has the format {content['nbformat']}; expected a notebook in format 4")
        return [_read_cell(cell) for cell in content["cells"]]
    except (AttributeError, KeyError, TypeError, ValueError):
        text = f"`{file.name}` cannot be read: it is not a whole notebook. The cell's next run writes it anew."
        return [_Cell("markdown", text)]


def _read_cell(cell: Mapping[str, Any]) -> _Cell:
    outputs = [_read_output(output) for output in cell.get("outputs", [])]
    tags = cell["metadata"].get("tags", [])
    return _Cell(
        cell["cell_type"], "".join(cell["source"]), cell.get("execution_count"), tags, [*filter(None, outputs)]
    )


def _read_output(output: Mapping[str, Any]) -> _Output | None:
    """Return an output in the form that is shown; None where it has no such form."""
    kind = output["output_type"]
    if kind == "stream":
        return _Output(kind, "".join(output["text"]), output["name"])
    if kind == "error":
        return _Output(kind, "\n".join(output["traceback"]))
    form = next((form for form in _FORMS if form in output["data"]), None)
    return _Output(form, "".join(output["data"][form])) if form else None


def clean_html(html: str) -> Markup:
    """Return HTML without scripts, styles, event handlers and unknown tags; classes stay, for highlighted code."""
    classes = {tag: nh3.ALLOWED_ATTRIBUTES.get(tag, set()) | {"class"} for tag in ("div", "pre", "span", "table")}
    return Markup(nh3.clean(html, attributes={**nh3.ALLOWED_ATTRIBUTES, **classes}))


def _describe_origin(
    result: CellResult, repeat: Repeat | None, page: Path, pages: Mapping[str, Path], report: Path
) -> dict[str, Any]:
    """Return what the manifest says, with links: to the data in the report, to the pages of cells whose results went in."""
    manifest, directory = result.manifest, _link(page, result.directory)
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
        "manifest": f"{directory}/manifest.json",
        "started": manifest["started"],
        "time": print_time(manifest["wall_seconds"]),
        "machine": manifest["machine"],
        "versions": manifest["versions"],
        "commit": result.commit,
        "data": data,
        "inputs": inputs,
        "outputs": [
            (name, digest, f"{directory}/{name}" if (result.directory / name).exists() else None)
            for name, digest in manifest["outputs"].items()
        ],
        "second": comparison and {**comparison.second, "commit": print_commit(comparison.second["git"])},
        "comparison": comparison,
    }


def _link(page: Path, target: Path) -> str:
    return Path(os.path.relpath(target, page.parent)).as_posix()


def _describe_figures(cells: Sequence[_Cell], directory: Path) -> dict[str, str]:
    """Return the descriptions of the figures that code draws, by the code: those they were saved with, in `directory`."""
    saved = {cell.source: re.search(r'save_figure\(\s*output,\s*"([^"]+)"', cell.source) for cell in cells}
    files = {source: directory / f"{found[1]}.svg" for source, found in saved.items() if found}
    return {source: describe_svg(file.read_text(encoding="utf-8")) for source, file in files.items() if file.exists()}
