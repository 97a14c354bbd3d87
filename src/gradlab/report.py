"""Renders the report of a study, and a page for every executed notebook, from what the cells left behind.

It renders whatever is there: cells that failed, are missing or ran with other parameters are shown as such.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gradlab import __version__
from gradlab.blocks import Table
from gradlab.errata import Erratum, find_errata
from gradlab.files import atomic_path
from gradlab.ledger import Entry, build_ledger, count_verdicts, save_ledger
from gradlab.material import Material
from gradlab.pages import page_of, render_pages
from gradlab.results import CellResult, load_results
from gradlab.sections import Section, build_sections

SYMBOLS = {"exact": "✓", "within": "✓", "inside interval": "✓", "erratum": "!", "outside": "✗", "not run": "–"}
RULES = {
    "exact": "the same digits",
    "within": "close enough",
    "below": "small enough",
    "interval": "inside the prediction interval of our seeds",
    "erratum": "misprinted; held against its own log",
}


def render_report(plan_file: Path, *, published: Path, templates: Path, data: Path) -> Path:
    """Write the ledger, the notebook pages and `report.html` beside the plan.

    Parameters
    ----------
    plan_file
        The study's plan, beside which the results lie.
    published
        The folder of the published figures.
    templates
        The folder of the report's template, style sheet and notebook template.
    data
        The folder of the prepared data sets.

    Returns
    -------
    Path
        The report.
    """
    root = plan_file.parent
    results = load_results(plan_file)
    entries = build_ledger(results, published, root=root)
    material = Material(results, entries, published)
    errata = find_errata(material)
    save_ledger(entries, errata, root)
    report, pages = root / "report.html", root / "pages"
    style = (templates / "style.css").read_text(encoding="utf-8")
    with atomic_path(pages / "style.css") as temporary:
        temporary.write_text(style, encoding="utf-8")
    render_pages(results.values(), pages, template=templates / "notebook", report=report, style=pages / "style.css")
    environment = Environment(loader=FileSystemLoader(templates), autoescape=True, undefined=StrictUndefined)
    environment.filters["figure"] = print_figure
    html = environment.get_template("report.html.j2").render(
        version=__version__,
        style=style,
        sentence=summarise(results, entries),
        trouble=describe_trouble(results),
        ledger=[
            (section, [_ledger_row(entry, results, root) for entry in group])
            for section, group in groupby(entries, key=lambda entry: entry.study.replace("_", " "))
        ],
        errata=[_erratum_context(erratum, results, root) for erratum in errata],
        sections=[_section_context(section, results, root) for section in build_sections(material)],
        provenance=describe_provenance(results, data),
    )
    with atomic_path(report) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return report


def summarise(results: Mapping[str, CellResult], entries: Sequence[Entry]) -> str:
    """Say in one sentence what was planned, what ran, and how the published figures fared."""
    done = sum(result.status == "done" for result in results.values())
    counts = count_verdicts(entries)
    return (
        f"{done} of {len(results)} planned cells ran. Of {len(entries)} published figures, {counts['exact']} are "
        f"reproduced to the last digit, {counts['within']} lie within their tolerance, {counts['inside interval']} "
        f"inside the interval of our seeds, {counts['erratum']} are misprints of the notebook, {counts['outside']} "
        f"differ, and {counts['not run']} {'was' if counts['not run'] == 1 else 'were'} not compared."
    )


def describe_trouble(results: Mapping[str, CellResult]) -> str:
    """Name the cells that are not complete; an empty text where all are."""
    names: dict[str, list[str]] = {}
    for result in results.values():
        if result.status != "done":
            names.setdefault(result.status, []).append(result.name)
    parts = []
    for status, cells in names.items():
        shown = ", ".join(cells[:5]) + (f" and {len(cells) - 5} more" if len(cells) > 5 else "")
        parts.append(f"{len(cells)} {status} ({shown})")
    return "; ".join(parts)


def describe_provenance(results: Mapping[str, CellResult], data: Path) -> list[Table]:
    """Return tables of the machine, the versions, the commit and the data behind the results that are there."""
    manifests = [result.manifest for result in results.values() if result.status == "done"]
    seconds = sum(manifest["wall_seconds"] for manifest in manifests)
    rows: list[list[Any]] = [["cells", len(manifests)], ["hours of one thread", round(seconds / 3600, 3)]]
    facts = {
        "processor": [f"{m['machine']['cpu']}, {m['machine']['cores']} cores" for m in manifests],
        "system": [m["machine"]["system"] for m in manifests],
        "threads of a cell": [str(m["machine"]["threads"]) for m in manifests],
        "commit": [_describe_commit(m["git"]) for m in manifests],
        **{name: [m["versions"][name] for m in manifests] for name in (manifests[0]["versions"] if manifests else ())},
    }
    for name, values in facts.items():
        rows += [
            [name, value if count == len(manifests) else f"{value} ({count} cells)"]
            for value, count in Counter(values).items()
        ]
    tables = [Table("What the cells ran on", ["", ""], rows)]
    digests = []
    for description in sorted(data.glob("*/dataset.json")):
        content = json.loads(description.read_text(encoding="utf-8"))
        digests += [[content["name"], file, digest] for file, digest in content["content"].items()]
    if digests:
        tables.append(Table("The data, by the digests of its content", ["Data set", "File", "Digest"], digests))
    return tables


def _describe_commit(git: Mapping[str, Any] | None) -> str:
    if git is None:
        return "not in a repository"
    return git["commit"] + (", with uncommitted changes" if git["dirty"] else "")


def print_figure(value: Any, digits: int = 6) -> str:
    """Return a number with at most `digits` significant digits, anything else as text."""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    return f"{value:.{digits}g}"


def _ledger_row(entry: Entry, results: Mapping[str, CellResult], root: Path) -> dict[str, Any]:
    values = entry.reproduced if isinstance(entry.reproduced, list) else [entry.reproduced]
    known = [value for value in values if value is not None]
    note = RULES[entry.rule]
    reasons = [part for part in (entry.note, entry.why if entry.verdict != "not run" else None) if part]
    return {
        "id": entry.id,
        "source": entry.source,
        "published": entry.published,
        "shown": entry.shown,
        "reproduced": print_figure(sum(known) / len(known), max(6, len(Decimal(entry.published).as_tuple().digits)))
        if known
        else "–",
        "difference": "–" if entry.difference is None else f"{entry.difference:+.2g}" if entry.difference else "0",
        "verdict": entry.verdict,
        "symbol": SYMBOLS[entry.verdict],
        "note": f"{note}: {'; '.join(reasons)}" if reasons else note,
        "corrected": print_corrected(entry),
        "page": _page_link(results[entry.cell], root) if entry.cell in results else None,
    }


def print_corrected(entry: Entry) -> str:
    """Return the mean of the corrected runs, with interval and number where there are several."""
    if entry.corrected_n is None:
        return "–"
    runs = entry.corrected_n + entry.corrected_missing
    if entry.corrected_mean is None:
        return f"in none of {runs} runs"
    mean = print_figure(entry.corrected_mean, 5 if entry.corrected_mean > 1 else 4)
    if entry.corrected_missing:
        return f"{mean} (in {entry.corrected_n} of {runs} runs)"
    if entry.corrected_low is None:
        return mean
    low, high = (print_figure(end, 5 if end > 1 else 4) for end in (entry.corrected_low, entry.corrected_high))
    interval, number = f"[{low}, {high}]", f"(n = {entry.corrected_n})"
    return " ".join([mean, *(part.replace(" ", "\N{NO-BREAK SPACE}") for part in (interval, number))])


def _erratum_context(erratum: Erratum, results: Mapping[str, CellResult], root: Path) -> dict[str, Any]:
    links = [(name, _page_link(results[name], root)) for name in erratum.cells]
    return {"erratum": erratum, "links": links}


def _section_context(section: Section, results: Mapping[str, CellResult], root: Path) -> dict[str, Any]:
    cells = [result for result in results.values() if result.study == section.study]
    return {
        "study": section.study,
        "title": section.title,
        "question": section.question,
        "conclusions": section.conclusions,
        "blocks": section.blocks,
        "cells": [
            {
                "name": cell.name,
                "status": cell.status,
                "seconds": cell.manifest["wall_seconds"] if cell.manifest else None,
                "page": _page_link(cell, root),
                "files": [
                    (file, (cell.directory / file).relative_to(root).as_posix())
                    for file in ("metrics.json", "curves.csv", "manifest.json")
                    if (cell.directory / file).exists()
                ],
            }
            for cell in cells
        ],
    }


def _page_link(cell: CellResult, root: Path) -> str | None:
    return page_of(cell, root / "pages").relative_to(root).as_posix() if cell.notebook else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Render the report of a plan, whatever is there."""
    parser = argparse.ArgumentParser(prog="python -m gradlab.report", description="Render the report of a study.")
    parser.add_argument("plan", type=Path, help="the study's plan, beside which the results lie")
    parser.add_argument("--published", type=Path, required=True, help="the folder of the published figures")
    parser.add_argument("--templates", type=Path, required=True, help="the folder of the templates")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the prepared data sets")
    options = parser.parse_args(arguments)
    report = render_report(options.plan, published=options.published, templates=options.templates, data=options.data)
    print(f"report: {report}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
