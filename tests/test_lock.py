import errno
import fcntl
import os
import subprocess
import sys
import time

import pytest

from gradlab import lock
from gradlab.lock import LockedError, claimant, hold_lock, hold_run, main, read_holder

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


def test_a_claim_names_the_claimant_and_leaves_the_holder(tmp_path, other):
    holder = read_holder(tmp_path / "lock")
    assert claimant(tmp_path / "lock", holder) is None
    with pytest.raises(LockedError, match=rf"process {other.pid} on "):
        hold_lock(tmp_path / "lock", wait=0.5, claim=True)
    assert read_holder(tmp_path / "lock") == holder
    assert claimant(tmp_path / "lock", holder).startswith(f"process {os.getpid()} on ")
    with pytest.raises(LockedError, match=rf"process {other.pid} on "):
        hold_lock(tmp_path / "lock")


def test_waiting_without_a_claim_writes_nothing(tmp_path, other):
    before = (tmp_path / "lock").read_bytes()
    with pytest.raises(LockedError):
        hold_lock(tmp_path / "lock", wait=0.3)
    assert (tmp_path / "lock").read_bytes() == before


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


def test_without_locks_the_former_holder_sees_the_newer(tmp_path, other, monkeypatch):
    def refuse(*_arguments):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    holder = read_holder(tmp_path / "lock")
    monkeypatch.setattr(fcntl, "flock", refuse)
    with hold_lock(tmp_path / "lock"):
        assert claimant(tmp_path / "lock", holder).startswith(f"process {os.getpid()} on ")


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
