"""Renders the report: the article, the ledger, a page for every study and for every executed notebook, from what cells left.

It renders whatever is there: cells that failed, are missing or ran with other parameters are shown as such.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradlab.engine.claims import find_errata
from gradlab.engine.ledger import Entry, build_ledger, count_verdicts, save_ledger
from gradlab.engine.material import Material, gather_material, list_comparisons
from gradlab.engine.plan import REPORT, describe_report, find_studies
from gradlab.engine.results import PlanError, load_plan, load_results
from gradlab.engine.robustness import ROBUSTNESS, load_robustness
from gradlab.engine.study import Study, StudyError
from gradlab.engine.verify import COMPARISON, RepeatabilityError, judge_repeats, load_comparisons
from gradlab.files import remedy_of, save_json, sha256
from gradlab.lifetime import stop_with_run
from gradlab.report.blocks import Cited
from gradlab.report.comparisons import tabulate_family
from gradlab.report.ledger import render_ledger
from gradlab.report.links import Links
from gradlab.report.numbers import mark_numbers
from gradlab.report.overview import (
    SYMBOLS,
    describe_trouble,
    list_deviations,
    list_differences,
    print_reproduced,
    summarise,
    summarise_repeats,
    tabulate_causes,
    tabulate_power,
)
from gradlab.report.page import TEMPLATES, read_template, render_page, write_text
from gradlab.report.pages import render_pages
from gradlab.report.provenance import describe_data, describe_provenance, describe_repeats, measure_cost
from gradlab.report.rounding import describe_rounding, summarise_rounding
from gradlab.report.sections import Section, build_sections
from gradlab.report.speed import BenchmarkError, tabulate_benchmarks
from gradlab.report.study_page import SCRIPTS, address_plots, render_study, save_plots
from gradlab.report.timeline import draw_run


def render_report(plan_file: Path, *, data: Path, benchmarks: Path | None = None) -> str:
    """Write the ledger, the pages of studies and notebooks, the report's plots and `report.html` beside the plan.

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
    str
        What it says in a few lines, and where it lies.

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
    (root / "figures").mkdir(exist_ok=True)  # the workflow waits for it, also where no section draws one
    style = root / "pages/style.css"
    write_text(style, read_template("style.css"))
    report = root / "report.html"
    render_pages(
        results,
        repeats,
        root / "pages",
        studies=studies,
        figures=ledger.figures,
        template=TEMPLATES / "notebook",
        report=report,
        style=style,
    )
    render_ledger(ledger, materials, studies, links, root)
    sections = build_sections(materials.values())
    for section in sections:
        save_plots(section, links)
        render_study(section, replace(links, up="../"), repeats)
    run = draw_run(results, studies)
    if run:
        write_text(root / "figures/run.svg", run.svg)
        write_text(root / "figures/run.csv", run.data)
    differences = list_differences(ledger.figures, studies)
    sentence, trouble = summarise(results, ledger.entries), describe_trouble(results)
    render_page(
        report,
        "report.html.j2",
        links,
        scripts=SCRIPTS,
        sentence=sentence,
        trouble=trouble,
        differing=[name for name, repeat in repeats.items() if repeat.state == "differs"],
        marked=mark_numbers(ledger, studies, links),
        verdicts={verdict: count for verdict, count in count_verdicts(ledger.entries).items() if count},
        sections=[_section_context(section, materials[section.study.name], links) for section in sections],
        errata=errata,
        family=tabulate_family(materials.values()),
        rounding=robustness and summarise_rounding(robustness, results, studies),
        rounding_tables=describe_rounding(robustness, results, studies, ledger) if robustness else [],
        rounding_damage=rounding_damage,
        differences=differences,
        deviations=list_deviations([section.study for section in sections]),
        causes=tabulate_causes(ledger.entries) if ledger.entries else None,
        power=tabulate_power(ledger, studies),
        cost=measure_cost(results, studies),
        run=run,
        run_address={"svg": "figures/run.svg", "data": "figures/run.csv"},
        speed=tabulate_benchmarks(benchmarks) if benchmarks else None,
        repeats=summarise_repeats(repeats),
        second_runs=describe_repeats(repeats, comparisons or {}),
        compared=[name for name, found in ((COMPARISON, comparisons), (ROBUSTNESS, robustness)) if found],
        comparison_damage=damage,
        provenance=describe_provenance(results, studies),
        data=describe_data(results, data),
    )
    _save_manifest(plan, root, studies, [root / COMPARISON, root / ROBUSTNESS, *filter(None, [benchmarks])])
    return "\n".join([sentence, *([f"Not complete: {trouble}"] if trouble else []), f"Report: {report}"])


def _section_context(section: Section, material: Material, links: Links) -> dict[str, Any]:
    return {
        "study": section.study,
        "headlines": section.headlines,
        "conclusions": section.conclusions,
        "ran": any(cell.status == "done" for cell in material.results.values()),
        "lead": section.lead,
        "addresses": address_plots(section, links),
        "principal": [_principal_row(entry, links) for entry in section.principal],
    }


def _principal_row(entry: Entry, links: Links) -> dict[str, Any]:
    ours, detail = print_reproduced(entry)
    return {
        "entry": entry,
        "ours": Cited(ours, entry.cells) if entry.cells else ours,
        "detail": detail,
        "symbol": SYMBOLS[entry.verdict],
        "address": links.row(entry),
    }


def _save_manifest(
    plan: Mapping[str, Any], root: Path, studies: Mapping[str, Study], materials: Sequence[Path]
) -> None:
    """Write what the report was made from, and what belongs to it, so that the workflow can tell whether it is up to date."""
    made = [root / file for file in REPORT]
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Render the report of a plan, whatever is there; print what is wrong and return 1 where it cannot be rendered."""
    parser = argparse.ArgumentParser(prog="gradlab report", description="Render the report of a study.")
    parser.add_argument("plan", type=Path, help="the study's plan, beside which the results lie")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the prepared data sets")
    parser.add_argument("--benchmarks", type=Path, help="the file that `make bench` wrote, where there is one")
    options = parser.parse_args(arguments)
    try:
        told = render_report(options.plan, data=options.data, benchmarks=options.benchmarks)
    except (PlanError, BenchmarkError, StudyError) as error:
        print(f"gradlab: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"gradlab: the report beside {options.plan} cannot be rendered: {error}; {remedy_of(error)}",
            file=sys.stderr,
        )
        return 1
    print(told, file=sys.stderr)
    return 0


def run_job(arguments: Sequence[str] | None = None) -> int:
    """Render the report, see `main`, as a job that ends with its run."""
    stop_with_run()
    return main(arguments)
