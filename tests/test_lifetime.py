import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from gradlab import lifetime
from gradlab.lifetime import begin_run
from gradlab.lock import RUN_LOCK, LockedError, hold_lock, read_holder

ELSEWHERE = "process 1 on another-machine, since 2026-11-23 05:00:00"
STOP = """
import sys, time
from gradlab import lifetime
lifetime.LOOK, lifetime.SILENCE = 0.05, float(sys.argv[1])
print("started", flush=True)
lifetime.stop_with_run()
time.sleep(60)
"""
HOLD = """
import sys, time
from gradlab import lifetime
from gradlab.lock import hold_lock
lifetime.LOOK = 0.05
held = hold_lock("lock")
lifetime.stop_when_claimed(held)
print("held", flush=True)
input()
held.close()
print("closed", flush=True)
input()
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """A function that starts a script in the working directory and waits for its first line; what is left is killed."""
    monkeypatch.chdir(tmp_path)
    RUN_LOCK.parent.mkdir()
    started = []

    def start_script(script, *arguments, **variables):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [sys.executable, "-c", script, *arguments]
        process = subprocess.Popen(command, env={**os.environ, **variables}, text=True, **pipes)
        started.append(process)
        assert process.stdout.readline() in ("started\n", "held\n")
        return process

    yield start_script
    for process in started:
        process.kill()
        process.communicate()


def assert_runs_on(process, *, seconds=1.0):
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)


def assert_ends(process, reason):
    assert process.wait(timeout=30) == -signal.SIGTERM
    assert reason in process.stderr.read()


@pytest.fixture
def run():
    """Another process, as the run of a job."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def test_a_job_ends_when_its_run_has_gone_and_not_before(start, run):
    job = start(STOP, "600", GRADLAB_RUN=str(run.pid))
    assert_runs_on(job)
    run.kill()
    run.communicate()
    assert_ends(job, f"process {run.pid}, which started it, has ended")


def test_a_job_whose_run_had_gone_before_it_started_ends_too(start):
    gone = max(psutil.pids()) + 100_000
    assert_ends(start(STOP, "600", GRADLAB_RUN=str(gone)), "has ended")


def test_a_job_on_another_machine_ends_when_there_is_a_new_run(start):
    RUN_LOCK.write_text(f"{ELSEWHERE}\n")
    job = start(STOP, "600", GRADLAB_RUN=str(os.getpid()), GRADLAB_HOLDER=ELSEWHERE)
    assert_runs_on(job)
    RUN_LOCK.write_text("")  # the new run is just writing
    assert_runs_on(job, seconds=0.5)
    RUN_LOCK.write_text("process 2 on the same, since then\n")
    assert_ends(job, "there is a new one (process 2 on the same, since then)")


def test_a_job_that_waited_longer_in_the_queue_than_its_run_lived_does_not_begin(start):
    RUN_LOCK.write_text("process 2 on the same, since then\n")
    assert_ends(start(STOP, "600", GRADLAB_HOLDER=ELSEWHERE), "there is a new one")


def test_a_job_on_another_machine_ends_when_its_run_gives_no_sign_of_life(start):
    RUN_LOCK.write_text(f"{ELSEWHERE}\n")
    job = start(STOP, "2", GRADLAB_HOLDER=ELSEWHERE)
    for second in range(16):  # four seconds, twice what it waits
        os.utime(RUN_LOCK, (second, second))  # what its clock says does not matter
        assert_runs_on(job, seconds=0.25)
    assert_ends(job, "has given no sign of life for 2 seconds")


def test_a_job_that_does_not_see_the_lock_runs_on(start):
    """As on a machine without shared files, whose scheduler alone ends it."""
    assert_runs_on(start(STOP, "0.2", GRADLAB_HOLDER=ELSEWHERE))


def test_a_job_on_the_machine_of_its_run_waits_for_its_process_alone(start, run):
    holder = f"process {run.pid} on {os.uname().nodename}, since then"
    RUN_LOCK.write_text(f"{holder}\n")
    assert_runs_on(start(STOP, "0.2", GRADLAB_RUN=str(run.pid), GRADLAB_HOLDER=holder))


def test_a_run_tells_its_jobs_who_it_is_and_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lifetime, "BEAT", 0.05)
    monkeypatch.setenv(lifetime.HOLDER_VARIABLE, "an earlier run in this environment")
    with begin_run():
        assert os.environ[lifetime.HOLDER_VARIABLE] == read_holder(RUN_LOCK)
        assert read_holder(RUN_LOCK).startswith(f"process {os.getpid()} on ")
        signs = set()
        deadline = time.monotonic() + 30
        while len(signs) < 5 and time.monotonic() < deadline:
            signs.add(RUN_LOCK.stat().st_mtime_ns)
        assert len(signs) == 5
        with pytest.raises(LockedError, match="another run is going on in this folder"):
            begin_run()
    time.sleep(0.2)  # the last sign may be under way
    last = RUN_LOCK.stat().st_mtime_ns
    time.sleep(0.5)
    assert RUN_LOCK.stat().st_mtime_ns == last


def test_who_claims_a_lock_gets_it_from_a_holder_that_looks(start):
    holder = start(HOLD)
    with hold_lock("lock", wait=30, claim=True):
        assert_ends(holder, f"process {os.getpid()} on ")


def test_on_a_file_system_without_locks_the_newest_holder_stays(start):
    holder = start(HOLD)
    with open("lock", "r+") as file:
        file.write(f"{ELSEWHERE}\n")
        file.truncate()
    assert_ends(holder, f"{ELSEWHERE} runs it anew")


def test_nobody_claims_from_a_process_that_has_let_go(start):
    former = start(HOLD)
    former.stdin.write("\n")
    former.stdin.flush()
    assert former.stdout.readline() == "closed\n"
    with hold_lock("lock", claim=True):
        assert_runs_on(former)
