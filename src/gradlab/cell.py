"""Runs one experiment cell: a notebook, with its parameters, into a directory of results, and writes the cell's manifest.

The manifest is written last. It lists the digest of every file of the cell, so a cell without a manifest, or whose files
differ from it, is not done.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

# Before jsonschema, which nbformat uses: it would build a grammar of URIs, which takes a second and which nobody here needs.
sys.modules.setdefault("rfc3987_syntax", None)
# isort: split

import nbformat
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.paths import jupyter_runtime_dir
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill import PapermillExecutionError, execute_notebook
from traitlets import default

from gradlab.files import save_json, sha256
from gradlab.parameters import ParameterError, check_parameters

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
VERSIONS = ("ipykernel", "matplotlib", "numpy", "pandas", "papermill", "scipy", "snakemake", "torch", "torchvision")


class CellError(RuntimeError):
    """A cell did not finish; the message says where and why, in a few lines."""


class IPCKernelManager(AsyncKernelManager):
    """Talks to its kernel through sockets in the file system.

    Kernels that start side by side pick free TCP ports before they bind them, and now and then two pick the same one.
    """

    @default("transport")
    def _transport_default(self) -> str:
        return "ipc"

    @default("ip")
    def _ip_default(self) -> str:
        # Jupyter's default is a name in the working directory, which cells that run side by side share.
        return str(Path(jupyter_runtime_dir()) / "kernel")


def run_cell(
    name: str,
    notebook: Path,
    parameters: Mapping[str, Any],
    *,
    output: Path,
    log: Path,
    inputs: Sequence[Path] = (),
    threads: int = 1,
    time_limit: float | None = None,
) -> dict[str, Any]:
    """Execute a notebook and leave its results, complete, in `output`.

    Parameters
    ----------
    name
        The cell's name, `<study>/<protocol>/<cell>`.
    notebook
        The template; `parameters` are injected after its parameters cell, `output` among them.
    output
        The cell's directory. What lies there from an earlier run is removed first.
    log
        Where the executed notebook grows; it moves into `output` as `notebook.ipynb` at the end, and stays here, with
        the traceback, where the run fails.
    inputs
        Files whose SHA-256 the manifest records: the modules that the notebook imports, the data's description.
    threads
        Threads of BLAS, OpenMP and torch.
    time_limit
        Seconds that the whole notebook may take; None for no limit.

    Returns
    -------
    dict
        The manifest, as written to `output/manifest.json`.

    Raises
    ------
    ParameterError
        The parameters do not fit the notebook; nothing was run.
    CellError
        The notebook raised, its kernel died or its time was up.
    """
    parameters = {**parameters, "output": str(output)}
    check_parameters(notebook, parameters)
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.time()
    with _kernel_environment(threads):
        _execute(name, notebook, log, dict(sorted(parameters.items())), time_limit)
    wall_seconds = time.time() - started
    shutil.move(log, output / "notebook.ipynb")
    manifest = {
        "cell": name,
        "parameters": parameters,
        "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        "wall_seconds": round(wall_seconds, 2),
        "machine": {**describe_machine(), "threads": threads},
        "versions": {
            "python": platform.python_version(),
            **{package: metadata.version(package) for package in VERSIONS},
        },
        "git": describe_commit(),
        "inputs": {str(path): sha256(path) for path in sorted({notebook, *inputs})},
        "outputs": {path.name: sha256(path) for path in sorted(output.iterdir())},
    }
    save_json(output / "manifest.json", manifest)
    return manifest


def describe_machine() -> dict[str, Any]:
    """Return the processor's model, the number of cores, and the operating system."""
    cpu = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        cpu = models[0] if models else cpu
    return {"cpu": cpu, "cores": os.cpu_count(), "system": platform.platform()}


def describe_commit() -> dict[str, Any] | None:
    """Return the commit of the working directory and whether tracked files differ from it; None outside a repository."""
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit, "dirty": bool(changed.strip())}


@contextmanager
def _kernel_environment(threads: int) -> Iterator[None]:
    """Give the kernel its number of threads and Jupyter, IPython folders of its own: kernels side by side share nothing."""
    with tempfile.TemporaryDirectory(prefix="gradlab-") as private:
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
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _execute(name: str, notebook: Path, log: Path, parameters: dict[str, Any], time_limit: float | None) -> None:
    """Execute `notebook` into `log`; raise CellError with what a person needs to know, and the notebook says it as well."""
    deadline = time.monotonic() + time_limit if time_limit else None
    try:
        execute_notebook(
            notebook,
            log,
            parameters,
            kernel_name="python3",
            progress_bar=False,
            kernel_manager_class=IPCKernelManager,
            coalesce_streams=True,
            timeout_func=lambda cell: max(1, deadline - time.monotonic()) if deadline else None,
        )
    except PapermillExecutionError as error:
        reason, where = f"{error.ename}: {error.evalue}", f"in code cell [{error.exec_count}]"
    except DeadKernelError:
        reason = "the kernel died (killed from outside, out of memory, or a crash in compiled code)"
        where = _stamp_failure(log, "DeadKernelError", reason)
    except CellTimeoutError:
        reason = f"the time limit of {time_limit:g} s was reached"
        where = _stamp_failure(log, "CellTimeoutError", reason)
    except (RuntimeError, NoSuchKernel) as error:  # what jupyter_client raises where a kernel does not come up
        reason = f"the kernel did not start: {error}"
        where = _stamp_failure(log, type(error).__name__, reason)
    else:
        return
    raise CellError(f"{name} failed {where}\n  {reason}\n  executed notebook, with the traceback: {log}")


def _stamp_failure(log: Path, error: str, reason: str) -> str:
    """Mark the notebook, and the cell that was running, as failed: papermill saves them as completed. Say which cell."""
    notebook = nbformat.read(log, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    # Cells that were never reached say "completed" as well, but have no time at which they started.
    begun = [number for number, cell in enumerate(code, 1) if cell.metadata.get("papermill", {}).get("start_time")]
    if begun:
        failed = code[begun[-1] - 1]
        failed.metadata.papermill.update(status="failed", exception=True)
        message = nbformat.v4.new_output("error", ename=error, evalue=reason, traceback=[f"{error}: {reason}"])
        failed.outputs.append(message)
    notebook.metadata.papermill.exception = True
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell(f"**This run failed:** {reason}."))
    nbformat.write(notebook, log)
    return f"in code cell [{begun[-1]}]" if begun else "before its first cell"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one cell of a plan; print what went wrong in a few lines and return 1 where it fails."""
    parser = argparse.ArgumentParser(prog="python -m gradlab.cell", description="Run one experiment cell.")
    parser.add_argument("plan", type=Path, help="the study's plan (JSON): the parameters of every cell")
    parser.add_argument("name", help="the cell, as <study>/<protocol>/<cell>")
    parser.add_argument("--notebook", type=Path, required=True, help="the notebook template")
    parser.add_argument("--manifest", type=Path, required=True, help="the manifest to write, in the cell's directory")
    parser.add_argument("--log", type=Path, required=True, help="the notebook while it runs, and after a failure")
    parser.add_argument("--threads", type=int, default=1, help="threads of BLAS, OpenMP and torch")
    parser.add_argument("--inputs", type=Path, nargs="*", default=[], help="files whose digests the manifest records")
    options = parser.parse_args(arguments)
    plan = json.loads(options.plan.read_text(encoding="utf-8"))
    try:
        run_cell(
            options.name,
            options.notebook,
            plan["cells"][options.name],
            output=options.manifest.parent,
            log=options.log,
            inputs=[path for path in options.inputs if path.suffix != ".npy"],
            threads=options.threads,
            time_limit=plan.get("time_limit"),
        )
    except (CellError, ParameterError) as error:
        print(f"gradlab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
