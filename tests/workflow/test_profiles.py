"""The profile for SLURM: what it names exists, and how it shares cells out among jobs. On a real SLURM: test_quick_slurm.py."""

import re

import pytest
import yaml

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(600)]


def find_groups(terminal):
    """The cells of every group job, in the order of their groups' names: {name: [cells, ...]}."""
    groups = {}
    for name, jobs in re.findall(r"Group job (\w+) .*\n\n((?: {4}.*\n)+)", terminal):
        groups.setdefault(name, []).append(re.findall(r"^ +Job \d+: ([\w./-]+)", jobs, re.MULTILINE))
    return groups


def test_groups_are_of_rules_that_there_are(project):
    rules = {
        rule
        for file in (project / "workflow/rules").glob("*.smk")
        for rule in re.findall(r"^(?:rule |use rule \w+ as )(\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    profile = yaml.safe_load((project / "workflow/profiles/slurm/config.yaml").read_text(encoding="utf-8"))
    assert profile["groups"].keys() <= rules
    assert profile["group-components"].keys() <= set(profile["groups"].values())


def test_cells_of_seconds_share_jobs(copy_project):
    copy = copy_project("--configfile", "config/quick.yaml")
    terminal = copy.snakemake("--profile", "workflow/profiles/slurm", "--dry-run").stdout
    assert "Using profiles workflow/profiles/slurm and workflow specific profile profiles/default" in terminal
    cells = set(re.findall(r"Job \d+: (\w+/\w+/[\w-]+)", terminal))
    groups = find_groups(terminal)
    grouped = [cell for jobs in groups.values() for job in jobs for cell in job]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) <= cells
    tiny = {cell for cell in cells if re.search(r"^autodiff/|/gradient_check$|/overfit-", cell)}
    assert {cell for job in groups["seconds"] for cell in job} == tiny
    assert max(len(job) for job in groups["seconds"]) == 6
    assert [job for job in groups["networks"] if len(job) > 3] == []
    # A search goes with its own training, and with nothing else.
    pairs = sorted(sorted(job) for job in groups["learning_rate"] if len(job) > 1)
    root = "batch_size/corrected"
    assert pairs == [[f"{root}/{size}", f"{root}/search-{size}"] for size in (1, 16)]
