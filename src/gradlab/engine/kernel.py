"""The kernel that cells run in: IPython's, started by the interpreter that runs the cell, with nothing of the user's own.

`python -P -m gradlab.engine.kernel -f FILE` starts it. No kernelspec is looked up, no start-up file or profile is read, and the
working directory is no place to import from, so that a `torch.py` beside the notebooks is not taken for torch.
"""

import atexit
import os
import platform
import sys
import threading
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from gradlab.engine.rounding import CONTEXTS, PREFIXES, measure_rounding
from gradlab.engine.sources import find_distributions

SOURCES = Path(__file__).parents[2]

# What the environment says to these is for the user's own work, and changes results or their look.
_FOREIGN = ("PYTHON", "JUPYTER_", "IPYTHON", "MPL", "MATPLOTLIB", *PREFIXES)
# Where the kernel finds in its environment from which folders it may import.
_PATHS = "GRADLAB_PATHS"
# glibc gives large arrays back to the system as soon as they are freed, and the next one costs a page fault for each 4 kB:
# more than half as much again as an update of the two-layer network itself.
_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**32), "MALLOC_TOP_PAD_": str(2**24)}
_OWN = {*sys.stdlib_module_names, "gradlab", "__main__"}


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
        "PYTHONPATH": str(SOURCES),
        _PATHS: os.pathsep.join(paths),
        "PYTHONNOUSERSITE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else the debugger, which nobody uses here, warns in the notebook
    }


def describe_environment() -> dict[str, Any]:
    """Return what runs here.

    `python`, the versions of all `distributions` imported so far, the `gpu` that torch uses, and the context of `rounding`, as
    `gradlab.engine.rounding.measure_rounding` returns it.
    """
    loaded = {name.partition(".")[0] for name, module in list(sys.modules.items()) if module is not None}
    torch = sys.modules.get("torch")
    gpu = torch is not None and torch.cuda.is_initialized()
    return {
        "python": platform.python_version(),
        "distributions": {name: metadata.version(name) for name in sorted(find_distributions(loaded - _OWN))},
        "gpu": torch.cuda.get_device_name() if gpu else None,
        "rounding": measure_rounding(),
    }


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
            super().init_iopub(context)

    App.launch_instance(config=Config(InteractiveShellApp={"ignore_cwd": True}))
    ended.set()


def _leave(ended: threading.Event) -> None:
    """Leave at once, if the kernel came to its end: to take torch's thousands of modules apart takes up to a second."""
    if ended.is_set():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


if __name__ == "__main__":
    main()
