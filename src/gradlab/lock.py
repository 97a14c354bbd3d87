"""Locks that hold as long as the process that took them: the system lets go of them when it ends, even when it is killed.

`python lock.py COMMAND...` runs a command as the only run in the working directory, with nothing but Python itself.
"""

import contextlib
import errno
import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import IO

RUN_LOCK = Path(".snakemake/run.lock")

# What file systems answer that know no locks.
_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class LockedError(RuntimeError):
    """A lock that another process holds; the message says which one, and since when."""


def hold_lock(path: str | Path, *, wait: float = 0.0, claim: bool = False) -> IO[str]:
    """Lock a file, which is made where there is none, and write into it who holds it.

    Parameters
    ----------
    path
        The file. It stays when the lock is gone: removing it would let two processes lock two files of one name.
    wait
        Seconds to wait for another process that holds the lock.
    claim
        Write into the file, while waiting, who wants the lock. It asks the holder to let go of it; `claimant` tells the
        holder.

    Returns
    -------
    file
        The open file: the lock holds until it is closed in this process and in every process that inherited it. On a
        file system without locks it is not locked. On a network file system the lock holds between machines where the
        locks of that file system do, else within one machine.

    Raises
    ------
    LockedError
        Another process still holds the lock.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait
    name = describe_process()
    file = path.open("a+", encoding="utf-8")
    try:
        while not _lock(file):
            if time.monotonic() >= deadline:
                raise LockedError(read_holder(path) or "another process")
            if claim and claimant(path, holder := read_holder(path)) is None:
                _write(file, holder, name)
            time.sleep(0.1)
        _write(file, name)
    except BaseException:
        file.close()
        raise
    return file


def describe_process() -> str:
    """Return who this process is, as it stands in the locks that it holds: number, machine and time."""
    return f"{name_process(os.getpid())}, since {datetime.now():%Y-%m-%d %H:%M:%S}"


def name_process(process_id: int | str | None) -> str:
    """Return the part of `describe_process` that tells a process of this machine from all others: number and machine."""
    return f"process {process_id} on {socket.gethostname()}"


def read_holder(path: str | Path) -> str:
    """Return who holds a lock, or held it last; an empty text where nobody did, or is just writing it."""
    return (_read(path) or [""])[0]


def claimant(path: str | Path, holder: str) -> str | None:
    """Return who else wants a lock or, on a file system without locks, has taken it from `holder`; None where nobody has."""
    others = [line for line in _read(path) if line != holder]
    return others[-1] if others else None


def _read(path: str | Path) -> list[str]:
    with open(path, encoding="utf-8") as file:  # opened anew each time: on NFS this is what asks the server
        return file.read().splitlines()


def _write(file: IO[str], *lines: str) -> None:
    file.truncate(0)
    file.writelines(f"{line}\n" for line in lines)
    file.flush()
    with contextlib.suppress(OSError):  # what file systems without locks may not know either
        os.fsync(file.fileno())  # other machines see it now


def _lock(file: IO[str]) -> bool:
    """Try to lock a file; say whether nobody else has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    return True


def hold_run() -> IO[str]:
    """Lock the working directory, in which there is one run at a time; as `hold_lock`."""
    try:
        return hold_lock(RUN_LOCK)
    except LockedError as holder:
        raise LockedError(f"another run is going on in this folder ({holder}); wait for its end, or end it") from None


def main(command: Sequence[str]) -> int:
    """Run a command under the lock of a run and return its exit status; 1 where there is another run."""
    try:
        with hold_run():
            return subprocess.run(command).returncode
    except LockedError as error:
        print(f"gradlab: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
