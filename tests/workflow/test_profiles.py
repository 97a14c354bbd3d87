"""The profile for SLURM: how it shares cells out among jobs. On a real SLURM: test_slurm.py."""

import re

import pytest
from workflow.test_tiny import CHOICE, HALVES, PUBLISHED, SEARCHES, STARTS

pytestmark = pytest.mark.workflow


def test_short_cells_that_wait_for_no_other_share_jobs(copy_tiny):
    copy = copy_tiny()
    # A seventh such cell, so that one job does not hold them all.
    with copy.edited("tiny.yaml", "starts: [0, 1, 2]", "starts: [0, 1, 2, 3]"):
        terminal = copy.snakemake("--profile", "workflow/profiles/slurm", "--dry-run").stdout
    assert "Using profiles workflow/profiles/slurm and workflow specific profile profiles/default" in terminal
    jobs = [
        re.findall(r"^ +Job \d+: ([\w./-]+)", job, re.MULTILINE)
        for job in re.findall(r"Group job short .*\n\n((?: {4}.*\n)+)", terminal)
    ]
    assert sorted(map(len, jobs)) == [1, 6]
    assert {cell for job in jobs for cell in job} == PUBLISHED - {"tiny/published/mean"} | STARTS | {
        "tiny/corrected/start-3"
    }
    alone = set(re.findall(r"^Job \d+: (tiny/[\w./-]+)", terminal, re.MULTILINE))
    assert alone == {"tiny/published/mean", CHOICE} | SEARCHES | HALVES
