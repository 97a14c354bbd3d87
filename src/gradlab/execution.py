"""Executes a notebook in a kernel of its own. Whatever ends it early, the saved notebook says that it failed, where and why."""

import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import nbformat
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.paths import jupyter_runtime_dir
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill import PapermillExecutionError, execute_notebook
from traitlets import default

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
START_TIMEOUT = 600  # seconds for a kernel to come up: many may start at once
LONGEST_FOLDER = 60  # bytes of the path of temporary files; a socket's path, with what is added, may have 107


# papermill does not understand every declared type, and warns of parameters that it takes for unknown; `parameters` checks.
logging.getLogger("papermill").setLevel(logging.ERROR)


class ExecutionError(RuntimeError):
    """A notebook did not come to its end; the message says in which code cell, and why."""


class IPCKernelManager(AsyncKernelManager):
    """Talks to its kernel through sockets in the file system.

    Kernels that start side by side pick free TCP ports before they bind them, and now and then two pick the same one.
    """

    lock: IO[str]  # a file that the kernel keeps open
    words: IO[str]  # where the kernel's process writes what is not output of a cell, such as the reason of a crash

    async def _async_launch_kernel(self, kernel_cmd: list[str], **options: Any) -> None:
        options |= {"pass_fds": [self.lock.fileno()], "stdout": self.words, "stderr": self.words}
        await super()._async_launch_kernel(kernel_cmd, **options)

    @default("transport")
    def _transport_default(self) -> str:
        return "ipc"

    @default("ip")
    def _ip_default(self) -> str:
        # Jupyter's default is a name in the working directory, which cells that run side by side share.
        return str(Path(jupyter_runtime_dir()) / "kernel")


def execute(
    notebook: Path,
    log: Path,
    parameters: Mapping[str, Any],
    *,
    lock: IO[str],
    threads: int = 1,
    time_limit: float | None = None,
) -> None:
    """Execute a notebook into another file.

    Parameters
    ----------
    notebook
        The template.
    log
        Where the executed notebook grows, and stays.
    parameters
        What is injected after the template's parameters cell.
    lock
        A file that the kernel keeps open: a lock on it holds while the kernel lives.
    threads
        Threads of BLAS, OpenMP and torch.
    time_limit
        Seconds that the whole notebook may take; None for no limit.

    Raises
    ------
    ExecutionError
        The notebook raised, its kernel died or did not start, its time was up, or this process was interrupted.
    OSError
        The notebook could not be saved, or the kernel's own files could not.
    """
    deadline = time.monotonic() + time_limit if time_limit else None
    with _kernel_environment(threads) as words:
        try:
            execute_notebook(
                notebook,
                log,
                dict(sorted(parameters.items())),
                kernel_name="python3",
                progress_bar=False,
                kernel_manager_class=type("KernelManager", (IPCKernelManager,), {"lock": lock, "words": words}),
                start_timeout=START_TIMEOUT,
                coalesce_streams=True,
                timeout_func=lambda cell: max(1, deadline - time.monotonic()) if deadline else None,
            )
        except PapermillExecutionError as error:
            raise ExecutionError(f"in code cell [{error.exec_count}]\n  {error.ename}: {error.evalue}") from None
        except DeadKernelError:
            reason = "the kernel died (killed from outside, out of memory, or a crash in compiled code)"
            kind, reason = "DeadKernelError", reason + _last_words(words)
        except CellTimeoutError:
            kind, reason = (
                "CellTimeoutError",
                f"the time limit of {time_limit:g} s was reached (`time_limit` in the configuration)",
            )
        except KeyboardInterrupt:
            kind, reason = "KeyboardInterrupt", "it was stopped from outside"
        except (RuntimeError, NoSuchKernel) as error:  # what jupyter_client raises where a kernel does not come up
            kind, reason = type(error).__name__, f"the kernel did not start: {error}{_last_words(words)}"
        else:
            return
    raise ExecutionError(f"{mark_failed(log, kind, reason)}\n  {reason}")


@contextmanager
def _kernel_environment(threads: int) -> Iterator[IO[str]]:
    """Give the kernel its number of threads and Jupyter, IPython folders of its own: kernels side by side share nothing.

    Yields a file for what the kernel's process says.
    """
    short = len(os.fsencode(tempfile.gettempdir())) <= LONGEST_FOLDER
    with tempfile.TemporaryDirectory(prefix="gradlab-", dir=None if short else "/tmp") as private:
        changed = dict.fromkeys(THREAD_VARIABLES, str(threads)) | {
            "IPYTHONDIR": f"{private}/ipython",
            "JUPYTER_RUNTIME_DIR": f"{private}/runtime",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else the debugger, which nobody uses here, warns in the notebook
        }
        for folder in ("ipython", "runtime"):
            os.mkdir(f"{private}/{folder}")
        before = {name: os.environ.get(name) for name in changed}
        os.environ.update(changed)
        try:
            with open(f"{private}/kernel.txt", "w+", encoding="utf-8", errors="replace") as words:
                yield words
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _last_words(words: IO[str]) -> str:
    words.seek(0)
    lines = [line.strip() for line in words if line.strip()]
    return f"; it said: {lines[-1][:300]}" if lines else ""


def mark_failed(log: Path, kind: str, reason: str) -> str:
    """Mark a saved notebook, and the cell that was running, as failed: papermill saves them as completed.

    Parameters
    ----------
    log
        The notebook; one that was never saved is left alone.
    kind
        The name of the error that the running cell gets as output.
    reason
        What the notebook says above its first cell.

    Returns
    -------
    str
        Where it failed, as `in code cell [3]`.
    """
    if not log.exists():
        return "before its first cell"
    notebook = nbformat.read(log, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    # Cells that were never reached say "completed" as well, but have no time at which they started.
    begun = [number for number, cell in enumerate(code, 1) if cell.metadata.get("papermill", {}).get("start_time")]
    if begun:
        failed = code[begun[-1] - 1]
        failed.metadata.papermill.update(status="failed", exception=True)
        message = nbformat.v4.new_output("error", ename=kind, evalue=reason, traceback=[f"{kind}: {reason}"])
        failed.outputs.append(message)
    notebook.metadata.papermill.exception = True
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell(f"**This run failed:** {reason}."))
    nbformat.write(notebook, log)
    return f"in code cell [{begun[-1]}]" if begun else "before its first cell"
