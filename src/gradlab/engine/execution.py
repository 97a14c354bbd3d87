"""Executes a notebook in a kernel of its own. Whatever ends it early, the saved notebook says that it failed, where and why."""

import ast
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill import PapermillExecutionError, execute_notebook
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines
from zmq import ZMQError

from gradlab.engine.kernel import SpareKernel, clean_environment, list_modules, make_private_folder

START_TIMEOUT = 600  # seconds for a kernel to come up: many may start at once
OUTPUT_TIMEOUT = 120  # seconds for the last output to arrive, once a code cell has ended

# papermill does not understand every declared type, and warns of parameters that it takes for unknown; `parameters` checks.
logging.getLogger("papermill").setLevel(logging.ERROR)
_KERNEL = "gradlab.engine.kernel"


class ExecutionError(RuntimeError):
    """A notebook did not come to its end; the message says in which code cell, and why."""


class IPCKernelManager(AsyncKernelManager):
    """Starts a kernel, whatever kernelspecs there are, and talks to it by sockets in files.

    Kernels that start side by side pick free TCP ports before they bind them, and now and then two pick the same one.
    """

    private: Path  # a folder for the kernel's own files
    paths: Sequence[str]
    threads: int
    rounding: str | None
    words: IO[str]  # where the kernel's process writes what is not output of a cell, such as the reason of a crash
    spare: SpareKernel | None  # what serves instead of a new process
    python: Path | None  # the interpreter of another environment, whose plain kernel is started

    def __init__(self, **traits: Any) -> None:
        files = {"connection_file": f"{self.private}/kernel.json", "ip": f"{self.private}/kernel"}
        super().__init__(**traits | files | {"transport": "ipc"})
        self.context.rcvhwm = 0  # as in the kernel: output waits for this process, however long that is stopped

    @property
    def kernel_spec(self) -> KernelSpec:
        started = (
            [str(self.python), "-m", "ipykernel_launcher"] if self.python else [sys.executable, "-P", "-m", _KERNEL]
        )
        return KernelSpec(argv=[*started, "-f", "{connection_file}"], display_name="Python 3", language="python")

    async def _async_launch_kernel(self, kernel_cmd: list[str], **options: Any) -> None:
        environment = clean_environment(
            options["env"].items(),
            private=self.private,
            paths=self.paths,
            threads=self.threads,
            rounding=self.rounding,
        )
        if self.python:
            del environment["MPLBACKEND"]  # older kernels have it in another module, and set it themselves
        if self.spare:
            arguments = kernel_cmd[kernel_cmd.index(_KERNEL) :]
            self.spare.start(arguments, environment | {"JPY_PARENT_PID": str(os.getpid())}, self.words.name)
            provisioner: Any = self.provisioner
            provisioner.process = self.spare.process
            provisioner.pid = provisioner.pgid = self.spare.process.pid
            return
        await super()._async_launch_kernel(
            kernel_cmd, **options | {"env": environment, "stdout": self.words, "stderr": self.words}
        )


class _Client(PapermillNotebookClient):
    def papermill_execute_cells(self) -> None:
        super().papermill_execute_cells()
        if not self.nb.metadata.papermill.exception and not self.km.python:
            self.nb.metadata["environment"] = self._ask_environment()

    def _ask_environment(self) -> dict[str, Any]:
        """Return what the kernel says of itself; see `gradlab.engine.kernel.describe_environment`."""
        described = f"__import__('gradlab.engine.kernel').engine.kernel.describe_environment({sorted(list_modules())})"
        expression = f"__import__('json').dumps({described})"
        request = self.kc.execute("", silent=True, store_history=False, user_expressions={"environment": expression})
        said = self.wait_for_reply(request)["content"]["user_expressions"]["environment"]
        if said["status"] != "ok":
            raise RuntimeError(f"it could not tell its environment ({said['ename']}: {said['evalue']})")
        environment: dict[str, Any] = json.loads(ast.literal_eval(said["data"]["text/plain"]))
        return environment


class _CellEngine(Engine):
    """papermill's engine, which knows no way to ask the kernel anything once the notebook has ended."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
        known = ("kernel_manager_class", "coalesce_streams", "timeout_func", "startup_timeout", "iopub_timeout")
        kept = {name: value for name, value in options.items() if name in known}
        _Client(nb_man, kernel_name=kernel_name, log=logging.getLogger("papermill"), **kept).execute()


papermill_engines.register("gradlab", _CellEngine)


def execute(
    notebook: Path,
    log: Path,
    parameters: Mapping[str, Any],
    *,
    paths: Sequence[str] = (),
    threads: int = 1,
    rounding: str | None = None,
    time_limit: float | None = None,
    spare: SpareKernel | None = None,
    python: Path | None = None,
) -> dict[str, Any]:
    """Execute a notebook into another file.

    Parameters
    ----------
    notebook
        The template.
    log
        Where the executed notebook grows, and stays.
    parameters
        What is injected after the template's parameters cell.
    paths
        Folders from which the notebook may import, beside the package's own.
    threads
        Threads of BLAS, OpenMP and torch.
    rounding
        The context to which libraries are limited; see `gradlab.engine.rounding`. None for what the processor offers.
    time_limit
        Seconds that the whole notebook may take; None for no limit.
    spare
        What serves as the kernel; None for a new process.
    python
        The interpreter of another environment, in which the kernel runs; None for this one.

    Returns
    -------
    dict
        What the kernel said of its environment at the end; see `gradlab.engine.kernel.describe_environment`. What this process
        has imported belongs to it. Of another environment, nothing.

    Raises
    ------
    ExecutionError
        The notebook raised, its kernel died or did not start, its time was up, its output was lost, or this process was
        interrupted.
    OSError
        The notebook could not be saved, or the kernel's own files could not.
    """
    deadline = time.monotonic() + time_limit if time_limit else None
    with _private_folder() as private, (private / "kernel.txt").open("w+", encoding="utf-8", errors="replace") as words:
        try:
            executed = execute_notebook(
                notebook,
                log,
                dict(sorted(parameters.items())),
                engine_name="gradlab",
                kernel_name="python3",
                language="python",
                progress_bar=False,
                kernel_manager_class=type(
                    "KernelManager",
                    (IPCKernelManager,),
                    {
                        "private": private,
                        "paths": paths,
                        "threads": threads,
                        "rounding": rounding,
                        "words": words,
                        "spare": spare,
                        "python": python,
                    },
                ),
                startup_timeout=START_TIMEOUT,
                iopub_timeout=OUTPUT_TIMEOUT,
                coalesce_streams=True,
                timeout_func=lambda cell: max(1, deadline - time.monotonic()) if deadline else None,
            )
        except PapermillExecutionError as error:
            raise ExecutionError(f"in code cell [{error.exec_count}]\n  {error.ename}: {error.evalue}") from None
        except DeadKernelError:
            reason = "the kernel died (killed from outside, out of memory, or a crash in compiled code)"
            kind, reason = "DeadKernelError", reason + _last_words(words)
        except CellTimeoutError:
            kind = "CellTimeoutError"
            if deadline and time.monotonic() >= deadline:
                reason = f"the time limit of {time_limit:g} s was reached (`time_limit` in the configuration)"
            else:
                reason = f"the code cell ended, but its output did not arrive within {OUTPUT_TIMEOUT} s; run it again"
        except KeyboardInterrupt:
            kind, reason = "KeyboardInterrupt", "it was stopped from outside"
        except (RuntimeError, ZMQError) as error:  # what jupyter_client raises where a kernel does not come up
            kind, reason = type(error).__name__, f"the kernel failed: {error}{_last_words(words)}"
        else:
            _check_complete(executed, log)
            return dict(executed.metadata.get("environment", {}))
    raise ExecutionError(f"{mark_failed(log, kind, reason)}\n  {reason}")


@contextmanager
def _private_folder() -> Iterator[Path]:
    """Yield a folder for one kernel: its connection, its sockets, and what it writes."""
    folder = make_private_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_complete(executed: nbformat.NotebookNode, log: Path) -> None:
    """Refuse a notebook of which not every code cell was run to its end."""
    for number, cell in enumerate(
        (cell for cell in executed.cells if cell.cell_type == "code" and cell.source.strip()), 1
    ):
        if cell.execution_count is None or cell.metadata.get("papermill", {}).get("status") != "completed":
            reason = f"code cell [{number}] was not run to its end, and no error was reported; run it again"
            raise ExecutionError(f"{mark_failed(log, 'IncompleteNotebook', reason)}\n  {reason}")


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
