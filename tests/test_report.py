"""Rendering of reports from made results."""

import json

import nbformat
import pytest
from bs4 import BeautifulSoup
from made_cells import finish_cell

from gradlab.pages import render_pages
from gradlab.report import render_report
from gradlab.results import load_results

JUMP = "autodiff/published/jump"
SVG = "<svg xmlns='http://www.w3.org/2000/svg'/>"


@pytest.fixture
def study(tmp_path, project):
    """A study of two planned autodiff cells, of which none has run, and a function that renders its report."""
    root = tmp_path / "results"
    root.mkdir()
    cells = {JUMP: {"case": "jump"}, "autodiff/published/power": {"case": "power"}}
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


def write_cell(root, name, parameters, notebook=None, **rest):
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps({"jump.two_branches": 0.0, "jump.three_branches": -1728.0}))
    (folder / "curves.csv").write_text("x,metric,value\n")
    (folder / "answers.json").write_text(
        json.dumps([{"question": "Is 1 < 2?", "answer": "<b>Yes</b>", "evidence": "counted"}])
    )
    for figure in ("function", "detail"):
        (folder / f"{figure}.svg").write_text(SVG)
    nbformat.write(notebook or nbformat.v4.new_notebook(), folder / "notebook.ipynb")
    finish_cell(folder, parameters, **rest)


def fail_cell(root, name, message):
    log = root / f"logs/{name}.ipynb"
    log.parent.mkdir(parents=True)
    error = nbformat.v4.new_output("error", ename="ValueError", evalue=message, traceback=[f"ValueError: {message}"])
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("fail()", outputs=[error])])
    nbformat.write(notebook, log)


def tile_of(html, name):
    document = BeautifulSoup(html, "html.parser")
    (tile,) = (tile for tile in document.select(".family li") if tile.select_one(".tile").get_text() == name)
    return tile


def test_renders_with_nothing_there_and_says_so(study):
    html = study()
    assert "0 of 2 planned cells ran" in html
    assert "2 missing (autodiff/published/jump, autodiff/published/power)" in html
    assert "No cell of this study has run." in html
    assert "No cell has run." in html
    assert "– missing" in tile_of(html, "jump").get_text()
    assert (study.root / "ledger.json").exists()


def test_shows_results_answers_and_what_is_missing(study):
    write_cell(study.root, JUMP, {"case": "jump"})
    html = study()
    assert "1 of 2 planned cells ran" in html
    assert "2 are exact" in html
    assert "1 missing (autodiff/published/power)" in html
    assert 'href="pages/autodiff/published/jump.html"' in html
    assert "not in a repository" in html
    tile = tile_of(html, "jump")
    assert tile.img["src"] == "autodiff/published/jump/detail.svg"
    assert "2 s" in tile.get_text()


def test_the_empty_log_of_a_cell_that_once_succeeded_is_no_failure(study):
    log = study.root / "logs/autodiff/published/power.ipynb"
    log.parent.mkdir(parents=True)
    log.touch()
    assert "2 missing (autodiff/published/jump, autodiff/published/power)" in study()


def test_a_failed_cell_is_marked_and_its_traceback_linked(study):
    fail_cell(study.root, JUMP, "broken <on> purpose")
    html = study()
    assert "1 failed (autodiff/published/jump)" in html
    tile = tile_of(html, "jump")
    assert "✗ failed" in tile.get_text()
    assert [link["href"] for link in tile.select("a")][-1] == "pages/autodiff/published/jump.html#failure"
    page = (study.root / "pages/autodiff/published/jump.html").read_text(encoding="utf-8")
    assert 'id="failure"' in page and 'href="#error"' in page and 'id="error"' in page
    assert "ValueError: broken &lt;on&gt; purpose" in page


def test_text_from_results_is_escaped(study):
    write_cell(study.root, JUMP, {"case": "jump"})
    html = study()
    assert "&lt;b&gt;Yes&lt;/b&gt;" in html
    assert "<b>Yes</b>" not in html


def test_a_cell_that_ran_with_other_parameters_is_stale_and_its_figures_are_not_shown(study):
    write_cell(study.root, JUMP, {"case": "jump", "seed": 7})
    html = study()
    assert "1 stale (autodiff/published/jump)" in html
    assert "0 are exact" in html
    assert "-1728</a>" not in html
    assert "ran with seed = 7, planned is None" in tile_of(html, "jump").get_text()
    page = (study.root / "pages/autodiff/published/jump.html").read_text(encoding="utf-8")
    assert "↺ stale:" in page and "ran with seed = 7, planned is None" in page


def test_a_page_says_where_its_numbers_come_from(study, tmp_path):
    data = tmp_path / "data/made/dataset.json"
    data.parent.mkdir(parents=True)
    data.write_text(json.dumps({"name": "made", "content": {"images": "sha256:0123"}}))
    write_cell(study.root, JUMP, {"case": "jump"}, inputs=[data])
    report = BeautifulSoup(study(), "html.parser")
    page = study.root / "pages/autodiff/published/jump.html"
    origin = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").find(id="origin")
    manifest = (page.parent / origin.find("a", string="manifest.json")["href"]).resolve()
    digest = json.loads(manifest.read_text())["inputs"][str(data)]
    assert origin.find("a", string="made")["href"] == "../../../report.html#data-made"
    assert digest in origin.get_text()
    shown = report.find(id="data-made")
    assert digest in shown.find_next("p").get_text()
    assert "every cell that used it names this digest" in shown.find_next("p").get_text()
    assert "sha256:0123" in shown.find_next("table").get_text()
    outputs = [link["href"] for link in origin.select("table a")]
    assert "../../../autodiff/published/jump/metrics.json" in outputs


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
    write_cell(study.root, JUMP, {"case": "jump"}, notebook)
    render_pages(
        load_results(study.root / "plan.json"),
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
    # Should a script slip through, the page's own policy keeps it from running.
    policy = BeautifulSoup(html, "html.parser").find("meta", {"http-equiv": "Content-Security-Policy"})["content"]
    assert policy.startswith("default-src 'none';") and "script-src" not in policy
