"""A job of the workflow, which is one cell: run by the warm process of the run (`gradlab.engine.warm`), or here without one."""

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress

WARM_VARIABLE = "GRADLAB_WARM"  # the environment variable with the address at which the warm process is asked


def ask(address: str, arguments: Sequence[str]) -> int | None:
    """Let the warm process run a cell, whose output goes where that of this process goes.

    The cell gets the signals that would end this process, and ends with it.

    Parameters
    ----------
    address
        The path of its socket.
    arguments
        What `gradlab.engine.cell` is called with.

    Returns
    -------
    int
        The exit status; None where the warm process does not serve this cell.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        try:
            connection.connect(address)
            socket.send_fds(connection, [json.dumps(list(arguments)).encode()], [1, 2])
            runner = connection.recv(16)
        except OSError:
            return None
        if not runner:
            return None

        def forward(signal_number: int, _: object) -> None:
            with suppress(ProcessLookupError):
                os.kill(int(runner), signal_number)

        before = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGINT)}
        status = connection.recv(1)
        for number, handler in before.items():
            signal.signal(number, handler)
    if not status:
        print("gradlab: the runner of the cell was killed", file=sys.stderr)
        return 1
    return status[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one cell of a plan; see `gradlab.engine.cell.main`."""
    arguments = sys.argv[1:] if arguments is None else arguments
    address = os.environ.get(WARM_VARIABLE)
    status = ask(address, arguments) if address else None
    if status is not None:
        return status
    from gradlab.engine import cell  # takes long

    return cell.run_job(arguments)
