"""Jobs end with the run that started them, also where that was killed and could stop nothing itself."""

import os
import signal
import threading

import psutil

RUN_VARIABLE = "GRADLAB_RUN"  # the environment variable in which the workflow gives its process id to its jobs


def stop_with_run() -> None:
    """Send SIGTERM to this process when the run that started it has gone; do nothing where none did.

    Returns at once; a thread waits.
    """
    if run := os.environ.get(RUN_VARIABLE):
        threading.Thread(target=_stop_after, args=[int(run)], daemon=True).start()


def _stop_after(process_id: int) -> None:
    try:
        psutil.Process(process_id).wait()
    except psutil.NoSuchProcess:
        pass
    os.kill(os.getpid(), signal.SIGTERM)  # to the process: the main thread may be waiting for something else
