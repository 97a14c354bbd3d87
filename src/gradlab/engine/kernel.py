"""The kernel that cells run in: IPython's, started by the interpreter that runs the cell, with nothing of the user's own.

`python -P -m gradlab.engine.kernel -f FILE` starts it. No kernelspec is looked up, no start-up file or profile is read, and the
working directory is no place to import from, so that a `torch.py` beside the notebooks is not taken for torch.
"""

import atexit
import json
import os
import platform
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from gradlab.engine.rounding import CONTEXTS, PREFIXES, measure_rounding
from gradlab.engine.sources import find_distributions

SOURCES = Path(__file__).parents[2]
LONGEST_FOLDER = 60  # bytes of the path of temporary files; a socket's path, with what is added, may have 107

# What the environment says to these is for the user's own work, and changes results or their look.
_FOREIGN = ("PYTHON", "JUPYTER_", "IPYTHON", "MPL", "MATPLOTLIB", *PREFIXES)
# Where the kernel finds in its environment from which folders it may import.
_PATHS = "GRADLAB_PATHS"
# glibc gives large arrays back to the system as soon as they are freed, and the next one costs a page fault for each 4 kB:
# more than half as much again as an update of the two-layer network itself.
_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**32), "MALLOC_TOP_PAD_": str(2**24)}
_OWN = {*sys.stdlib_module_names, "gradlab", "__main__"}


class Fork(psutil.Process):
    """A forked child, with what jupyter_client asks of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def poll(self) -> int | None:
        """Return the exit status; None while it runs."""
        try:
            return self.wait(timeout=0)
        except psutil.TimeoutExpired:
            return None


class SpareKernel:
    """A fork of this process that waits, with all that this process has imported, to be a kernel.

    Attributes
    ----------
    is_here
        Whether this is the fork, which has to call `serve`.
    process
        The fork.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        process_id = os.fork()
        self.is_here = process_id == 0
        if self.is_here:
            os.setsid()
            os.close(self._write)
        else:
            os.close(self._read)
            self.process = Fork(process_id)

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], words: str) -> None:
        """Let the fork be a kernel.

        Parameters
        ----------
        arguments
            The command line of this module, with a name before it.
        environment
            All its environment variables.
        words
            The file to which standard output and standard error of its process go.
        """
        with open(self._write, "w", encoding="utf-8") as pipe:
            json.dump([list(arguments), dict(environment), words], pipe)

    def serve(self) -> int:
        """In the fork: wait for `start`, and be a kernel until it is shut down; return 1 where the other process has gone."""
        with open(self._read, encoding="utf-8") as pipe:
            order = pipe.read()
        if not order:
            return 1
        sys.argv, environment, words = json.loads(order)
        os.environ.clear()
        os.environ.update(environment)
        redirect(os.devnull, words, words)
        if numpy := sys.modules.get("numpy"):
            numpy.random.seed()  # as in a process of its own, it begins anywhere
        main()
        sys.exit()


def redirect(*files: str | int) -> None:
    """Let standard input, output and error of this process be files, by path or descriptor."""
    for target, file in enumerate(files):
        flags = os.O_RDONLY if target == 0 else os.O_WRONLY | os.O_APPEND | os.O_CREAT
        descriptor = os.open(file, flags) if isinstance(file, str) else file
        os.dup2(descriptor, target)
        os.close(descriptor)


def make_private_folder() -> Path:
    """Make a folder for sockets and what Jupyter, IPython and matplotlib write; in /tmp where its path would be too long."""
    short = len(os.fsencode(tempfile.gettempdir())) <= LONGEST_FOLDER
    folder = Path(tempfile.mkdtemp(prefix="gradlab-", dir=None if short else "/tmp"))
    for name in ("ipython", "matplotlib"):
        (folder / name).mkdir()
    return folder


def clean_environment(
    environment: Iterable[tuple[str, str]],
    *,
    private: Path,
    paths: Sequence[str] = (),
    threads: int,
    rounding: str | None = None,
) -> dict[str, str]:
    """Return the environment of a kernel.

    Parameters
    ----------
    environment
        Names and values of the environment that it starts from.
    private
        A folder for the files of Jupyter, IPython and matplotlib, which kernels side by side do not share.
    paths
        Folders from which it may import, beside the package's own.
    threads
        Threads of BLAS, OpenMP and torch.
    rounding
        The context to which libraries are limited; see `gradlab.engine.rounding`. None for what the processor offers.
    """
    kept = {name: value for name, value in environment if not name.startswith(_FOREIGN)}
    count = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), str(threads)
    )
    folders = {"IPYTHONDIR": private / "ipython", "MPLCONFIGDIR": private / "matplotlib"}
    return {
        **kept,
        **count,
        **_MEMORY,
        **(CONTEXTS[rounding].variables if rounding else {}),
        **{name: str(folder) for name, folder in folders.items()},
        "MATPLOTLIBRC": os.devnull,
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONPATH": str(SOURCES),
        _PATHS: os.pathsep.join(paths),
        "PYTHONNOUSERSITE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else the debugger, which nobody uses here, warns in the notebook
    }


def describe_environment(others: Iterable[str] = ()) -> dict[str, Any]:
    """Return what runs here.

    `python`, its version; the versions of all `distributions` imported so far; the `gpu` that torch uses; and the context of
    `rounding`, as `gradlab.engine.rounding.measure_rounding` returns it.

    Parameters
    ----------
    others
        Top-level modules whose distributions belong to it as well.
    """
    torch = sys.modules.get("torch")
    gpu = torch.cuda.get_device_name() if torch is not None and torch.cuda.is_initialized() else None
    used = (list_modules() | {*others}) - _OWN
    return {
        "python": platform.python_version(),
        "distributions": {name: metadata.version(name) for name in sorted(find_distributions(used))},
        "gpu": gpu,
        "rounding": measure_rounding(),
    }


def list_modules() -> set[str]:
    """Return the top-level modules that this process has imported."""
    return {name.partition(".")[0] for name, module in list(sys.modules.items()) if module is not None}


def main() -> None:
    """Start the kernel."""
    ended = threading.Event()
    atexit.register(_leave, ended)  # the first one to be registered runs last

    from ipykernel.kernelapp import IPKernelApp
    from traitlets.config import Config

    # Last, so that nothing beside a study takes the place of a module of Python's or of a package.
    sys.path.extend(filter(None, os.environ.get(_PATHS, "").split(os.pathsep)))

    class App(IPKernelApp):
        def init_iopub(self, context: Any) -> None:
            context.sndhwm = 0  # else what it prints while its client is busy or stopped is thrown away, without a word
            IPKernelApp.init_iopub(self, context)

    config = Config(InteractiveShellApp={"ignore_cwd": True})
    config.IPKernelApp.parent_handle = int(os.environ["JPY_PARENT_PID"])  # ends with it; known late in a fork
    App.launch_instance(config=config)
    ended.set()


def _leave(ended: threading.Event) -> None:
    """Leave at once, if the kernel came to its end: to take torch's thousands of modules apart takes up to a second."""
    if ended.is_set():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


if __name__ == "__main__":
    main()
