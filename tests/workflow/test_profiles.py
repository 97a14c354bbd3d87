"""The profiles for clusters: what they name exists, and what they plan is the study. On a real SLURM: test_quick_slurm.py.

No Kubernetes and no cloud are at hand. What they ask of the workflow, that it runs on machines that share no files, is tried
with folders: every job begins in an empty one, and finds nothing but what a storage has.
"""

import json
import re
import subprocess

import pytest
import yaml

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(600)]

PROFILES = ("slurm", "kubernetes", "googlebatch")
WITHOUT_SHARED_FILES = ("kubernetes", "googlebatch")


@pytest.fixture(scope="module")
def copy(copy_project):
    return copy_project("--configfile", "config/quick.yaml")


def read_profile(project, name):
    return yaml.safe_load((project / f"workflow/profiles/{name}/config.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def plugins(project):
    """The variable with which snakemake finds what stands in requirements-cloud.lock."""
    folder = project / ".venv/cloud"
    assert (folder / ".ready").exists(), "this test needs plugins of snakemake; `make test` puts them into .venv/cloud"
    return {"PYTHONPATH": str(folder)}


def find_groups(terminal):
    """The numbers of cells of every group job, in the order of their groups' names: {name: [cells, ...]}."""
    groups = {}
    for name, jobs in re.findall(r"Group job (\w+) .*\n\n((?: {4}.*\n)+)", terminal):
        groups.setdefault(name, []).append(re.findall(r"^ +Job \d+: (\S+?),? ", jobs, re.MULTILINE))
    return groups


@pytest.mark.parametrize("name", PROFILES)
def test_groups_are_of_rules_that_there_are(project, name):
    rules = {
        rule
        for file in (project / "workflow/rules").glob("*.smk")
        for rule in re.findall(r"^(?:rule |use rule \w+ as )(\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    profile = read_profile(project, name)
    assert profile["groups"].keys() <= rules
    assert profile["group-components"].keys() <= set(profile["groups"].values())


@pytest.mark.parametrize("name", WITHOUT_SHARED_FILES)
def test_profiles_group_alike(project, name):
    profile, slurm = read_profile(project, name), read_profile(project, "slurm")
    for key in ("groups", "group-components", "retries", "cores", "local-cores"):
        assert profile[key] == slurm[key]


def test_slurm_plans_the_study_with_the_default_profile_besides(copy):
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


@pytest.mark.parametrize("name", WITHOUT_SHARED_FILES)
def test_without_shared_files_the_study_is_planned_from_a_storage(copy, plugins, tmp_path, name):
    """A folder stands for the storage, which a dry run asks for what there is."""
    for folder in copy.root.glob("[a-z]*/"):
        (tmp_path / folder.name).symlink_to(folder)
    storage = ("--default-storage-provider", "fs", "--default-storage-prefix", str(tmp_path))
    terminal = copy.snakemake("--profile", f"workflow/profiles/{name}", *storage, "--dry-run", **plugins).stdout
    cells = set(re.findall(r"Job \d+: (\w+/\w+/[\w-]+)", terminal))
    assert len(cells) == 48
    assert f"{tmp_path}/results/quick/autodiff/published/jump/metrics.json (in storage)" in terminal
    assert find_groups(terminal).keys() == {"seconds", "networks", "learning_rate"}


# How a job is sent to a machine, how it is asked for, and where it ends: a process in an empty folder.
SEND = """#!/bin/sh
machine=$(mktemp -d "$(dirname "$0")/machine.XXXXXX")
cp "$1" "$machine/job.sh"
cd "$machine" || exit 1
{ sh job.sh >log 2>&1; echo $? >ended; } >/dev/null 2>&1 &
basename "$machine"
"""
ASK = """#!/bin/sh
cd "$(dirname "$0")/$1" || exit 1
if [ ! -s ended ]; then echo running; elif [ "$(cat ended)" = 0 ]; then echo success; else echo failed; fi
"""


def test_cells_run_on_machines_that_share_no_files(copy_project, plugins, tmp_path):
    """Two cells, one of them with data, and one that reads the result of another, against the same cells without a storage."""
    here, there = (copy_project("--configfile", "config/quick.yaml") for _ in range(2))
    cells = ["autodiff/published/jump", "batch_size/corrected/search-16", "batch_size/corrected/16"]
    targets = [f"results/quick/{cell}/metrics.json" for cell in (cells[0], cells[2])]
    storage, machines = tmp_path / "storage", tmp_path / "machines"
    machines.mkdir()
    (storage / "results").mkdir(parents=True)
    for part in ("notebooks", "src", "results/data"):
        (storage / part).symlink_to(there.root / part)
    for name, script in {"send": SEND, "ask": ASK}.items():
        (machines / name).write_text(script)
        (machines / name).chmod(0o755)
    # Snakemake sends what git knows of.
    for command in ("init -q .", "add config notebooks profiles src workflow Snakefile requirements.lock"):
        subprocess.run(["git", *command.split()], cwd=there.root, check=True)
    there.snakemake(
        *("--executor", "cluster-generic", "--jobs", "2", "--shared-fs-usage", "none", "--job-deploy-sources"),
        *(
            "--cluster-generic-submit-cmd",
            str(machines / "send"),
            "--cluster-generic-status-cmd",
            str(machines / "ask"),
        ),
        *("--default-storage-provider", "fs", "--default-storage-prefix", str(storage)),
        *("--seconds-between-status-checks", "1", *targets),
        **plugins,
    )
    here.snakemake(*targets)
    for cell in cells:
        for file in ("metrics.json", "curves.csv"):
            assert (storage / f"results/quick/{cell}" / file).read_bytes() == (
                here.root / f"results/quick/{cell}" / file
            ).read_bytes()
        far, near = (
            json.loads((root / f"results/quick/{cell}/manifest.json").read_text()) for root in (storage, here.root)
        )
        assert far["parameters"] == near["parameters"]
        assert far["inputs"] == near["inputs"]
    assert len(list(machines.glob("machine.*"))) == 3
    assert not (there.root / "results/quick/autodiff").exists()
