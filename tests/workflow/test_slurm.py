"""A few cells on a real SLURM with two nodes, through the profile of the project, while one node crashes and one is lost."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from workflow.conftest import SNAKEMAKE, Copy, kill_all

pytestmark = [pytest.mark.workflow, pytest.mark.system]

# All that differs from what a user types: the queue is asked every few seconds, since a job takes half a minute here.
PROFILE = ("--profile", "workflow/profiles/slurm", "--slurm-init-seconds-before-status-checks", "3")
# Two cells that take a job each, and wait long enough to be met in the middle, and two that take seconds and share one.
LONG = ["tiny/corrected/search-1", "tiny/corrected/search-2"]
SHORT = ["tiny/published/0.5", "tiny/corrected/start-0"]


@dataclass(frozen=True)
class Slurm:
    """A SLURM on this machine: its folder, and the variables with which its commands find it."""

    script: Path
    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": f"{self.folder}/bin:{os.environ['PATH']}"}

    def control(self, action: str, *arguments: str) -> None:
        """Call the script; half of this machine's memory may be less than what jobs ask for."""
        command = [str(self.script), action, str(self.folder), *arguments]
        done = subprocess.run(command, env={**os.environ, "NODE_MEMORY": "64000"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def ask(self, *command: str) -> list[list[str]]:
        """The fields, separated by bars, of what a command of SLURM prints."""
        done = subprocess.run(command, env={**os.environ, **self.variables}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return [line.split("|") for line in done.stdout.splitlines()]

    def find_jobs(self) -> list[list[str]]:
        """Id, state and comment of all jobs that there were; the comment names rules and cell."""
        return self.ask("sacct", "-X", "--noheader", "--parsable2", "--format=JobIDRaw,State,Comment")

    def find_computing(self) -> dict[str, str]:
        """The jobs that run a kernel, by the node that they run on."""
        return {node: job for node, job in self.ask("squeue", "--noheader", "--format=%N|%i") if job in find_kernels()}


def find_kernels() -> set[str]:
    """The ids of the SLURM jobs that kernels belong to."""
    jobs = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if "kernel" in " ".join(process.cmdline()):
                jobs.add(process.environ().get("SLURM_JOB_ID", ""))
    return jobs


@pytest.fixture
def slurm(project: Path) -> Iterator[Slurm]:
    """A SLURM with nothing in its queue, which ends with the test."""
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


def wait_until(condition: Callable[[], Any], what: str, run: subprocess.Popen[str], copy: Copy) -> Any:
    """Wait for something that has to come while a run goes on, and return it."""
    deadline = time.monotonic() + 180
    while not (found := condition()):
        assert run.poll() is None, f"the run ended before {what}:\n{copy.terminal}"
        assert time.monotonic() < deadline, f"{what} did not come in three minutes:\n{copy.terminal}"
        time.sleep(0.2)
    return found


def test_cells_finish_with_the_same_bytes_though_a_node_crashed_and_one_was_lost(slurm, copy_tiny, tiny):
    """The daemon of one node is killed, and started again while its job goes on; the other is lost with all that it runs.

    Snakemake sends what the lost node ran to the other one, and nothing more to a node that it has seen fail.
    """
    copy = copy_tiny(pause=20.0)
    targets = [f"results/tiny/{cell}/metrics.json" for cell in LONG + SHORT]
    run = copy.start(*SNAKEMAKE, *PROFILE, *copy.options, "--", *targets, **slurm.variables)
    try:
        disturbed = wait_until(
            lambda: (jobs := slurm.find_computing()).keys() == {"n1", "n2"} and jobs, "a cell on each node", run, copy
        )
        slurm.control("crash", "n1")
        slurm.control("start")
        slurm.control("lose", "n2")
        assert run.wait() == 0, copy.terminal
    finally:
        with suppress(psutil.NoSuchProcess):  # where it has ended
            kill_all(run)

    assert copy.planned(*targets) == set()
    jobs = slurm.find_jobs()
    assert [job for job, state, _ in jobs if state == "NODE_FAIL"] == [disturbed["n2"]]
    assert {state for job, state, _ in jobs if job != disturbed["n2"]} == {"COMPLETED"}
    assert len([comment for _, state, comment in jobs if state == "COMPLETED" and "short" in comment]) == 1
    for cell in LONG + SHORT:
        for file in ("metrics.json", "curves.csv"):
            path = f"results/tiny/{cell}/{file}"
            assert (copy.root / path).read_bytes() == (tiny.root / path).read_bytes(), path
