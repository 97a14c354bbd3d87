"""Rendering of reports from made results."""

import contextlib
import errno
import json
import os
import shutil
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from made_runs import copy_run, seal

from gradlab.engine.robustness import ROBUSTNESS, compare_roundings, save_robustness
from gradlab.engine.verify import COMPARISON, compare_studies, save_comparisons
from gradlab.report.build import main

JUMP, POWER = "slopes/published/jump", "slopes/published/power"
SLOPES = {"jump.left": 0.0, "jump.right": -1728.0}


@pytest.fixture
def study(made):
    """A study of two planned cells, of which none has run, and its report."""
    figures = [
        {"id": "jump.left", "value": "0"},
        {"id": "jump.right", "value": "-1728"},
        {"id": "power.slope", "value": "0"},
    ]
    made.add_study("slopes", figures)
    files = {"figures": ["function.svg", "detail.svg"], "files": ["answers.json"]}
    made.plan(
        {
            JUMP: {"parameters": {"case": "jump"}, "metrics": [*SLOPES], **files},
            POWER: {"parameters": {"case": "power"}, "metrics": ["power.slope"], **files},
        }
    )
    return made


def tile_of(study, name):
    """What the gallery of the rendered report shows of a cell."""
    document = BeautifulSoup((study.root / "pages/slopes.html").read_text(encoding="utf-8"), "html.parser")
    (tile,) = (tile for tile in document.select(".family li") if tile.select_one(".tile").get_text() == name)
    return tile


def test_renders_with_nothing_there_and_says_so(study):
    html = study.render()
    assert "0 of 2 planned experiments ran again" in html
    assert "2 missing (slopes/published/jump, slopes/published/power)" in html
    assert "No cell of this study has run." in html
    assert "No cell has run." in html
    assert "– missing" in tile_of(study, "jump").get_text()
    assert (study.root / "ledger.json").exists()


def test_shows_results_answers_and_what_is_missing(study):
    study.finish(JUMP, SLOPES)
    html = study.render()
    assert "1 of 2 planned experiments ran again" in html
    assert "2 are the same" in html
    assert "1 missing (slopes/published/power)" in html
    assert 'href="pages/slopes/published/jump.html"' in html
    assert study.read_ledger()["figure-slopes-jump.right"][3:5] == ["-1728", f"-1728 ({JUMP})"]
    assert "not in a repository" in html
    tile = tile_of(study, "jump")
    assert tile.img["src"] == "../slopes/published/jump/detail.svg"
    assert "2 s" in tile.get_text()


def test_a_study_that_is_off_has_no_figure_no_error_and_no_section(made):
    error = "Error(1, 'Notes', 'A slip', 'It is so.', (), lambda material: None)"
    claims = f"from gradlab.engine.claims import Error\n\nERRATA = ({error},)\n"
    for name in ("slopes", "areas"):
        made.add_study(name, [{"id": f"{name}.figure", "value": "0"}], claims=claims)
    made.plan({JUMP: {}})
    report = made.parse()
    assert "areas" not in report.get_text().lower()
    assert [*made.read_ledger()] == ["figure-slopes-slopes.figure"]
    assert report.select("#slopes") and not report.select("#areas")
    ledger = json.loads((made.root / "ledger.json").read_text())
    assert [(figure["id"], figure["verdict"]) for figure in ledger["figures"]] == [("slopes.figure", "not run")]
    assert [erratum["study"] for erratum in ledger["errata"]] == ["slopes"]


def test_the_empty_log_of_a_cell_that_once_succeeded_is_no_failure(study):
    study.fail(POWER)
    (study.root / f"logs/{POWER}.ipynb").write_bytes(b"")
    assert "2 missing (slopes/published/jump, slopes/published/power)" in study.render()


def stop_with(message, *before):
    """A code cell that printed something, and stopped with an error."""
    error = nbformat.v4.new_output("error", ename="E", evalue=message, traceback=["Traceback", f"E: {message}"])
    return nbformat.v4.new_code_cell("fail()", outputs=[*before, error])


def test_a_failed_cell_is_marked_and_its_traceback_linked(study):
    study.fail(JUMP, stop_with("broken <on> purpose"))
    html = study.render()
    assert "1 failed (slopes/published/jump)" in html
    tile = tile_of(study, "jump")
    assert "✗ failed" in tile.get_text()
    assert [link["href"] for link in tile.select("a")][-1] == f"../pages/{JUMP}.html#failure"
    page = study.read_page(JUMP)
    assert page.select_one("#failure a")["href"] == "#error"
    assert page.find(id="error").get_text() == "Traceback\nE: broken <on> purpose\n"


def test_a_run_that_was_killed_and_could_say_nothing_is_shown_as_such(study):
    study.fail(POWER, nbformat.v4.new_code_cell("x = 1"))
    study.render()
    assert "failed" in tile_of(study, "power").get_text()
    text = study.read_page(POWER).find(id="failure").get_text()
    assert "this run did not finish: it was killed, or is still going on." in text


def test_text_from_results_is_escaped(study):
    study.finish(JUMP, SLOPES)
    study.render()
    html = (study.root / "pages/slopes.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;Yes&lt;/b&gt;" in html
    assert "<b>Yes</b>" not in html


def test_a_cell_that_ran_with_other_parameters_is_stale_and_its_figures_are_not_shown(study):
    study.finish(JUMP, SLOPES, parameters={"case": "jump", "seed": 7})
    html = study.render()
    assert "1 stale (slopes/published/jump)" in html
    assert "are the same" not in html
    assert study.read_ledger()["figure-slopes-jump.right"][3:5] == ["-1728", "–"]
    assert "ran with seed = 7, planned is None" in tile_of(study, "jump").get_text()
    page = study.read_page(JUMP).get_text()
    assert "↺ stale:" in page and "ran with seed = 7, planned is None" in page


def test_a_page_says_where_its_numbers_come_from(study):
    data = study.data / "made/dataset.json"
    data.parent.mkdir(parents=True)
    data.write_text(json.dumps({"name": "made", "content": {"images": "sha256:0123"}}))
    study.finish(JUMP, SLOPES, inputs=[data])
    shown = study.parse().find(id="data-made")
    origin = study.read_page(JUMP).find(id="origin")
    manifest = study.root / "pages/slopes/published" / origin.find("a", string="manifest.json")["href"]
    digest = json.loads(manifest.read_text())["inputs"][str(data)]
    assert origin.find("a", string="made")["href"] == "../../../report.html#data-made"
    assert digest in origin.get_text()
    assert digest in shown.find_next("p").get_text()
    assert "every cell that used it names this digest" in shown.find_next("p").get_text()
    assert "sha256:0123" in shown.find_next("table").get_text()
    outputs = [link["href"] for link in origin.select("table a")]
    assert f"../../../{JUMP}/metrics.json" in outputs


def test_pages_are_on_the_disk_before_the_report_that_leads_to_them(study, monkeypatch):
    study.finish(JUMP, SLOPES)
    found = []
    monkeypatch.setattr(os, "sync", lambda: found.append(sorted(file.name for file in study.root.rglob("*.html"))))
    study.render()
    assert found == [["jump.html"]]


# Second runs --------------------------------------------------------------------------------------


def compare(root, again):
    save_comparisons(compare_studies(root / "plan.json", again / "plan.json"), root / COMPARISON)


def repeat_of(study, key):
    """What the report says of a cell's second run: in the gallery, and on the cell's page."""
    places = tile_of(study, key.split("/")[-1]).select_one(".repeat"), study.read_page(key).select_one("header .repeat")
    return [found.get_text() if found else None for found in places]


def repeatability(html):
    return BeautifulSoup(html, "html.parser").find(id="repeats").find_next("p").get_text()


def test_without_a_second_run_the_report_says_how_to_make_one_and_nothing_of_single_cells(study):
    study.finish(JUMP, SLOPES)
    html = study.render()
    assert repeatability(html) == "No cell was run a second time; make verify does that."
    assert repeat_of(study, JUMP) == [None, None]
    assert COMPARISON not in html


def test_a_cell_that_was_run_again_with_the_same_bytes_says_so(study):
    study.finish(JUMP, SLOPES)
    study.finish(POWER)
    again = copy_run(study.root, study.root.parent / "again")
    shutil.rmtree(again / POWER)
    compare(study.root, again)
    html = study.render()
    assert repeatability(html).startswith(
        "1 of 2 complete cells was run a second time, with the same bytes; 1 was not run again."
    )
    assert repeat_of(study, JUMP) == ["repeated: same bytes", "repeated on 2026-01-02: same bytes"]
    assert repeat_of(study, POWER) == ["not repeated", "not repeated"]
    page = study.read_page(JUMP).get_text()
    assert (
        "the same processor, system and versions" in page and "All 5 files but the notebook have the same bytes" in page
    )
    assert f'href="{COMPARISON}"' in html and "Differs when repeated" not in html


def test_a_cell_whose_second_run_differs_says_in_what_and_so_does_the_first_screen(study):
    study.finish(JUMP, SLOPES)
    again = copy_run(study.root, study.root.parent / "again")
    (again / JUMP / "metrics.json").write_text(json.dumps(SLOPES | {"jump.right": -1727.5}))
    (again / JUMP / "curves.csv").write_text("<i>")
    seal(again / JUMP, versions={"python": "<b>4"})
    compare(study.root, again)
    html = study.render()
    trouble = [found.get_text() for found in BeautifulSoup(html, "html.parser").select("header .trouble")]
    assert trouble[-1] == "Differs when repeated: 1 cell wrote other bytes in a second run; which ones."
    assert "0 of 1 complete cells were run" in repeatability(html)
    assert repeat_of(study, JUMP) == [
        "≠ repeated: curves.csv, metrics.json differ",
        "≠ repeated on 2026-01-02: curves.csv, metrics.json differ",
    ]
    origin = study.read_page(JUMP).find(id="origin").get_text()
    assert "differing in python 3 and <b>4" in origin
    assert "jump.right: -1728.0 in the first run, -1727.5 in the second" in origin
    digests = {name: pair["second"] for name, pair in read_comparison(study.root)["files"].items() if not pair["same"]}
    assert set(digests) == {"curves.csv", "metrics.json"}
    assert all(digest in origin for digest in digests.values())


def read_comparison(root):
    return json.loads((root / COMPARISON).read_text())["cells"][JUMP]


def test_a_comparison_with_what_is_there_no_longer_does_not_count(study):
    study.finish(JUMP, SLOPES)
    compare(study.root, copy_run(study.root, study.root.parent / "again"))
    (study.root / JUMP / "curves.csv").write_text("x,metric,value\n1,y,2\n")
    seal(study.root / JUMP)
    html = study.render()
    assert repeat_of(study, JUMP) == ["not repeated since it changed"] * 2
    assert "1 has changed since" in repeatability(html)


def test_a_damaged_comparison_is_named_and_the_report_rendered(study):
    study.finish(JUMP, SLOPES)
    compare(study.root, copy_run(study.root, study.root.parent / "again"))
    file = study.root / COMPARISON
    file.write_text(file.read_text()[:-20])
    html = study.render()
    assert "1 of 2 planned experiments ran again" in html
    assert repeatability(html).endswith("repeatability.json cannot be read; `make verify` writes it anew.")
    assert repeat_of(study, JUMP) == [None, None]


def test_the_ledger_depends_on_the_results_alone_and_not_on_their_folder_or_times_or_second_runs(study, monkeypatch):
    study.finish(JUMP, SLOPES)
    again = copy_run(study.root, study.root.parent / "again")
    study.render()
    compare(study.root, again)
    ledger = {name: (study.root / name).read_bytes() for name in ("ledger.json", "ledger.csv", "errata.csv")}
    study.render()
    assert main([str(again / "plan.json"), *study.command[1:]]) == 0
    for name, content in ledger.items():
        assert (study.root / name).read_bytes() == content
        assert (again / name).read_bytes() == content


# What is damaged, or cannot be written --------------------------------------------------------------


def test_a_damaged_manifest_makes_its_cell_stale_and_breaks_nothing(study):
    study.finish(JUMP, SLOPES)
    study.finish(POWER)
    manifest = study.root / JUMP / "manifest.json"
    manifest.write_text(manifest.read_text()[:100])
    html = study.render()
    assert "1 of 2 planned experiments ran again" in html and "1 stale (slopes/published/jump)" in html
    assert "its manifest cannot be read" in tile_of(study, "jump").get_text()
    assert study.read_ledger()["figure-slopes-jump.right"][3:5] == ["-1728", "–"]
    page = study.read_page(JUMP)
    assert "its manifest cannot be read" in page.get_text() and not page.select("#origin")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '"notebook"', '{"cells": 1}'])
def test_a_damaged_notebook_of_a_failed_cell_has_a_page_that_says_so(study, text):
    study.fail(JUMP)
    (study.root / f"logs/{JUMP}.ipynb").write_text(text)
    html = study.render()
    assert "1 failed (slopes/published/jump)" in html
    assert "<code>jump.ipynb</code> cannot be read: it is not a whole notebook" in str(study.read_page(JUMP))


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "there is no plan "),
        ('{"cells": {', "is not JSON"),
        ("{}", "is not a plan"),
    ],
)
def test_a_plan_that_cannot_be_read_is_one_line_that_says_what_writes_it(study, capsys, text, message):
    plan = study.root / "plan.json"
    plan.unlink() if text is None else plan.write_text(text)
    assert main(study.command) == 1
    said = capsys.readouterr().err
    assert said.startswith("gradlab: ") and said.count("\n") == 1
    assert message in said and "run `make report`" in said


@pytest.mark.parametrize(
    "number, text, remedy",
    [
        (errno.EACCES, "Permission denied", "make its folder writable, and run this again"),
        (errno.EROFS, "Read-only file system", "make its folder writable, and run this again"),
    ],
)
def test_a_disk_that_takes_no_file_is_one_line_and_the_last_report_stays(
    study, monkeypatch, capsys, number, text, remedy
):
    before = study.render()
    study.finish(JUMP, SLOPES)

    def refuse(self, *_arguments, **_options):
        raise OSError(number, text, str(self))

    monkeypatch.setattr(Path, "write_text", refuse)
    assert main(study.command) == 1
    said = capsys.readouterr().err
    assert said.startswith(
        f"gradlab: the report beside {study.root / 'plan.json'} cannot be rendered: [Errno {number}] {text}"
    )
    assert said.endswith(f"; {remedy}\n") and said.count("\n") == 1
    assert (study.root / "report.html").read_text(encoding="utf-8") == before
    assert not list(study.root.rglob("*.part"))


def test_a_full_disk_is_one_line_and_the_last_report_stays(study, small_disk, capsys):
    shutil.copytree(study.root, small_disk / "results")
    command = [str(small_disk / "results/plan.json"), *study.command[1:]]
    assert main(command) == 0
    report = small_disk / "results/report.html"
    before = report.read_bytes()
    with contextlib.suppress(OSError), (small_disk / "fill").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))
    capsys.readouterr()
    assert main(command) == 1
    assert capsys.readouterr().err == (
        f"gradlab: the report beside {command[0]} cannot be rendered: [Errno 28] No space left on device; make room on the "
        "disk, and run this again\n"
    )
    assert report.read_bytes() == before
    assert not list(small_disk.rglob("*.part"))


# Under another rounding ----------------------------------------------------------------------------


@pytest.fixture
def rounded(study):
    """A function that runs the study again under another context, with other metrics of one cell, and compares both runs."""

    def run(metrics):
        study.finish(JUMP, SLOPES)
        again = copy_run(study.root, study.root / "rounding-avx2")
        (again / JUMP / "metrics.json").write_text(json.dumps(metrics))
        plan = (again / "plan.json").read_text()
        (again / "plan.json").write_text(plan.replace('"rounding": null', '"rounding": "avx2"'))
        for folder, asked, found in ((study.root, None, "AVX512"), (again, "avx2", "AVX2")):
            seal(folder / JUMP, rounding={"asked": asked, "measured": {"torch": {"capability": found}}})
        save_robustness(compare_roundings(study.root / "plan.json", again / "plan.json"), study.root / ROBUSTNESS)
        return study

    return run


def under_rounding(study):
    """The paragraph of the section on rounding, and the rows of its tables."""
    section = study.parse().find(id="rounding")
    rows = [[cell.get_text() for cell in row.select("th, td")] for row in section.select("tbody tr")]
    return section.find("p").get_text(), rows


def test_without_a_run_under_another_rounding_it_says_how_to_make_one(study):
    text, rows = under_rounding(study)
    assert "No cell was run in another rounding context; make verify ROUNDING=avx2 does that" in text
    assert rows == []


def test_what_moved_under_another_rounding_is_shown_with_both_contexts(rounded):
    text, rows = under_rounding(rounded({"jump.left": 0.0, "jump.right": -1700.0}))
    assert text.startswith("1 cell ran with avx2 instead of all that the processor has: of the comparisons ")
    assert rows == [
        ["torch capability", "AVX512", "AVX2"],
        ["Slopes", "jump.right", "exact", "not reproduced"],
        ["Slopes", "jump.right", "-1728", "-1700", "28"],
    ]


def test_a_comparison_of_results_that_changed_since_is_not_shown(rounded):
    study = rounded({"jump.left": 0.0, "jump.right": -1700.0})
    (study.root / JUMP / "metrics.json").write_text(json.dumps(SLOPES | {"jump.left": 1.0}))
    seal(study.root / JUMP)
    text, rows = under_rounding(study)
    assert text.endswith(f"but {JUMP} changed since: it has to be done again.") and rows == []


def test_a_damaged_comparison_of_roundings_is_told(study):
    study.root.mkdir(exist_ok=True)
    (study.root / ROBUSTNESS).write_text("{")
    assert "rounding.json cannot be read; `make verify ROUNDING=…` writes it anew" in under_rounding(study)[0]
