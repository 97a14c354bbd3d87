"""Renders the report of a study, and a page for every executed notebook, from what the cells left behind.

It renders whatever is there: cells that failed, are missing or ran with other parameters are shown as such.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gradlab import __version__
from gradlab.engine.claims import find_errata
from gradlab.engine.ledger import build_ledger, save_ledger
from gradlab.engine.material import gather_material, list_comparisons
from gradlab.engine.plan import describe_report, find_studies
from gradlab.engine.results import CellResult, PlanError, load_plan, load_results
from gradlab.engine.robustness import ROBUSTNESS, load_robustness
from gradlab.engine.study import Study, StudyError
from gradlab.engine.verify import COMPARISON, Repeat, RepeatabilityError, judge_repeats, load_comparisons
from gradlab.files import atomic_path, remedy_of, save_json, sha256
from gradlab.lifetime import stop_with_run
from gradlab.report.blocks import Gallery, Picture
from gradlab.report.comparisons import tabulate_family
from gradlab.report.families import Family, label_family
from gradlab.report.ledger import render_ledger
from gradlab.report.links import Links
from gradlab.report.overview import (
    describe_trouble,
    list_deviations,
    list_differences,
    summarise,
    summarise_repeats,
    tabulate_causes,
    tabulate_power,
)
from gradlab.report.pages import render_pages
from gradlab.report.provenance import describe_data, describe_provenance, describe_repeats, measure_cost
from gradlab.report.rounding import describe_rounding, summarise_rounding
from gradlab.report.sections import Section, build_sections
from gradlab.report.speed import BenchmarkError, tabulate_benchmarks
from gradlab.report.text import print_figure, print_time

TEMPLATES = Path(__file__).with_name("templates")
_STATUS_SYMBOLS = {"done": "✓", "failed": "✗", "missing": "–", "stale": "↺"}


def render_report(plan_file: Path, *, data: Path, benchmarks: Path | None = None) -> Path:
    """Write the ledger, its page, the notebook pages, the report's figures and `report.html` beside the plan.

    Parameters
    ----------
    plan_file
        The study's plan, beside which the results lie, and the comparison with a second run where there is one.
    data
        The folder of the prepared data sets.
    benchmarks
        The file that `make bench` wrote; None, or a file that is not there, for none.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    PlanError, BenchmarkError, StudyError
        The plan, or the file of benchmarks, cannot be read, or a study of the plan is not there.
    """
    root = plan_file.parent
    results = load_results(plan_file)
    plan = load_plan(plan_file)
    studies = find_studies(plan)
    comparisons, damage = _load(load_comparisons, root / COMPARISON)
    robustness, rounding_damage = _load(load_robustness, root / ROBUSTNESS)
    repeats = judge_repeats(results, comparisons or {})
    links = Links(results, root)
    ledger = build_ledger(results, studies, root=root)
    materials = gather_material(studies, results, ledger)
    errata = find_errata(materials.values())
    save_ledger(ledger, errata, root, comparisons=list_comparisons(materials.values()))
    report, style = root / "report.html", root / "pages/style.css"
    rules = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    (root / "figures").mkdir(exist_ok=True)  # the workflow waits for it, also where no section draws one
    _write(style, rules)
    render_pages(results, repeats, root / "pages", template=TEMPLATES / "notebook", report=report, style=style)
    sections = build_sections(materials.values())
    render_ledger(ledger, materials, studies, links, root)
    html = _load_template(links).render(
        version=__version__,
        style=rules,
        sentence=summarise(results, ledger.entries),
        trouble=describe_trouble(results),
        differing=[name for name, repeat in repeats.items() if repeat.state == "differs"],
        causes=tabulate_causes(ledger.entries) if ledger.entries else None,
        power=tabulate_power(ledger, studies),
        family=tabulate_family(materials.values()),
        differences=list_differences(ledger.figures, studies),
        deviations=list_deviations([section.study for section in sections]),
        errata=errata,
        sections=[_section_context(section, links, repeats) for section in sections],
        cost=measure_cost(results, studies),
        speed=tabulate_benchmarks(benchmarks) if benchmarks else None,
        repeats=summarise_repeats(repeats),
        second_runs=describe_repeats(repeats, comparisons or {}),
        compared=[name for name, found in ((COMPARISON, comparisons), (ROBUSTNESS, robustness)) if found],
        comparison_damage=damage,
        rounding=robustness and summarise_rounding(robustness, results, studies),
        rounding_tables=describe_rounding(robustness, results, studies, ledger) if robustness else [],
        rounding_damage=rounding_damage,
        provenance=describe_provenance(results, studies),
        data=describe_data(results, data),
    )
    _write(report, html)
    _save_manifest(plan, root, studies, [root / COMPARISON, root / ROBUSTNESS, *filter(None, [benchmarks])])
    return report


def _save_manifest(
    plan: Mapping[str, Any], root: Path, studies: Mapping[str, Study], materials: Sequence[Path]
) -> None:
    """Write what the report was made from, and what belongs to it, so that the workflow can tell whether it is up to date."""
    made = [root / file for file in ("report.html", "ledger.html", "ledger.json", "ledger.csv", "errata.csv")]
    made += [file for folder in ("pages", "figures") for file in (root / folder).rglob("*") if file.is_file()]
    outputs = {str(file.relative_to(root)): sha256(file) for file in sorted(made)}
    made_from = describe_report(plan, root, studies.values(), materials)
    save_json(root / "manifest.json", made_from | {"outputs": outputs})


def _load(load: Callable[[Path], Any], file: Path) -> tuple[Any, str]:
    """Return what a comparison with a second run found, and what is wrong with its file; the report is made all the same."""
    try:
        return load(file), ""
    except RepeatabilityError as error:
        return None, str(error)


def _load_template(links: Links) -> Any:
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"figure": print_figure, "origin": links.origin, "evidence": links.evidence}
    return environment.get_template("report.html.j2")


def _section_context(section: Section, links: Links, repeats: Mapping[str, Repeat]) -> dict[str, Any]:
    protocols: dict[str, list[dict[str, Any]]] = {}
    for family, members in links.families.items():
        if family.study == section.study.name:
            protocols.setdefault(family.protocol, []).append(_family_context(family, members, links, repeats))
    return {
        "study": section.study.name,
        "about": section.study,
        "conclusions": section.conclusions,
        "blocks": section.blocks,
        "addresses": {
            picture.name: _place_picture(picture, section.study.name, links) for picture in _list_pictures(section)
        },
        "protocols": protocols.items(),
    }


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
    figures = [name for name in cell.manifest["outputs"] if name.endswith(".svg")] if done else []
    return {
        "name": cell.cell,
        "full_name": cell.name,
        "status": cell.status,
        "symbol": _STATUS_SYMBOLS[cell.status],
        "outdated": "; ".join(cell.outdated),
        "page": links.page(cell),
        "thumbnail": links.relative(cell.directory / figures[0]) if figures else None,
        "time": print_time(cell.manifest["wall_seconds"]) if done else None,
        "manifest": links.relative(cell.directory / "manifest.json") if done else None,
        "repeat": repeat,
    }


def _list_pictures(section: Section) -> Iterator[Picture]:
    for block in section.blocks:
        if isinstance(block, Picture):
            yield block
        elif isinstance(block, Gallery):
            yield from block.pictures


def _place_picture(picture: Picture, study: str, links: Links) -> str:
    """Return the address of a picture; one of the report's own is written to the folder of its figures."""
    if picture.file is not None:
        return links.relative(picture.file)
    file = links.root / "figures" / study / f"{picture.name}.svg"
    _write(file, picture.svg)
    return links.relative(file)


def _write(file: Path, text: str) -> None:
    with atomic_path(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Render the report of a plan, whatever is there; print what is wrong and return 1 where it cannot be rendered."""
    parser = argparse.ArgumentParser(prog="python -m gradlab.report.build", description="Render the report of a study.")
    parser.add_argument("plan", type=Path, help="the study's plan, beside which the results lie")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the prepared data sets")
    parser.add_argument("--benchmarks", type=Path, help="the file that `make bench` wrote, where there is one")
    options = parser.parse_args(arguments)
    try:
        report = render_report(options.plan, data=options.data, benchmarks=options.benchmarks)
    except (PlanError, BenchmarkError, StudyError) as error:
        print(f"gradlab: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"gradlab: the report beside {options.plan} cannot be rendered: {error}; {remedy_of(error)}",
            file=sys.stderr,
        )
        return 1
    print(f"report: {report}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    stop_with_run()
    sys.exit(main())
