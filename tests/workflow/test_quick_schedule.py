"""The order in which cells start, and the time left, from what they took in an earlier run."""

import csv
import re

import pytest

from gradlab.schedule import read_benchmark

pytestmark = pytest.mark.workflow

CELLS = ("jump", "power", "step")


def cells_started(terminal):
    return re.findall(r"^Job \d+: autodiff/published/(\w+) \((.+?)\)", terminal, re.MULTILINE)


@pytest.fixture
def earlier(copy_project):
    """A copy of the project, and a function that writes down what cells took when they ran last."""
    copy = copy_project()

    def write(**seconds):
        for cell, value in seconds.items():
            file = copy.root / f"results/benchmarks/autodiff/published/{cell}.tsv"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"s\tmax_rss\tcpu_time\n{value}\t1\t1\n")

    return copy, write


def test_every_cell_has_a_benchmark_that_no_cell_depends_on(quick):
    results = quick.root / "results/quick"
    cells = quick.read("results/quick/plan.json")["cells"]
    measured = {cell: read_benchmark(results / f"benchmarks/{cell}.tsv") for cell in cells}
    assert all(measured[cell]["s"] > 0 and measured[cell]["max_rss"] > 50 for cell in cells)
    kept = results / "benchmarks"
    kept.rename(results / "elsewhere")
    try:
        assert quick.planned() == set()
    finally:
        (results / "elsewhere").rename(kept)


@pytest.mark.parametrize("order", [CELLS, CELLS[::-1]])
def test_the_longest_cell_starts_first_and_the_terminal_says_the_time_left(earlier, order):
    copy, write = earlier
    write(**dict(zip(order, (900.0, 600.0, 300.0), strict=True)))
    targets = [f"results/autodiff/published/{cell}/metrics.json" for cell in CELLS]
    started = cells_started(copy.snakemake(*targets, "--cores", "1").stdout)
    assert [cell for cell, _ in started] == list(order)
    # Half an hour is expected; as soon as one of the cells was done in seconds, so will be the others.
    assert [left for _, left in started] == ["about 30 min left", "under a minute left", "under a minute left"]


def test_rules_ask_a_cluster_for_what_their_cells_were_measured_to_need(copy_project):
    copy = copy_project()
    with copy.edited(
        "workflow/rules/common.smk", "({time_left})", "needs {threads} {resources.mem_mb} {resources.runtime};"
    ):
        terminal = copy.snakemake("--dry-run").stdout
    asked = {
        cell: (int(memory), int(minutes))
        for cell, memory, minutes in re.findall(r"^Job \d+: (\S+) needs 1 (\d+) (\d+);", terminal, re.MULTILINE)
    }
    rows = list(csv.DictReader((copy.root / "workflow/measured.csv").read_text(encoding="utf-8").splitlines()))
    assert asked.keys() <= {row["cell"] for row in rows}
    for row in rows:
        if row["cell"] in asked:
            memory, minutes = asked[row["cell"]]
            assert 1.2 * float(row["memory"]) < memory, row
            assert 2 * float(row["seconds"]) < 60 * minutes, row
