"""Cells that are forks of a warm process: the same as cells in processes of their own, and no more."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from made_cells import make_cell, write_plan

from gradlab.engine import warm
from gradlab.engine.job import WARM_VARIABLE, ask
from gradlab.engine.study import Resources

RESULTS = "for name in ('metrics.json', 'curves.csv'):\n    open(f'{output}/{name}', 'a').close()"
# The first statement is what a notebook would import at its start, and the last what it finds before it has imported anything.
DESCRIBE = """
import json, os, sys
import numpy, scipy.fft
import matplotlib.pyplot
described = {
    "path": sys.path,
    "arguments": [os.path.basename(argument) for argument in sys.argv[1:]],
    "flags": str(sys.flags),
    "environment": dict(os.environ),
    "style": {name: str(value) for name, value in matplotlib.rcParams.items()},
    "input": sys.__stdin__.read(),
    "main": __name__,
    "recursion": sys.getrecursionlimit(),
}
json.dump(described, open(f"{output}/metrics.json", "w"))
open(f"{output}/curves.csv", "w").close()
"""


@pytest.fixture
def plan(tmp_path, monkeypatch, write_notebook):
    """A function that plans cells of one notebook."""
    monkeypatch.chdir(tmp_path)

    def plan(*code, names=("x", "y"), **fields):
        (tmp_path / "notebooks/s").mkdir(parents=True)
        write_notebook(*code).rename(tmp_path / "notebooks/s/made.ipynb")
        keys = [f"s/published/{name}" for name in names]
        return write_plan(tmp_path / "results", {key: make_cell(key, {}, **fields) for key in keys})

    return plan


def run_job(plan, name, **variables):
    command = [sys.executable, "-P", "-m", "gradlab", "cell", str(plan), f"s/published/{name}"]
    return subprocess.Popen(command, env=os.environ | variables, stderr=subprocess.PIPE, text=True)


def wait_until(condition, *, timeout=60):
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_a_fork_finds_what_a_process_of_its_own_finds(plan, start_warm, tmp_path):
    file = plan(DESCRIBE)
    start_warm(file)
    jobs = [run_job(file, "x"), run_job(file, "y", **{WARM_VARIABLE: ""})]
    assert [job.communicate() for job in jobs] == [(None, ""), (None, "")]
    forked, alone = (json.loads((tmp_path / f"results/s/published/{name}/metrics.json").read_text()) for name in "xy")
    manifests = [json.loads((tmp_path / f"results/s/published/{name}/manifest.json").read_text()) for name in "xy"]
    for found in (forked, alone):
        own = [found["environment"].pop(name) for name in ("MPLCONFIGDIR", "IPYTHONDIR", "JPY_PARENT_PID")]
        assert len(set(own)) == 3
        found["environment"].pop(WARM_VARIABLE, None)
    assert forked == alone
    for facts in ("versions", "rounding", "machine"):
        assert manifests[0][facts] == manifests[1][facts]


def test_a_fork_begins_with_what_its_notebook_would_import(plan, start_warm, tmp_path):
    file = plan(
        "import sys\nassert 'scipy.fft' in sys.modules and 'torch' not in sys.modules", "import scipy.fft", RESULTS
    )
    start_warm(file)
    assert run_job(file, "x").communicate() == (None, "")
    assert "AssertionError" in run_job(file, "y", **{WARM_VARIABLE: ""}).communicate()[1]


def test_what_no_seed_fixes_is_not_the_same_in_two_forks(plan, start_warm, tmp_path):
    draw = "import random\nimport numpy\nopen(f'{output}/metrics.json', 'w').write(str([random.random(), numpy.random.rand()]))"
    file = plan(draw, "open(f'{output}/curves.csv', 'w').close()")
    start_warm(file)
    assert [job.communicate() for job in [run_job(file, "x"), run_job(file, "y")]] == [(None, "")] * 2
    (a, b), (c, d) = (json.loads((tmp_path / f"results/s/published/{name}/metrics.json").read_text()) for name in "xy")
    assert a != c
    assert b != d


def test_a_job_whose_runner_is_killed_says_so(plan, start_warm, tmp_path):
    file = plan("import os, time\nopen('runner', 'w').write(str(os.getppid()))\ntime.sleep(600)")
    start_warm(file)
    job = run_job(file, "x")
    runner = wait_until(lambda: (tmp_path / "runner").exists() and (tmp_path / "runner").read_text())
    (kernel,) = psutil.Process(int(runner)).children()
    os.kill(int(runner), signal.SIGKILL)
    assert job.communicate() == (None, "gradlab: the runner of the cell was killed\n")
    assert job.returncode == 1
    kernel.wait(30)


def test_what_it_does_not_serve_the_job_runs_itself(plan, start_warm, tmp_path):
    """A cell of two threads, for which the environment of the process is not the right one."""
    file = plan(RESULTS, resources=Resources(threads=2))
    start_warm(file)
    assert ask(os.environ[WARM_VARIABLE], [str(file), "s/published/x"]) is None
    assert run_job(file, "x").communicate() == (None, "")


def test_where_it_has_died_the_job_runs_the_cell_itself(plan, start_warm):
    file = plan(RESULTS)
    server = start_warm(file)
    assert ask(os.environ[WARM_VARIABLE], [str(file), "s/published/x"]) == 0
    (group,) = psutil.Process(server.pid).children()
    group.kill()
    assert ask(os.environ[WARM_VARIABLE], [str(file), "s/published/x"]) is None
    server.kill()
    server.wait()
    assert ask(os.environ[WARM_VARIABLE], [str(file), "s/published/x"]) is None
    assert run_job(file, "y").communicate() == (None, "")


def test_it_ends_with_its_run(plan, tmp_path):
    file = plan(RESULTS)
    start = (
        "import json, os, pathlib, sys\n"
        "os.environ['GRADLAB_RUN'] = str(os.getpid())\n"
        "from gradlab.engine import job, warm\n"
        "file = pathlib.Path(sys.argv[1])\n"
        "print(warm.start(file, json.loads(file.read_text()), ['s/published/x', 's/published/y']).pid)\n"
        "print(os.environ[job.WARM_VARIABLE], flush=True)\n"
        "input()"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", start, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    server, address = psutil.Process(int(run.stdout.readline())), run.stdout.readline().strip()
    assert ask(address, [str(file), "s/published/x"]) == 0
    (group,) = server.children()
    run.kill()
    run.communicate()
    assert psutil.wait_procs([server, group], timeout=30)[1] == []
    wait_until(lambda: not os.path.exists(os.path.dirname(address)))


def test_there_is_none_for_a_single_cell_nor_where_it_is_switched_off(plan, monkeypatch):
    file = plan(RESULTS)
    planned = json.loads(file.read_text())
    assert warm.start(file, planned, ["s/published/x"]) is None
    monkeypatch.setenv(WARM_VARIABLE, "")
    assert warm.start(file, planned, ["s/published/x", "s/published/y"]) is None
