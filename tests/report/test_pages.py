"""Pages of executed notebooks, from made results."""

import json
import shutil

import nbformat
import pytest
from bs4 import BeautifulSoup
from made_report import SVG
from made_runs import seal

JUMP, SEEDS = "slopes/published/jump", "slopes/corrected/seeds"
METRICS = {"jump.left": 0.123456789012, "jump.right": -1728, "jump.moves": False, "jump.never": None}


@pytest.fixture
def study(made):
    """A study of a published cell and a corrected one, of which none has run, and its report."""
    figures = [
        {"id": "jump.left", "value": "0.123456789012", "claim": "slope on the left"},
        {"id": "jump.right", "value": "-1729"},
        {"id": "jump.far", "value": "0.50", "cell": "jump", "point": {"x": 1, "metric": "far"}},
    ]
    made.add_study("slopes", figures)
    made.plan(
        {
            JUMP: {"parameters": {"case": "jump"}, "metrics": [*METRICS], "figures": ["function.svg"]},
            SEEDS: {"metrics": ["jump.right", "jump.path"], "replicates": [0, 1]},
        }
    )
    return made


def read_table(section):
    """The text of every cell of a table, row by row, without what is written small or folded."""
    for detail in section.select("small, details > :not(summary)"):
        detail.decompose()
    return [[cell.get_text() for cell in row.select("th, td")] for row in section.select("tbody tr")]


# What is said of the cell --------------------------------------------------------------------------


def test_a_page_opens_with_its_study_its_cell_and_its_run(study):
    study.finish(JUMP, METRICS, machine={"cpu": "made", "cores": 2, "system": "here", "threads": 2})
    study.render()
    page = study.read_page(JUMP)
    assert page.title.get_text() == "jump, published – Slopes of functions"
    assert [(link.get_text(), link["href"]) for link in page.select("header nav a")] == [
        ("Report", "../../../report.html"),
        ("Slopes of functions", "../../slopes.html"),
    ]
    assert page.h1.get_text() == "jump published protocol"
    said = " ".join(page.select_one("header p").get_text().split())
    assert said == "✓ done: run on 2026-01-01 12:00 UTC in 2 s on made, 2 threads. Origin, notebook file"


def test_results_stand_before_the_notebook_with_what_was_published_and_its_verdict(study):
    text = nbformat.v4.new_markdown_cell("# Title")
    study.finish(JUMP, METRICS, notebook=nbformat.v4.new_notebook(cells=[text]), curves=["1,far,0.5"])
    study.render()
    results, notebook, _ = study.read_page(JUMP).main.find_all("section", recursive=False)
    assert results["id"] == "results" and notebook.get_text().strip() == "Title"
    assert [cell.get_text() for cell in results.select("thead th")] == ["Metric", "Here", "Published", "Verdict"]
    assert results.select_one("tbody th").get_text() == "slope on the leftjump.left"
    assert read_table(results) == [
        ["slope on the left", "0.123456789012", "0.123456789012", "= exact"],
        ["jump.right", "-1728", "-1729", "≠ not reproduced"],
        ["jump.far", "0.5", "0.50", "= exact"],
        ["jump.moves", "False", "", ""],
        ["jump.never", "–", "", ""],
    ]


def test_runs_under_several_seeds_are_a_mean_with_its_interval_and_each_is_kept(study):
    study.finish(SEEDS, {"jump.right": [-1728.0, -1730.0], "jump.path": [0.1 + 0.2 * step for step in range(30)]})
    study.render()
    results = study.read_page(SEEDS).find(id="results")
    assert [cell.get_text() for cell in results.select("thead th")] == ["Metric", "Here", "Published"]
    seeds, path = (row.select_one("details") for row in results.select("tbody tr"))
    assert seeds.summary.get_text().endswith("n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}2")
    assert seeds.get_text().endswith("-1728, -1730")
    assert path.summary.get_text() == "30 values" and path.code.get_text().startswith("0.1, 0.3, ")
    assert read_table(results)[0][2] == "-1729"


def test_a_list_without_a_value_says_so(study):
    study.finish(JUMP, {**METRICS, "jump.moves": []})
    study.render()
    rows = read_table(study.read_page(JUMP).find(id="results"))
    assert ["jump.moves", "none"] in [row[:2] for row in rows]


@pytest.mark.parametrize("state", ["failed", "stale"])
def test_a_cell_that_is_not_done_shows_no_results(study, state):
    if state == "failed":
        study.fail(JUMP)
    else:
        study.finish(JUMP, METRICS, parameters={"case": "other"})
    study.render()
    page = study.read_page(JUMP)
    assert page.select_one(f"header .status.{state}") and not page.select("#results, .status.done")


def test_parameters_are_a_table_with_what_the_notebook_says_of_them(study):
    declared = (
        'case: str = "jump"  # which function: jump, not #power\nλ: float = 0.5\nruns: list = []  # results of others'
    )
    cells = [nbformat.v4.new_code_cell(declared), nbformat.v4.new_code_cell("# Parameters\ncase = 'none'")]
    for cell, tag in zip(cells, ("parameters", "injected-parameters"), strict=True):
        cell.metadata.tags = [tag]
    notebook = nbformat.v4.new_notebook(cells=cells)
    runs = [f"results/slopes/published/{number}" for number in range(9)]
    notebook.metadata.papermill = {"parameters": {"case": "none", "runs": runs, "output": "results"}}
    page = page_of(study, notebook)
    table = page.find(id="parameters")
    assert table.select_one("details code").get_text() == repr(runs)
    assert read_table(table) == [
        ["case", "none", "which function: jump, not #power"],
        ["λ", "0.5 by default", ""],
        ["runs", "9 values", "results of others"],
        ["output", "results", ""],
    ]
    assert [code.summary.get_text() for code in page.select("details.code")] == ["Code: parameters and their defaults"]
    assert not page.select("details[open]")


# What the notebook holds ---------------------------------------------------------------------------


def test_pages_fold_code_and_run_no_script_of_the_notebook(study):
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
    study.finish(JUMP, METRICS, notebook=notebook)
    study.render()
    html = (study.root / f"pages/{JUMP}.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "<img src=x" not in html and '<img src="x" onerror' not in html
    assert "<details" in html
    assert 'href="../../../report.html"' in html
    assert 'href="../../style.css"' in html
    assert html.count("data:image/svg+xml;base64,") == 1
    # Should a script slip through, the page's own policy keeps it from running.
    policy = BeautifulSoup(html, "html.parser").find("meta", {"http-equiv": "Content-Security-Policy"})["content"]
    assert policy.startswith("default-src 'none';") and "script-src" not in policy


def page_of(study, notebook):
    """The page of a cell with the given notebook, parsed."""
    study.finish(JUMP, METRICS, notebook=notebook)
    study.render()
    return study.read_page(JUMP)


def show(study, **data):
    """What a page shows of an output in the given forms."""
    output = nbformat.v4.new_output("display_data", data={name.replace("_", "/"): text for name, text in data.items()})
    page = page_of(study, nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=[output])]))
    return page.select_one("details.code").find_next_siblings()[:-1]  # the last one is the origin


@pytest.mark.parametrize(
    "forms, name, text",
    [
        ({"text_html": "<table><tr><td>1</td></tr></table>", "text_plain": "one"}, "div", "1"),
        ({"text_markdown": "**bold**", "text_plain": "plain"}, "section", "bold\n"),
        ({"text_plain": "a < b"}, "pre", "a < b"),
        ({"text_latex": "$x$", "text_plain": "x"}, "pre", "x"),
    ],
)
def test_an_output_is_shown_in_the_first_form_that_a_page_can_show(study, forms, name, text):
    (shown,) = show(study, **forms)
    assert (shown.name, shown.get_text()) == (name, text)


def test_a_heading_of_a_table_with_nothing_in_it_is_a_plain_cell(study):
    (shown,) = show(study, text_html="<table><tr><th></th><th>a</th></tr></table>")
    assert [cell.name for cell in shown.select("tr > *")] == ["td", "th"]


def test_an_output_without_a_form_that_a_page_can_show_is_left_out(study):
    assert show(study, application_json="{}") == []


def test_pictures_are_embedded_with_the_text_they_were_saved_with(study):
    png = nbformat.v4.new_output("display_data", data={"image/png": "iVBOR\nw0KGgo=\n"})
    code = [
        nbformat.v4.new_code_cell('save_figure(output, "function", figure, alt=alt)', outputs=[png]),
        nbformat.v4.new_code_cell("figure", outputs=[png]),
    ]
    described = SVG.replace("/>", "><dc:description>A jump at 0 &amp; 1</dc:description></svg>")
    study.finish(JUMP, METRICS, notebook=nbformat.v4.new_notebook(cells=code), svg=described)
    study.render()
    assert [(image["src"], image["alt"]) for image in study.read_page(JUMP).select("img")] == [
        ("data:image/png;base64,iVBORw0KGgo=", "A jump at 0 & 1"),
        ("data:image/png;base64,iVBORw0KGgo=", "Plot drawn by the code above"),
    ]


def test_a_page_is_the_same_whether_lines_of_the_notebook_stand_alone_or_together(study):
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# Title\n\ntext"), nbformat.v4.new_code_cell("a\nb")]
    )
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", name="stderr", text="one\n\x1b[31mtwo\x1b[0m\n")]
    page = page_of(study, notebook)
    assert [tag.get_text().strip() for tag in page.select("main > .text, main > .code .code-box, main > .stream")] == [
        "Title\ntext",
        "a\nb",
        "one\ntwo",
    ]
    assert page.select_one(".stream.stderr .ansi-red-fg").get_text() == "two"
    file = study.root / JUMP / "notebook.ipynb"
    lines, together = json.loads(file.read_text()), nbformat.v4.upgrade(nbformat.read(file, as_version=4))
    assert isinstance(lines["cells"][1]["outputs"][0]["text"], list) and isinstance(together.cells[1].source, str)
    file.write_text(json.dumps(together))
    seal(study.root / JUMP)
    study.render()
    again = study.read_page(JUMP)
    assert str(again.main.find_all(recursive=False)[:-1]) == str(page.main.find_all(recursive=False)[:-1])


def test_the_link_to_an_error_leads_to_the_first_one_whatever_was_printed_before(study):
    printed = nbformat.v4.new_output("stream", name="stdout", text="so far so good")
    stopped = [
        nbformat.v4.new_output("error", ename="E", evalue=message, traceback=["Traceback", f"E: {message}"])
        for message in ("first", "second")
    ]
    study.fail(JUMP, *(nbformat.v4.new_code_cell("fail()", outputs=[printed, error]) for error in stopped))
    study.render()
    assert [error.get_text() for error in study.read_page(JUMP).select("#error")] == ["Traceback\nE: first\n"]


def test_a_plot_has_the_text_it_was_saved_with_as_its_caption_of_a_long_one_the_first_sentence(study):
    png = nbformat.v4.new_output("display_data", data={"image/png": "iVBORw0KGgo="})
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell('save_figure(output, "function", figure, alt=alt)', outputs=[png, png])]
    )
    for text, caption in (("Jumps at 0.5. Short.", "Jumps at 0.5. Short."), ("A jump. " + "x" * 300, "A jump.")):
        svg = SVG.replace("/>", f"><dc:description>{text}</dc:description></svg>")
        study.finish(JUMP, METRICS, notebook=notebook, svg=svg)
        study.render()
        assert [found.get_text() for found in study.read_page(JUMP).select("figcaption")] == [caption] * 2
        shutil.rmtree(study.root / JUMP)


@pytest.mark.parametrize(
    "text, summary",
    [
        ("12 lines" + "\n" * 12, None),
        ("13 lines\n" * 13, "Printed: 13 lines"),
        ("{'loss': 0.5}", "Printed: 1 line"),
        ("[0.5]", "Printed: 1 line"),
    ],
)
def test_long_or_raw_output_is_folded(study, text, summary):
    (shown,) = show(study, text_plain=text)
    assert (shown.summary.get_text() if shown.name == "details" else None) == summary
    assert text in shown.get_text()


def test_headings_of_a_notebook_stand_below_that_of_the_page(study):
    page = page_of(study, nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# One\n\n###### Six")]))
    assert len(page.select("h1")) == 1
    assert [(found.name, found.get_text()) for found in page.select(".text :is(h1, h2, h6)")] == [
        ("h2", "One"),
        ("h6", "Six"),
    ]
