"""A study that is killed again and again, in every way, and comes out as if nothing had happened."""

import json
import random
import time
from contextlib import chdir, suppress

import psutil
import pytest
from bs4 import BeautifulSoup
from workflow.conftest import SNAKEMAKE, find_outputs, kill_all

from gradlab.engine import verify
from gradlab.engine.results import load_results

pytestmark = pytest.mark.workflow

# What SIGKILL hits: snakemake itself, the job of a cell, its runner, its kernel, everything at once, as when the power goes,
# the process of which runners are forks, and the one that has forked that.
VICTIMS = ("snakemake", "job", "runner", "kernel", "everything", "packages", "server")
# How far they are from the server.
GENERATIONS = {"server": 0, "packages": 1, "runner": 2, "kernel": 3}


def count_done(copy):
    return len(list(copy.root.glob("results/tiny/*/*/*/manifest.json")))


def wait_for_cells(copy, process, number):
    """Wait until so many cells are complete, or the run has ended: what is left may need a cell that was killed."""
    deadline = time.monotonic() + 600
    while count_done(copy) < number and process.poll() is None:
        assert time.monotonic() < deadline, copy.terminal
        time.sleep(0.1)


def wait_for_victims(process, victim):
    """Wait until there is what is to be killed, and return its processes; none where the run has ended before."""
    deadline = time.monotonic() + 120
    while process.poll() is None:
        assert time.monotonic() < deadline, f"{victim} did not come in two minutes"
        with suppress(psutil.NoSuchProcess):
            if found := find_victims(psutil.Process(process.pid), victim):
                return found
        time.sleep(0.05)
    return []


def find_victims(run, victim):
    """The processes to kill; none while there is no such process."""
    helpers = run.children(recursive=True)
    if victim == "job":
        return [helper for helper in helpers if {"gradlab", "cell", "-m"} < {*helper.cmdline()}]
    found = [helper for helper in run.children() if "gradlab.engine.warm" in helper.cmdline()]
    for _ in range(GENERATIONS.get(victim, 3)):
        found = [child for process in found for child in process.children()]
    return found if victim in GENERATIONS or not found else [run, *helpers] if victim == "everything" else [run]


def find_states(copy):
    """The state of every planned cell, as the report would show it."""
    with chdir(copy.root):
        plan = copy.root / "results/tiny/plan.json"
        return {name: result.status for name, result in load_results(plan).items()} if plan.exists() else {}


@pytest.fixture(scope="module")
def interrupted(copy_tiny):
    """A copy in which the tiny study was killed, once for every victim, and then run; what was hit, after how many cells."""
    copy = copy_tiny()
    moments = random.Random(0)
    story, process = [], None
    for victim in VICTIMS:
        hits = []
        while not hits:
            if process is None or process.poll() is not None:
                assert process is None or process.returncode, f"the study was complete before the last kill: {story}"
                process = copy.start(*SNAKEMAKE, "--cores", "2", *copy.options)
            wait_for_cells(copy, process, count_done(copy) + moments.randint(0, 1))
            time.sleep(moments.uniform(0, 0.5))
            hits = wait_for_victims(process, victim)
        helpers = psutil.Process(process.pid).children(recursive=True)
        for hit in hits:
            with suppress(psutil.NoSuchProcess):
                hit.kill()
        story.append((victim, count_done(copy)))
        if victim in ("snakemake", "everything"):
            process.wait()
            alive = psutil.wait_procs(helpers, timeout=30)[1]
            assert alive == [], f"these outlived their run: {[helper.cmdline() for helper in alive]}; {story}"
            process = None
        states = find_states(copy)
        assert set(states.values()) <= {"done", "missing", "failed"}, f"{states}; {story}"
    if process is not None:
        kill_all(process)
    last = copy.snakemake(check=False)
    assert last.returncode == 0, f"{story}\n{last.stdout}"
    return copy, story


def test_the_next_run_finishes(interrupted):
    copy, _ = interrupted
    assert set(find_states(copy).values()) == {"done"}
    assert copy.planned() == set()
    assert [str(path) for path in (copy.root / "results/tiny").rglob("*.part")] == []


def test_the_results_are_those_of_a_run_that_nobody_disturbed(interrupted, tiny):
    """In another folder: the same bytes."""
    copy, story = interrupted
    expected, found = (find_outputs(project.root / "results/tiny") for project in (tiny, copy))
    assert {"ledger.json", "tiny/corrected/choice/metrics.json"} < expected.keys()
    assert {name: digest for name, digest in found.items() if expected.get(name) != digest} == {}, story
    assert found.keys() == expected.keys()


def test_manifests_differ_in_time_alone(interrupted, tiny):
    copy, _ = interrupted
    for name in copy.read("results/tiny/plan.json")["cells"]:
        once, again = (
            json.loads((project.root / f"results/tiny/{name}/manifest.json").read_text()) for project in (tiny, copy)
        )
        for manifest in (once, again):
            del manifest["started"], manifest["wall_seconds"], manifest["outputs"]["notebook.ipynb"]
        assert again == once


def test_the_report_says_of_every_cell_that_it_gave_the_same_bytes_twice(interrupted, tiny, capsys):
    copy, _ = interrupted
    plans = [str(project.root / "results/tiny/plan.json") for project in (copy, tiny)]
    assert verify.main(plans) == 0
    assert "12 of 12" in capsys.readouterr().out
    assert copy.planned() == {"Rendering"}
    copy.snakemake()
    report = (copy.root / "results/tiny/report.html").read_text(encoding="utf-8")
    assert "12 of 12" in BeautifulSoup(report, "html.parser").find(id="repeats").find_next("p").get_text()
    page = (copy.root / "results/tiny/pages/tiny.html").read_text(encoding="utf-8")
    assert page.count("repeated: same bytes") == 12
