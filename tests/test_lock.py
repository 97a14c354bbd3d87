import errno
import fcntl
import os
import subprocess
import sys
import time

import psutil
import pytest

from gradlab import lock
from gradlab.lock import LockedError, hold_lock, hold_run, main

HOLD = (
    "import sys; from gradlab.lock import hold_lock; held = hold_lock(sys.argv[1]); print('held', flush=True); input()"
)


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "lock")], text=True, **pipes)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_lock_is_held_by_one_process_and_says_by_which(tmp_path, other):
    with pytest.raises(LockedError, match=rf"process {other.pid} on \S+, since \d{{4}}-"):
        hold_lock(tmp_path / "lock")


def test_a_lock_ends_with_its_process_even_a_killed_one(tmp_path, other):
    other.kill()
    other.wait()
    with hold_lock(tmp_path / "lock"):
        assert (tmp_path / "lock").read_text().startswith(f"process {os.getpid()} on ")


def test_waiting_for_a_lock(tmp_path, other):
    started = time.monotonic()
    with pytest.raises(LockedError):
        hold_lock(tmp_path / "lock", wait=0.5)
    assert time.monotonic() - started >= 0.5
    other.stdin.write("\n")
    other.stdin.flush()  # it ends
    hold_lock(tmp_path / "lock", wait=30).close()


def test_a_lock_holds_as_long_as_a_process_that_inherited_it(tmp_path):
    held = hold_lock(tmp_path / "lock")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[held.fileno()])
    held.close()
    with pytest.raises(LockedError):
        hold_lock(tmp_path / "lock")
    child.communicate(b"\n")
    hold_lock(tmp_path / "lock").close()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_no_obstacle(tmp_path, monkeypatch, code):
    def refuse(*_arguments):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    hold_lock(tmp_path / "lock").close()


def test_any_other_error_is_one(tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        hold_lock(tmp_path / "lock")


def test_a_command_is_the_only_run_in_its_folder(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main(["sh", "-c", "exit 7"]) == 7
    with hold_run():
        assert main(["touch", "made"]) == 1
    assert "another run is going on in this folder (process " in capfd.readouterr().err
    assert not (tmp_path / "made").exists()
    assert main(["touch", "made"]) == 0
    assert (tmp_path / "made").exists()


def test_it_needs_nothing_but_python(tmp_path):
    """The Makefile uses it before anything is installed."""
    command = [sys.executable, "-I", "-S", lock.__file__, sys.executable, "-c", "print('ran')"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={})
    assert (done.returncode, done.stdout) == (0, "ran\n")


STOP = """
import time
from gradlab.lifetime import stop_with_run
stop_with_run()
print("started", flush=True)
time.sleep(60)
"""


def test_a_job_ends_when_its_run_has_gone_and_not_before():
    run = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    job = subprocess.Popen(
        [sys.executable, "-c", STOP], env={**os.environ, "GRADLAB_RUN": str(run.pid)}, stdout=subprocess.PIPE, text=True
    )
    assert job.stdout.readline() == "started\n"
    with pytest.raises(subprocess.TimeoutExpired):
        job.wait(timeout=1)
    run.kill()
    run.communicate()
    assert job.wait(timeout=30) == -15  # SIGTERM
    job.stdout.close()


def test_a_job_whose_run_had_gone_before_it_started_ends_too():
    gone = max(psutil.pids()) + 100_000
    job = subprocess.run(
        [sys.executable, "-c", STOP], env={**os.environ, "GRADLAB_RUN": str(gone)}, stdout=subprocess.PIPE, timeout=30
    )
    assert job.returncode == -15
