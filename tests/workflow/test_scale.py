"""The start of large studies: what it costs grows with the number of cells and no faster."""

import re

import pytest
from made_scale import run_snakemake

pytestmark = pytest.mark.workflow

SIZES = (100, 1000, 10_000)


@pytest.fixture(scope="module")
def dry_runs(copy_project):
    """What a dry run of each size cost, and the names of the cells that it planned."""
    project = copy_project().root
    costs = {size: run_snakemake(project, size, "--dry-run") for size in SIZES}
    planned = {
        size: re.findall(
            r"^Job \d+: ([\w.-]+/[\w.-]+/[\w.-]+)\b", (project / f"terminal-{size}.txt").read_text(), re.MULTILINE
        )
        for size in SIZES
    }
    return costs, planned


@pytest.mark.parametrize("size", SIZES)
def test_every_cell_is_planned_once(dry_runs, size):
    _, planned = dry_runs
    assert len(planned[size]) == len(set(planned[size])) == size


def test_a_dry_run_of_a_thousand_cells_takes_at_most_15_seconds(dry_runs):
    costs, _ = dry_runs
    assert costs[1000].seconds <= 15


@pytest.mark.parametrize("quantity", ["seconds", "memory"])
def test_a_dry_run_costs_no_more_for_each_cell_in_a_larger_study(dry_runs, quantity):
    costs, _ = dry_runs
    small, middle, large = (getattr(costs[size], quantity) for size in SIZES)
    # Beyond what the start costs whatever the size; twice as much for a cell is what a busy machine may add.
    assert (large - small) / (10_000 - 100) <= 2 * (middle - small) / (1000 - 100)
