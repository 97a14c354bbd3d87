"""Locks that hold as long as the process that took them: the system lets go of them when it ends, even when it is killed.

`python lock.py COMMAND...` runs a command as the only run in the working directory, with nothing but Python itself.
"""

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


def hold_lock(path: str | Path, *, wait: float = 0.0) -> IO[str]:
    """Lock a file, which is made where there is none.

    Parameters
    ----------
    path
        The file. It stays when the lock is gone: removing it would let two processes lock two files of one name.
    wait
        Seconds to wait for another process that holds the lock.

    Returns
    -------
    file
        The open file: the lock holds until it is closed in this process and in every process that inherited it. On a
        file system without locks it is not locked.

    Raises
    ------
    LockedError
        Another process still holds the lock.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait
    file = path.open("a+", encoding="utf-8")
    try:
        while not _lock(file):
            if time.monotonic() >= deadline:
                file.seek(0)
                raise LockedError(file.read().strip() or "another process")
            time.sleep(0.1)
    except BaseException:
        file.close()
        raise
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}, since {datetime.now():%Y-%m-%d %H:%M:%S}\n")
    file.flush()
    return file


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
