"""Jobs end with the run that started them, on its machine and on others, also where it was killed and could stop nothing.

On its own machine a job waits for the end of snakemake's process. On another one, of a cluster for example, that is the process
of the snakemake that the cluster's scheduler started there; whether the run behind it still goes on, the job reads from the
lock of the run, in the folder that all machines share: from who holds it, and from its time of change, which moves on while
the run lives.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO

import psutil

from gradlab.lock import RUN_LOCK, claimant, hold_run, name_process, read_holder

RUN_VARIABLE = "GRADLAB_RUN"  # the environment variable in which the workflow gives its process id to its jobs
HOLDER_VARIABLE = "GRADLAB_HOLDER"  # and the one in which it gives what stands in its lock

BEAT = 20.0  # seconds between two signs of life of a run
LOOK = 5.0  # seconds between two looks of a job
SILENCE = 600.0  # seconds without a sign of life after which a run counts as gone


def begin_run() -> IO[str]:
    """Begin a run in the working directory, the only one there, whose jobs know it on every machine.

    Returns
    -------
    lock
        The lock of the run; the run lasts until it is closed, or this process ends.

    Raises
    ------
    LockedError
        Another run is going on in this folder.
    """
    lock = hold_run()
    os.environ[HOLDER_VARIABLE] = read_holder(RUN_LOCK)
    threading.Thread(target=_give_signs_of_life, args=[lock], daemon=True).start()
    return lock


def _give_signs_of_life(lock: IO[str]) -> None:
    while not lock.closed:
        try:
            os.utime(lock.fileno())
        except (OSError, ValueError):  # a file system that is out of reach for now; a lock that was closed just now
            pass
        time.sleep(BEAT)


def stop_with_run() -> None:
    """Send SIGTERM to this process when the run that started it has gone; do nothing where none did.

    Returns at once; threads wait.
    """
    run = os.environ.get(RUN_VARIABLE)
    if run:
        threading.Thread(target=_stop_after, args=[int(run)], daemon=True).start()
    holder = os.environ.get(HOLDER_VARIABLE)
    if holder and not holder.startswith(f"{name_process(run)},"):  # the run is on another machine
        threading.Thread(target=_stop_without, args=[RUN_LOCK.absolute(), holder], daemon=True).start()


def _stop_after(process_id: int) -> None:
    try:
        psutil.Process(process_id).wait()
    except psutil.NoSuchProcess:
        pass
    _stop(f"process {process_id}, which started it, has ended")


def _stop_without(lock: Path, holder: str) -> None:
    """Stop when another run holds the lock, or nobody gives signs of life: a killed run leaves its lock as it was."""
    seen, silence = None, 0.0
    while silence < SILENCE:
        try:
            now, sign = read_holder(lock), lock.stat().st_mtime_ns
        except OSError:  # no news: the file system is out of reach for now, or not shared with the run
            pass
        else:
            if now and now != holder:
                return _stop(f"its run ({holder}) is over; there is a new one ({now})")
            silence = silence + LOOK if sign == seen else 0.0
            seen = sign
        time.sleep(LOOK)  # looks are counted, and not the clock: a suspended job has not waited
    _stop(f"its run ({holder}) has given no sign of life for {SILENCE:.0f} seconds")


def stop_when_claimed(lock: IO[str]) -> None:
    """Send SIGTERM to this process when another one claims a lock that it holds.

    A cell is wanted by a second process only where its own run has gone, or where a scheduler took the machine for lost and
    started the cell again on another one. So the newcomer is right. Returns at once; a thread waits until the lock is closed.
    """
    holder = read_holder(lock.name)
    threading.Thread(target=_stop_when_claimed, args=[lock, holder], daemon=True).start()


def _stop_when_claimed(lock: IO[str], holder: str) -> None:
    while True:
        try:
            other = claimant(lock.name, holder)
        except OSError:
            other = None
        if lock.closed:
            return None
        if other:
            return _stop(f"{other} runs it anew")
        time.sleep(LOOK / 2)


def _stop(reason: str) -> None:
    print(f"gradlab: this job ends: {reason}", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)  # to the process: the main thread may be waiting for something else
