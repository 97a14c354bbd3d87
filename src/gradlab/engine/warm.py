"""The warm process of a run: it imports once what cells need, and a cell is a fork of it.

To start Python, papermill, IPython, matplotlib and torch takes longer than many a cell computes. A fork of a process that has
them all starts at once, and computes the same: it has a kernel's environment from its start, imports what the notebook would
import first, and has computed nothing. The processes of a run are a tree:

    the run ── the server ── one for each set of packages ── the runner of a cell ── its kernel

`gradlab.engine.job` asks for a cell, and runs it by itself where nobody serves it.
"""

import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from gradlab.engine.job import WARM_VARIABLE
from gradlab.engine.kernel import SpareKernel, clean_environment, list_modules, make_private_folder, redirect
from gradlab.engine.plan import find_roots
from gradlab.engine.sources import find_distributions, imported_modules
from gradlab.engine.study import cell_from_json, discover
from gradlab.lifetime import RUN_VARIABLE

PAUSE = 1.0  # seconds between two looks at whether the run has ended
LONGEST_REQUEST = 1 << 16  # bytes

Task = Callable[[], int]  # what a fork goes on with, once it has left the loop in which it was made


def start(plan_file: Path, plan: Mapping[str, Any], keys: Sequence[str]) -> subprocess.Popen[bytes] | None:
    """Start the warm process of this run, which ends with this process; jobs find it by their environment.

    Does nothing for a single cell, on other systems than Linux, or where the environment variable is set: an empty one turns
    it off.

    Parameters
    ----------
    plan_file, plan
        The plan, and where it was written.
    keys
        The cells that will run here.
    """
    if len(keys) < 2 or sys.platform != "linux" or WARM_VARIABLE in os.environ:
        return None
    folder = make_private_folder()
    address = str(folder / "warm")
    environment = clean_environment(
        os.environ.items(),
        private=folder,
        paths=[os.path.abspath(path) for path in plan["paths"]],
        threads=1,
        rounding=plan["cells"][keys[0]]["rounding"],
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen(1024)
        server = subprocess.Popen(
            [sys.executable, "-P", "-m", "gradlab.engine.warm", str(plan_file), str(folder)],
            stdin=listener.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the run, which passes it on
        )
    os.environ[WARM_VARIABLE] = address
    return server


def _find_modules(plan: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Return the modules of other packages that each cell imports at once, for the cells that run on one thread."""
    roots = find_roots(discover(plan["packages"]).values())
    cells = {key: cell_from_json(key, planned) for key, planned in plan["cells"].items()}
    single = {key: cell.template for key, cell in cells.items() if cell.resources.threads == 1}
    modules = {template: imported_modules(template, packages=roots, at_once=True) for template in set(single.values())}
    return {key: modules[template] for key, template in single.items()}


def _import(modules: Iterable[str]) -> None:
    gc.disable()  # else every few hundred new objects it looks through all there are
    for name in sorted(modules):
        with suppress(ImportError):  # a name that is no module: what it lies in is imported by now
            importlib.import_module(name)
    gc.enable()
    gc.collect()
    gc.freeze()  # forks share what nobody looks at
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("a process of several threads cannot be forked")


def _serve(plan: Mapping[str, Any]) -> Task | None:
    """Serve the jobs of a run to its end; in each fork, return what it is for."""
    listener = socket.socket(fileno=os.dup(0))
    redirect(os.devnull, os.devnull, os.devnull)
    modules = _find_modules(plan)
    _import(["gradlab.engine.cell", "ipykernel.kernelapp", *frozenset.intersection(*modules.values())])
    find_distributions(list_modules())  # what it looks up is kept
    packages = {key: frozenset(name.partition(".")[0] for name in names) for key, names in modules.items()}
    of_group: dict[frozenset[str], set[str]] = defaultdict(set)
    for key, names in modules.items():
        of_group[packages[key]] |= names
    groups: dict[frozenset[str], socket.socket] = {}
    while os.getppid() == int(os.environ[RUN_VARIABLE]):
        if not select.select([listener], [], [], PAUSE)[0]:
            continue
        connection, _ = listener.accept()
        with connection:
            request, output, *_ = socket.recv_fds(connection, LONGEST_REQUEST, 2)
            group = packages.get(json.loads(request)[1])
            if group is not None and group not in groups:
                groups[group], theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                if os.fork() == 0:
                    for inherited in (listener, *groups.values()):
                        inherited.close()
                    for descriptor in output:
                        os.close(descriptor)
                    return partial(_serve_group, theirs, of_group[group])
                theirs.close()
            if group is not None:
                with suppress(OSError):  # it ended: its cells are run by their jobs
                    socket.send_fds(groups[group], [request], [connection.fileno(), *output])
        for descriptor in output:
            os.close(descriptor)
    return None


def _serve_group(channel: socket.socket, modules: Iterable[str]) -> int:
    """Fork a runner for each request, until the server ends."""
    _import(modules)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for runners
    while True:
        request, descriptors, *_ = socket.recv_fds(channel, LONGEST_REQUEST, 3)
        if not request:
            return 0
        if os.fork() == 0:
            channel.close()
            return _run(socket.socket(fileno=descriptors[0]), json.loads(request), descriptors[1:])
        for descriptor in descriptors:
            os.close(descriptor)


def _run(connection: socket.socket, arguments: Sequence[str], output: Sequence[int]) -> int:
    """Run a cell for the job at the other end of a connection, and end with it."""
    from gradlab.engine import cell

    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    redirect(os.devnull, *output)
    kernel = SpareKernel()  # while there are no threads
    if kernel.is_here:
        connection.close()
        return kernel.serve()
    for signal_number in (signal.SIGTERM, signal.SIGINT):  # before the job knows where to send them
        signal.signal(signal_number, signal.default_int_handler)
    connection.send(str(os.getpid()).encode())
    threading.Thread(target=_stop_after, args=[connection], daemon=True).start()
    status = cell.run_job(arguments, kernel)
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends now, before the job does
    with suppress(OSError):
        connection.send(bytes([status]))
    return status


def _stop_after(connection: socket.socket) -> None:
    connection.recv(1)  # a job says no more: it returns where the job has ended
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """Serve a run, or, in a fork, do what the fork is for."""
    plan_file, folder = map(Path, sys.argv[1:])
    task = _serve(json.loads(plan_file.read_text(encoding="utf-8")))
    if task:
        return task()
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    os._exit(main())  # at once: to take thousands of modules apart takes long
