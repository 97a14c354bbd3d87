"""Executed notebooks as HTML pages, light and without scripts: what came out first, then the notebook, then its origin."""

import ast
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import nh3
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from nbconvert.filters import Highlight2HTML, ansi2html
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.filters.strings import text_base64

from gradlab.engine.ledger import Entry
from gradlab.engine.results import CellResult, collect_runs, is_number, print_commit
from gradlab.engine.schedule import print_time
from gradlab.engine.study import Study
from gradlab.engine.verify import Repeat
from gradlab.files import atomic_path
from gradlab.lab.stats import summarise_arm
from gradlab.lab.svg import describe_svg, follow_scheme
from gradlab.report.links import page_of
from gradlab.report.overview import SYMBOLS, print_mean, print_reproduced
from gradlab.report.text import print_figure

# The forms of an output that a page can show: the first one that the output has is shown.
_FORMS = ("text/html", "text/markdown", "image/svg+xml", "image/png", "text/plain")
# More than this is folded: lines of printed text, characters of a value in a table, characters of a caption.
_LINES, _VALUE, _CAPTION = 12, 60, 300


@dataclass(frozen=True)
class _Output:
    """One output of a code cell: `stream`, `error`, or a form of `_FORMS`; a stream's `name` is stdout or stderr."""

    kind: str
    text: str
    name: str = ""

    @property
    def long(self) -> bool:
        """Whether printed text is folded: it has many lines, or is the raw content of a list or a dict."""
        return self.text.count("\n") > _LINES or (self.kind == "text/plain" and self.text.startswith(("{", "[")))


@dataclass(frozen=True)
class _Cell:
    """One cell of a notebook; `number` counts executions, None where the cell was not executed."""

    kind: str
    source: str
    number: int | None = None
    tags: Sequence[str] = ()
    outputs: Sequence[_Output] = ()


@dataclass(frozen=True)
class _Value:
    """A value as a table shows it: short, with a detail below it, and `whole` where only a part of it, or none, is shown."""

    short: str
    detail: str = ""
    whole: str = ""


def render_pages(
    results: Mapping[str, CellResult],
    repeats: Mapping[str, Repeat],
    folder: Path,
    *,
    studies: Mapping[str, Study],
    figures: Sequence[Entry],
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
    studies
        The studies of these cells by name.
    figures
        The published figures, which stand beside the cells' own.
    template
        The folder of the page's template, `index.html.j2`.
    report
        The report, to which each page links back.
    style
        The style sheet, beside which no other is needed.
    """
    page_template = load_template(template)
    notebooks = {name: notebook for name, cell in results.items() if (notebook := cell.notebook)}
    pages = {str(results[name].directory): page_of(results[name], folder) for name in notebooks}
    published: dict[str, dict[str, Entry]] = {}
    for entry in figures:
        published.setdefault(entry.study, {})[entry.id] = entry
    for name, notebook in notebooks.items():
        result, repeat = results[name], repeats.get(name)
        page = page_of(result, folder)
        cells, given = _read_notebook(notebook)
        html = page_template.render(
            cells=cells,
            result=result,
            study=studies[result.study],
            repeat=repeat,
            error=next((output for cell in cells for output in cell.outputs if output.kind == "error"), None),
            report=_link(page, report),
            section=_link(page, folder / f"{result.study}.html"),
            style=_link(page, style),
            source=_link(page, notebook),
            measured=_tabulate_results(result, published.get(result.study, {})),
            parameters=_tabulate_parameters(cells, given),
            plots=_describe_plots(cells, result.directory),
            run=_describe_run(result.manifest) if result.manifest else None,
            origin=_describe_origin(result, repeat, page, pages, report) if result.manifest else None,
        )
        with atomic_path(page, durable=False) as temporary:
            temporary.write_text(html, encoding="utf-8")
    os.sync()  # once for all pages: to wait for the disk after each would take longer than to render it


def load_template(*folders: Path) -> Template:
    """Return the template of a page, the first folder's `index.html.j2`; what it shows of a notebook is cleaned, or escaped."""
    highlight = Highlight2HTML(pygments_lexer="ipython3")

    @cache  # cells share their notebooks' code and text
    def show_code(source: str) -> Markup:
        return clean_html(highlight(source))

    @cache
    def show_text(source: str) -> Markup:
        return clean_html(MarkdownWithMath(renderer=_Renderer(escape=False, exclude_anchor_links=True)).render(source))

    environment = Environment(loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {
        "base64": text_base64,
        "caption": _shorten,
        "clean_html": clean_html,
        "follow_scheme": follow_scheme,
        "show_code": show_code,
        "show_ansi": lambda text: Markup(ansi2html(text)),
        "show_text": show_text,
    }
    return environment.get_template("index.html.j2")


class _Renderer(IPythonRenderer):
    """Text of a notebook, whose headings stand below the page's own."""

    def heading(self, text: str, level: int, **attributes: Any) -> str:
        return super().heading(text, min(level + 1, 6), **attributes)


def _shorten(description: str) -> str:
    """Return the description of a plot as its caption; of a long one, the first sentence."""
    return description if len(description) <= _CAPTION else f"{description.partition('. ')[0]}."


def _read_notebook(file: Path) -> tuple[list[_Cell], Mapping[str, Any]]:
    """Return the cells of a notebook and the parameters it was given; where a run was killed while it wrote it, one cell.

    That cell says so.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["nbformat"] != 4:
            raise ValueError(f"{file} has the format {content['nbformat']}; expected a notebook in format 4")
        given = content["metadata"].get("papermill", {}).get("parameters", {})
        return [_read_cell(cell) for cell in content["cells"]], dict(given)
    except (AttributeError, KeyError, TypeError, ValueError):
        text = f"`{file.name}` cannot be read: it is not a whole notebook. The cell's next run writes it anew."
        return [_Cell("markdown", text)], {}


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
    """Return HTML without scripts, styles, event handlers and unknown tags; classes stay, for highlighted code.

    A heading of a table with nothing in it, as pandas writes them, becomes a plain cell.
    """
    classes = {tag: nh3.ALLOWED_ATTRIBUTES.get(tag, set()) | {"class"} for tag in ("div", "pre", "span", "table")}
    return Markup(nh3.clean(html, attributes={**nh3.ALLOWED_ATTRIBUTES, **classes}).replace("<th></th>", "<td></td>"))


def _tabulate_results(result: CellResult, published: Mapping[str, Entry]) -> list[dict[str, Any]]:
    """Return a row for each metric that the plan declares, and for each figure that this cell alone gives by other means.

    A row has what was published beside it, where the study's figures, by id, name the metric; their verdict stands in the row
    of a cell that they judge, and what has neither comes last. There is none of a cell that is not done.
    """
    if result.status != "done":
        return []
    given = {key: entry for key, entry in published.items() if list(entry.cells) == [result.name]}
    rows = []
    for metric in dict.fromkeys([*result.planned.metrics, *given]):
        entry, own = published.get(metric), given.get(metric)
        rows.append(
            {
                "metric": metric,
                "claim": entry.claim if entry else "",
                "value": _Value(*print_reproduced(own)) if own else _print_metric(result, metric),
                "published": entry.published if entry else "",
                "verdict": own.verdict if own else "",
                "symbol": SYMBOLS[own.verdict] if own else "",
                "reason": (own.note if own.verdict == "not run" else own.cause) if own else "",
            }
        )
    return sorted(rows, key=lambda row: not row["published"])


def _print_metric(result: CellResult, metric: str) -> _Value:
    """Return a metric as the report prints figures; of one with a value for each seed the mean with its interval."""
    value = result.metrics.get(metric)
    if not isinstance(value, list):
        return _Value("–" if value is None else print_figure(value))
    if not value:
        return _Value("none")
    whole = ", ".join("–" if item is None else print_figure(item) for item in value)
    if not is_number(result, metric):
        return _fold(whole, len(value))
    arm = summarise_arm([*collect_runs([result], metric).values()])
    return _Value(*print_mean(arm.n, arm.missing, arm.mean, arm.mean_interval), whole=whole)


def _fold(text: str, number: int) -> _Value:
    """Return a list, or what has as many entries, as it is where it is short, else only how many they are."""
    return _Value(text) if len(text) <= _VALUE else _Value(f"{number} values", whole=text)


def _tabulate_parameters(cells: Sequence[_Cell], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each parameter of a notebook: its value in this run, and what the notebook says of it."""
    source = "".join(cell.source for cell in cells if "parameters" in cell.tags)
    lines = source.encode().splitlines()  # the parser counts bytes
    defaults, meanings = {}, {}
    try:
        for node in ast.parse(source).body:
            if not isinstance(node, ast.AnnAssign) or node.value is None or node.end_lineno is None:
                break
            name = ast.unparse(node.target)
            defaults[name] = ast.literal_eval(node.value)
            meanings[name] = lines[node.end_lineno - 1][node.end_col_offset :].decode().partition("#")[2].strip()
    except (SyntaxError, ValueError):
        pass  # no cell that the workflow runs; what was declared up to there is shown
    return [
        {
            "name": name,
            "value": _print_parameter(value),
            "default": name not in given,
            "meaning": meanings.get(name, ""),
        }
        for name, value in (defaults | dict(given)).items()
    ]


def _print_parameter(value: Any) -> _Value:
    """Return a value as it is; text without quotes, and what is long folded."""
    if isinstance(value, str):
        return _Value(value)
    text = repr(value)
    return _fold(text, len(value)) if isinstance(value, list | dict) else _Value(text)


def _describe_run(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return when a cell ran, how long, and on what."""
    machine = manifest["machine"]
    threads = f"{machine['threads']} {'thread' if machine['threads'] == 1 else 'threads'}"
    gpu = f" and {machine['gpu']}" if machine.get("gpu") else ""
    return {
        "started": f"{datetime.fromisoformat(manifest['started']):%Y-%m-%d %H:%M} UTC",
        "time": print_time(manifest["wall_seconds"]),
        "machine": f"{machine['cpu']}{gpu}, {threads}",
    }


def _describe_origin(
    result: CellResult, repeat: Repeat | None, page: Path, pages: Mapping[str, Path], report: Path
) -> dict[str, Any]:
    """Return what the manifest says, with links: to the data in the report, to the pages of cells whose results went in."""
    manifest, directory = result.run, _link(page, result.directory)
    inputs, data = [], []
    for path, digest in manifest["inputs"].items():
        folder, file = os.path.split(path)
        if file == "dataset.json":
            name = os.path.basename(folder)
            address: str | None = f"{_link(page, report)}#data-{name}"
            data.append((name, digest, address))
        else:
            address = _link(page, pages[folder]) if folder in pages else None
        inputs.append((path, digest, address))
    comparison = repeat.comparison if repeat else None
    return {
        "manifest": f"{directory}/manifest.json",
        "commit": result.commit,
        "data": data,
        "inputs": inputs,
        "outputs": [
            (name, digest, f"{directory}/{name}" if (result.directory / name).exists() else None)
            for name, digest in manifest["outputs"].items()
        ],
        "second": comparison
        and _describe_run(comparison.runs[1]) | {"commit": print_commit(comparison.runs[1]["git"])},
        "comparison": comparison,
    }


def _link(page: Path, target: Path) -> str:
    return Path(os.path.relpath(target, page.parent)).as_posix()


def _describe_plots(cells: Sequence[_Cell], directory: Path) -> dict[str, str]:
    """Return the descriptions of the plots that code draws, by the code: those they were saved with, in `directory`."""
    saved = {cell.source: re.search(r'save_figure\(\s*output,\s*"([^"]+)"', cell.source) for cell in cells}
    files = {source: directory / f"{found[1]}.svg" for source, found in saved.items() if found}
    return {source: describe_svg(file.read_text(encoding="utf-8")) for source, file in files.items() if file.exists()}
