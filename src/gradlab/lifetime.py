"""Jobs end with the run that started them, also where it was killed and could stop nothing."""

import os
import signal
import sys
import threading

import psutil

RUN_VARIABLE = "GRADLAB_RUN"  # the environment variable in which the workflow gives its process id to its jobs


def stop_with_run() -> None:
    """Send SIGTERM to this process when the run that started it has gone; do nothing where none did.

    Returns at once; a thread waits.
    """
    run = os.environ.get(RUN_VARIABLE)
    if run:
        threading.Thread(target=_stop_after, args=[int(run)], daemon=True).start()


def _stop_after(process_id: int) -> None:
    try:
        psutil.Process(process_id).wait()
    except psutil.NoSuchProcess:
        pass
    print(f"gradlab: this job ends: process {process_id}, which started it, has ended", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)  # to the process: the main thread may be waiting for something else
