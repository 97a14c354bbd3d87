"""Ledger and report of large studies: their cost grows with the number of cells and no faster, and the report opens at once."""

import time
from contextlib import chdir
from statistics import median

import pytest
from bs4 import BeautifulSoup
from made_scale import grow_config, make_study, render_study
from workflow.conftest import find_violations

from gradlab.ledger import build_ledger
from gradlab.results import load_results

pytestmark = pytest.mark.workflow

RENDERED = (100, 500, 1000)
LEDGERS = (100, 1000, 10_000)


@pytest.fixture(scope="module")
def root(copy_project):
    """The root of a copy of the project, for studies of several sizes."""
    return copy_project().root


@pytest.fixture(scope="module")
def plans(root, quick):
    """The plans of studies of every size, all of whose cells are done."""
    return {size: make_study(root, size, quick.root / "results/quick") for size in {*RENDERED, *LEDGERS}}


@pytest.fixture(scope="module")
def reports(root, plans):
    """What ledger and report of each size cost together, and the report."""
    costs = {size: render_study(root, plans[size]) for size in RENDERED}
    return costs, {size: root / plans[size].parent / "report.html" for size in RENDERED}


def test_ledger_and_report_of_a_thousand_cells_take_at_most_20_seconds_together(reports):
    costs, _ = reports
    assert costs[1000].seconds <= 20


@pytest.mark.parametrize("quantity", ["seconds", "memory"])
def test_they_cost_no_more_for_each_cell_in_a_larger_study(reports, quantity):
    costs, _ = reports
    small, middle, large = (getattr(costs[size], quantity) for size in RENDERED)
    # Beyond what figures and libraries cost whatever the size; twice as much for a cell is what a busy machine may add.
    assert (large - small) / (1000 - 100) <= 2 * (middle - small) / (500 - 100)


def test_the_ledger_of_ten_thousand_cells_costs_no_more_for_each_cell(root, plans):
    seconds = {}
    with chdir(root):
        for size in LEDGERS:
            start = time.process_time()
            results = load_results(plans[size])
            entries = build_ledger(results, root / "workflow/published", root=plans[size].parent)
            seconds[size] = time.process_time() - start
            assert sum(cell.status == "done" for cell in results.values()) == size
            assert {entry.verdict for entry in entries} > {"not run"}
    small, middle, large = seconds.values()
    assert (large - small) / (10_000 - 100) <= 2 * (middle - small) / (1000 - 100)


def test_the_report_has_a_page_and_a_place_for_every_cell_and_stays_small(reports):
    _, files = reports
    for size, report in files.items():
        document = BeautifulSoup(report.read_text(encoding="utf-8"), "html.parser")
        assert f"{size} of {size} planned cells ran" in document.select_one(".lead").get_text()
        pages = {link["href"] for link in document.select(".family a.tile")}
        assert pages == {
            page.relative_to(report.parent).as_posix() for page in (report.parent / "pages").rglob("*.html")
        }
        assert len(pages) == size
    small, large = (files[size].stat().st_size for size in (100, 1000))
    assert (large - small) / (1000 - 100) < 1000  # bytes for each cell


def test_more_batch_sizes_and_seeds_than_a_figure_can_show_are_counted_in_its_caption(reports):
    _, files = reports
    text = BeautifulSoup(files[1000].read_text(encoding="utf-8"), "html.parser").get_text()
    seeds = len(grow_config(1000)["augmentation"]["corrected"]["seeds"])
    assert f"the first 50 of {seeds} seeds and their median" in text
    # Those of the study, 1 to 10, and the published 16; there are seven colours.
    assert text.count("Drawn are 7 of 11 batch sizes; the table has all of ours.") == 2


def test_the_report_of_a_thousand_cells_opens_at_once(reports, open_page):
    _, files = reports
    page = open_page(files[1000])
    seconds = []
    for _ in range(3):
        page.goto(files[1000].resolve().as_uri(), wait_until="load")
        seconds.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd / 1000"))
    assert 0 < median(seconds) < 2
    assert page.said == []
    assert find_violations(page) == []
