import os
import signal
import subprocess
import sys

import psutil
import pytest

JOB = """
import time
from gradlab.lifetime import stop_with_run
print("started", flush=True)
stop_with_run()
time.sleep(60)
"""


def start_job(run):
    """A job of the run with this process id."""
    environment = {**os.environ, "GRADLAB_RUN": str(run)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    job = subprocess.Popen([sys.executable, "-c", JOB], env=environment, text=True, **pipes)
    assert job.stdout.readline() == "started\n"
    return job


def test_a_job_ends_when_its_run_has_gone_and_not_before():
    run = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    job = start_job(run.pid)
    with pytest.raises(subprocess.TimeoutExpired):
        job.wait(timeout=1)
    run.kill()
    run.communicate()
    assert f"process {run.pid}, which started it, has ended" in job.communicate(timeout=30)[1]
    assert job.returncode == -signal.SIGTERM


def test_a_job_whose_run_had_gone_before_it_started_ends_too():
    gone = max(psutil.pids()) + 100_000
    assert "has ended" in start_job(gone).communicate(timeout=30)[1]
