"""The profile for SLURM: how it shares cells out among jobs. On a real SLURM: test_slurm.py."""

import re

import pytest

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(600)]


def find_groups(terminal):
    """The cells of every group job, in the order of their groups' names: {name: [cells, ...]}."""
    groups = {}
    for name, jobs in re.findall(r"Group job (\w+) .*\n\n((?: {4}.*\n)+)", terminal):
        groups.setdefault(name, []).append(re.findall(r"^ +Job \d+: ([\w./-]+)", jobs, re.MULTILINE))
    return groups


def test_cells_of_seconds_share_jobs(copy_project):
    copy = copy_project("--configfile", "config/quick.yaml")
    terminal = copy.snakemake("--profile", "workflow/profiles/slurm", "--dry-run").stdout
    assert "Using profiles workflow/profiles/slurm and workflow specific profile profiles/default" in terminal
    cells = set(re.findall(r"Job \d+: (\w+/\w+/[\w-]+)", terminal))
    groups = find_groups(terminal)
    grouped = [cell for jobs in groups.values() for job in jobs for cell in job]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) <= cells
    tiny = {cell for cell in cells if re.search(r"^autodiff/|/gradient_check$", cell)}
    assert {cell for job in groups["seconds"] for cell in job} == tiny
    assert max(len(job) for job in groups["seconds"]) == 6
