"""A report of a thousand cells: it stays small, and opens at once."""

import json
import os
import shutil
from statistics import median

import pytest
from workflow.conftest import find_violations

pytestmark = pytest.mark.workflow

CELLS = 1000
ALIKE = "regularization/corrected/coarse-{seed}"  # a family of cells, of which there can be many


@pytest.fixture
def thousand(copy_results):
    """The results of the quick study with one family of cells grown by further seeds, whose results are those of the first."""
    plan = json.loads((copy_results / "plan.json").read_text())
    first = copy_results / ALIKE.format(seed=0)
    manifest = json.loads((first / "manifest.json").read_text())
    seeds = [seed for seed in range(CELLS) if ALIKE.format(seed=seed) not in plan["cells"]]
    for seed in seeds[: CELLS - len(plan["cells"])]:
        name = ALIKE.format(seed=seed)
        shutil.copytree(first, copy_results / name, copy_function=os.link)
        file = copy_results / name / "manifest.json"
        file.unlink()
        file.write_text(json.dumps(manifest | {"parameters": manifest["parameters"] | {"seed": seed}}))
        plan["cells"][name] = plan["cells"][ALIKE.format(seed=0)] | {"seed": seed}
    (copy_results / "plan.json").write_text(json.dumps(plan))
    return copy_results


def test_the_report_of_a_thousand_cells_is_small_and_opens_at_once(thousand, render, open_page):
    report = render(thousand)
    assert f"{CELLS} of {CELLS} planned cells ran" in report.read_text(encoding="utf-8")
    assert report.stat().st_size < 5_000_000
    page = open_page(report)
    assert page.locator(".family li").count() == CELLS
    seconds = []
    for _ in range(3):
        page.goto(report.resolve().as_uri(), wait_until="load")
        seconds.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd / 1000"))
    assert 0 < median(seconds) < 2
    assert page.said == []
    assert find_violations(page) == []
