"""The study on a real SLURM with two nodes, through the profile of the project: a node is lost, and a run is killed."""

import math
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from workflow.conftest import SNAKEMAKE, find_outputs

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(3600)]

# All that differs from what a user types: the queue is asked every few seconds, since a job takes half a minute here.
PROFILE = ("--profile", "workflow/profiles/slurm", "--slurm-init-seconds-before-status-checks", "3")


@dataclass(frozen=True)
class Slurm:
    """A SLURM on this machine: its folder, and the variables with which its commands find it."""

    script: Path
    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": f"{self.folder}/bin:{os.environ['PATH']}"}

    def control(self, action: str, *arguments: str) -> str:
        """Call the script, as root; half of this machine's memory may be less than what jobs ask for."""
        sudo = [] if os.geteuid() == 0 else ["sudo", "-n", "--preserve-env=NODE_MEMORY"]
        command = [*sudo, str(self.script), action, str(self.folder), *arguments]
        done = subprocess.run(command, env={**os.environ, "NODE_MEMORY": "64000"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, *command: str) -> list[list[str]]:
        """The fields, separated by bars, of what a command of SLURM prints."""
        done = subprocess.run(command, env={**os.environ, **self.variables}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return [line.split("|") for line in done.stdout.splitlines()]

    def find_jobs(self) -> list[list[str]]:
        """Id, state and comment of all jobs that there were; the comment names rules and cell."""
        return self.ask("sacct", "-X", "--noheader", "--parsable2", "--format=JobIDRaw,State,Comment")

    def find_states(self, jobs: Collection[str]) -> set[str]:
        return {state for job, state, *_ in self.find_jobs() if job in jobs}

    def has_lost_a_node(self) -> bool:
        return "down*" in {state for [state] in self.ask("sinfo", "--noheader", "--Node", "--format=%t")}

    def find_running(self, node: str) -> list[str]:
        return [job for [job] in self.ask("squeue", "--noheader", "--states=running", "--format=%i", "-w", node)]


@pytest.fixture(scope="module")
def slurm(project):
    """A SLURM with nothing in its queue, which ends with the tests."""
    folder = Path(tempfile.mkdtemp(prefix="gradlab-slurm-", dir="/tmp"))  # a short name: it holds sockets
    cluster = Slurm(project / "tests/slurm/two_nodes.sh", folder)
    try:
        cluster.control("start")
        yield cluster
    finally:
        cluster.control("stop")
        left = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
        assert [command for command in left if str(folder) in " ".join(command or [])] == []
        shutil.rmtree(folder, ignore_errors=True)


def wait_until(condition, what, run, copy, *, seconds=600):
    """Wait for something that has to come while a run goes on, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert run.poll() is None, f"the run ended before {what}:\n{copy.terminal}"
        assert time.monotonic() < deadline, f"{what} did not come in {seconds} seconds:\n{copy.terminal}"
        time.sleep(0.5)
    return found


@pytest.fixture(scope="module")
def survived(slurm, copy_project):
    """A copy in which the quick study ran on two nodes, one of which crashed and was lost; the jobs that it had each time.

    The daemon of the node is killed, which leaves its job without one; later the node is lost with all that it runs.
    """
    copy = copy_project("--configfile", "config/quick.yaml")
    run = copy.start(*SNAKEMAKE, *PROFILE, *copy.options, **slurm.variables)
    try:
        wait_until(
            lambda: len(list(copy.root.glob("results/quick/*/*/*/manifest.json"))) >= 2, "a second cell", run, copy
        )
        crashed = wait_until(lambda: slurm.find_running("n1"), "a job on the node", run, copy)
        slurm.control("crash", "n1")
        wait_until(slurm.has_lost_a_node, "the loss of the node", run, copy, seconds=120)
        slurm.control("restart", "n1")
        lost = wait_until(lambda: set(slurm.find_running("n1")) - set(crashed), "another job on the node", run, copy)
        slurm.control("lose", "n1")
        wait_until(slurm.has_lost_a_node, "the loss of the node", run, copy, seconds=120)
        slurm.control("restart", "n1")
        assert run.wait() == 0, copy.terminal
    finally:
        end(run)
    return copy, crashed, lost


def end(run):
    """End a run that a failed test has left."""
    with suppress(ProcessLookupError):
        run.kill()
    run.wait()


def test_the_study_finishes_though_a_node_crashed_and_was_lost(survived, slurm):
    copy, crashed, lost = survived
    assert copy.planned() == set()
    assert slurm.find_states(lost) == {"NODE_FAIL"}
    assert slurm.find_states({job for job, *_ in slurm.find_jobs()} - {*crashed, *lost}) == {"COMPLETED"}


def test_the_results_are_those_of_the_run_without_a_cluster(survived, quick):
    copy, *_ = survived
    expected, found = (find_outputs(project.root / "results/quick") for project in (quick, copy))
    assert {name: digest for name, digest in found.items() if expected.get(name) != digest} == {}
    assert found.keys() == expected.keys()


def test_cells_of_seconds_share_jobs_and_longer_ones_do_not(survived, slurm):
    copy, *_ = survived
    jobs = [comment for _, state, comment in slurm.find_jobs() if state == "COMPLETED"]
    cells = copy.read("results/quick/plan.json")["cells"]
    tiny = [cell for cell in cells if re.search(r"^autodiff/|/gradient_check$|/overfit-", cell)]
    assert len([comment for comment in jobs if comment.startswith("rule_seconds_")]) == math.ceil(len(tiny) / 6)
    assert len([comment for comment in jobs if comment.startswith("rule_augmentation_cell")]) == 4
    # A choice of λ takes two seconds, on the machine of snakemake itself.
    assert [comment for comment in jobs if "lambda_search" in comment or "lambda_choice" in comment] == []
    assert len(jobs) < len(cells)


# Cells that take half a minute: long enough to be killed in the middle.
LONGER = "augmentation: {max_passes: 12}\n"


def test_jobs_of_a_killed_run_end_when_the_next_one_starts(slurm, copy_project):
    copy, undisturbed = (copy_project("--configfile", "config/quick.yaml", "config/longer.yaml") for _ in range(2))
    for project in (copy, undisturbed):
        (project.root / "config/longer.yaml").write_text(LONGER)
    cells = ["augmentation/published/none", "augmentation/published/train"]
    targets = [f"results/quick/{cell}/metrics.json" for cell in cells]
    before = {job for job, *_ in slurm.find_jobs()}
    command = (*SNAKEMAKE, *PROFILE, *copy.options, "--", *targets)
    logs = [copy.root / f"results/quick/logs/{cell}.ipynb" for cell in cells]
    run = copy.start(*command, **slurm.variables)
    wait_until(lambda: all(log.exists() for log in logs), "the cells", run, copy)
    run.kill()
    run.wait()
    orphans = {job for job, *_ in slurm.find_jobs()} - before
    time.sleep(5)
    assert slurm.find_states(orphans) == {"RUNNING"}
    run = copy.start(*command, **slurm.variables)
    try:
        wait_until(lambda: "RUNNING" not in slurm.find_states(orphans), "the end of their jobs", run, copy, seconds=120)
        assert run.wait() == 0, copy.terminal
    finally:
        end(run)
    assert slurm.find_states(orphans) == {"FAILED"}
    undisturbed.snakemake(*targets)
    for cell in cells:
        for file in ("metrics.json", "curves.csv"):
            path = f"results/quick/{cell}/{file}"
            assert (copy.root / path).read_bytes() == (undisturbed.root / path).read_bytes()
