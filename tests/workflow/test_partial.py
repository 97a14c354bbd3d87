"""Reports of studies of which only a part is as it should be: they are rendered, and say what is not."""

import json
import shutil
from fnmatch import fnmatchcase
from pathlib import Path

import nbformat
import pytest
from workflow.conftest import find_violations, render
from workflow.test_tiny import CELLS

pytestmark = pytest.mark.workflow


@pytest.fixture
def results(tiny, tmp_path, monkeypatch):
    """A copy of the results of the tiny study, with its plan and without pages, in the working directory."""
    shutil.copytree(
        tiny.root / "results/tiny", tmp_path / "results/tiny", ignore=shutil.ignore_patterns("pages", "figures")
    )
    monkeypatch.chdir(tmp_path)
    return Path("results/tiny")  # the paths in the plan are relative to the project


@pytest.mark.parametrize("absent", ["tiny/corrected/start-0", "tiny/published/*", "*/corrected/*", "*"])
def test_a_report_is_rendered_whatever_is_missing(results, absent):
    missing = [name for name in json.loads((results / "plan.json").read_text())["cells"] if fnmatchcase(name, absent)]
    for name in missing:
        shutil.rmtree(results / name)
    report = render(results).read_text(encoding="utf-8")
    assert missing
    assert f"{len(CELLS) - len(missing)} of {len(CELLS)} planned experiments ran again" in report
    assert f"{len(missing)} missing ({missing[0]}" in report


FAILED, MISSING, STALE = "tiny/published/0.5", "tiny/published/mean", "tiny/published/2.5"


@pytest.fixture
def damaged(results):
    """Results in which one cell failed, one is missing, and one ran under another setting than the plan's."""
    log = results / f"logs/{FAILED}.ipynb"
    log.parent.mkdir(parents=True, exist_ok=True)
    notebook = nbformat.read(results / FAILED / "notebook.ipynb", as_version=4)
    lines = ["Traceback (most recent call last)", "ValueError: broken on purpose"]
    error = nbformat.v4.new_output("error", ename="ValueError", evalue="broken on purpose", traceback=lines)
    notebook.cells.append(nbformat.v4.new_code_cell("fail()", outputs=[error]))
    nbformat.write(notebook, log)
    shutil.rmtree(results / FAILED)
    shutil.rmtree(results / MISSING)
    plan = json.loads((results / "plan.json").read_text())
    plan["cells"][STALE]["given"]["rate"] = 2.75
    (results / "plan.json").write_text(json.dumps(plan))
    return results


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_failed_is_missing_or_stale_is_marked_and_no_old_number_shown(damaged, open_page, project, scheme):
    report = render(damaged)
    page = open_page(report, color_scheme=scheme)
    assert page.locator(".lead").inner_text().startswith("9 of 12 planned experiments ran again")
    assert find_violations(page) == []
    screenshots = project / "results/test"
    screenshots.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=screenshots / f"report-damaged-{scheme}.png", full_page=True)
    trouble = page.locator(".trouble").inner_text()
    page = open_page(report.with_name("pages") / "tiny.html", color_scheme=scheme)
    for state, name in (("failed", FAILED), ("missing", MISSING), ("stale", STALE)):
        assert f"1 {state} ({name})" in trouble
        tile = page.locator(f".family li:has(.status.{state})")
        assert tile.locator(".tile").inner_text() == name.split("/")[2]
        assert state in tile.locator(".status").inner_text()
    assert "planned is 2.75" in page.locator(".family li:has(.status.stale)").inner_text()
    ledger = open_page(report.with_name("ledger.html"), color_scheme=scheme)
    for claim in ("rate 0.5: loss after 1 step", "mean of the observations", "rate 2.5: distance after 10 steps"):
        cells = ledger.locator("tbody tr", has=ledger.get_by_text(claim, exact=True)).locator("td").all_text_contents()
        assert (cells[3], cells[5]) == ("–", "not run")
    assert find_violations(page) == []
    page.get_by_role("link", name="traceback").click()
    assert page.locator("#error").inner_text().strip().endswith("ValueError: broken on purpose")
    assert find_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_nothing_half_rendered_takes_the_place_of_a_report(damaged, monkeypatch):
    before = render(damaged).read_bytes()

    def fail(*_arguments, **_options):
        raise RuntimeError("stop")

    monkeypatch.setattr("gradlab.report.build.describe_data", fail)
    with pytest.raises(RuntimeError, match="stop"):
        render(damaged)
    assert (damaged / "report.html").read_bytes() == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_damaged_manifest_is_named_at_its_cell_and_breaks_nothing_else(results, open_page, scheme):
    manifest = results / STALE / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:500])
    report = render(results)
    page = open_page(report, color_scheme=scheme)
    assert page.locator(".lead").inner_text().startswith("11 of 12 planned experiments ran again")
    assert page.locator(".trouble").inner_text() == f"Not complete: 1 stale ({STALE})."
    page = open_page(report.with_name("pages") / "tiny.html", color_scheme=scheme)
    tile = page.locator(".family li:has(.status.stale)")
    assert "its manifest cannot be read" in tile.inner_text()
    tile.locator("a.tile").click()
    assert "its manifest cannot be read" in page.locator(".trouble").inner_text()
    assert find_violations(page) == []
