"""Rendering of reports from made results."""

import json
from dataclasses import fields

import nbformat
import pytest

from gradlab.ledger import Entry
from gradlab.pages import render_pages
from gradlab.report import describe_trouble, print_corrected, print_figure, render_report, summarise
from gradlab.results import load_results


@pytest.fixture
def study(tmp_path, project):
    """A study of two planned autodiff cells, of which none has run, and a function that renders its report."""
    root = tmp_path / "results"
    root.mkdir()
    cells = {"autodiff/published/jump": {"case": "jump"}, "autodiff/published/power": {"case": "power"}}
    (root / "plan.json").write_text(json.dumps({"cells": cells}))

    def render():
        report = render_report(
            root / "plan.json",
            published=project / "workflow/published",
            templates=project / "workflow/report",
            data=tmp_path / "data",
        )
        return report.read_text(encoding="utf-8")

    render.root = root
    return render


def write_cell(root, name, parameters, notebook=None):
    folder = root / name
    folder.mkdir(parents=True)
    manifest = {
        "parameters": {**parameters, "output": str(folder)},
        "wall_seconds": 1.5,
        "machine": {"cpu": "made", "cores": 2, "system": "here", "threads": 1},
        "git": None,
        "versions": {"python": "3"},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "metrics.json").write_text(json.dumps({"jump.two_branches": 0.0, "jump.three_branches": -1728.0}))
    (folder / "curves.csv").write_text("x,metric,value\n")
    (folder / "answers.json").write_text(
        json.dumps([{"question": "Is 1 < 2?", "answer": "<b>Yes</b>", "evidence": "counted"}])
    )
    for figure in ("function", "detail"):
        (folder / f"{figure}.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    nbformat.write(notebook or nbformat.v4.new_notebook(), folder / "notebook.ipynb")


def test_renders_with_nothing_there_and_says_so(study):
    html = study()
    assert "0 of 2 planned cells ran" in html
    assert "2 missing (autodiff/published/jump, autodiff/published/power)" in html
    assert "No cell of this study has run." in html
    assert (study.root / "ledger.json").exists()


def test_shows_results_answers_and_what_is_missing(study):
    write_cell(study.root, "autodiff/published/jump", {"case": "jump"})
    html = study()
    assert "1 of 2 planned cells ran" in html
    assert "2 are reproduced to the last digit" in html
    assert "1 missing (autodiff/published/power)" in html
    assert 'href="pages/autodiff/published/jump.html"' in html
    assert "not in a repository" in html


def test_the_empty_log_of_a_cell_that_once_succeeded_is_no_failure(study):
    log = study.root / "logs/autodiff/published/power.ipynb"
    log.parent.mkdir(parents=True)
    log.touch()
    assert "2 missing (autodiff/published/jump, autodiff/published/power)" in study()


def test_text_from_results_is_escaped(study):
    write_cell(study.root, "autodiff/published/jump", {"case": "jump"})
    html = study()
    assert "&lt;b&gt;Yes&lt;/b&gt;" in html
    assert "<b>Yes</b>" not in html


def test_a_cell_that_ran_with_other_parameters_is_stale_and_its_figures_are_not_shown(study):
    write_cell(study.root, "autodiff/published/jump", {"case": "jump", "seed": 7})
    html = study()
    assert "1 stale (autodiff/published/jump)" in html
    assert "0 are reproduced to the last digit" in html


def test_pages_fold_code_and_run_no_script_of_the_notebook(study, project):
    hostile = "<script>document.title = 'taken'</script><img src=x onerror=alert(1)>"
    svg = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    notebook = nbformat.v4.new_notebook()
    html_output = nbformat.v4.new_output("display_data", data={"text/html": hostile, "text/plain": "plain"})
    svg_output = nbformat.v4.new_output("display_data", data={"image/svg+xml": svg})
    stream = nbformat.v4.new_output("stream", name="stdout", text=hostile)
    code = nbformat.v4.new_code_cell(
        f"print({hostile!r})", outputs=[html_output, svg_output, stream], execution_count=1
    )
    notebook.cells = [nbformat.v4.new_markdown_cell(f"# Title\n{hostile}"), code]
    write_cell(study.root, "autodiff/published/jump", {"case": "jump"}, notebook)
    results = load_results(study.root / "plan.json")
    render_pages(
        results.values(),
        study.root / "pages",
        template=project / "workflow/report/notebook",
        report=study.root / "report.html",
        style=study.root / "pages/style.css",
    )
    html = (study.root / "pages/autodiff/published/jump.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "<img src=x" not in html and '<img src="x" onerror' not in html
    assert "<details" in html
    assert 'href="../../../report.html"' in html
    assert 'href="../../style.css"' in html
    assert html.count("data:image/svg+xml;base64,") == 1


@pytest.mark.parametrize(
    "n, missing, mean, low, high, printed",
    [
        (None, None, None, None, None, "–"),
        (3, 0, 0.87321, 0.85, 0.89, "0.8732 [0.85, 0.89] (n = 3)"),
        (2, 3, 33750.0, None, None, "33750 (in 2 of 5 runs)"),
        (0, 5, None, None, None, "in none of 5 runs"),
        (1, 0, 0.0019, None, None, "0.0019"),
    ],
)
def test_corrected_runs_are_printed_with_interval_and_number(n, missing, mean, low, high, printed):
    names = {field.name for field in fields(Entry)}
    corrected = dict(zip(("n", "missing", "mean", "low", "high"), (n, missing, mean, low, high), strict=True))
    entry = Entry(**dict.fromkeys(names) | {f"corrected_{name}": value for name, value in corrected.items()})
    assert print_corrected(entry).replace("\N{NO-BREAK SPACE}", " ") == printed


def test_sentence_and_trouble_count_what_is_there(study):
    write_cell(study.root, "autodiff/published/jump", {"case": "jump"})
    results = load_results(study.root / "plan.json")
    assert summarise(results, []).startswith("1 of 2 planned cells ran. Of 0 published figures, 0 are reproduced")
    assert describe_trouble(results) == "1 missing (autodiff/published/power)"
    done = {name: result for name, result in results.items() if result.status == "done"}
    assert describe_trouble(done) == ""


@pytest.mark.parametrize(
    "value, printed",
    [(0.123456789, "0.123457"), (12000.0, "12000"), (3, "3"), (True, "True"), ("a", "a"), (2.5e-9, "2.5e-09")],
)
def test_numbers_have_six_digits(value, printed):
    assert print_figure(value) == printed
