"""Runs one experiment cell: a notebook, with its parameters, into a directory of results, and writes the cell's manifest.

The manifest is written last. It lists the digest of every file of the cell, so a cell without a manifest, or whose files
differ from it, is not done. A lock keeps a cell from being run twice at once, by what a killed run has left behind for example.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from gradlab.devices import describe_gpu
from gradlab.execution import ExecutionError, execute, mark_failed
from gradlab.files import remedy_of, save_json, sha256, sync
from gradlab.lifetime import stop_when_claimed, stop_with_run
from gradlab.lock import LockedError, hold_lock
from gradlab.parameters import ParameterError, check_parameters

LOCK_TIMEOUT = 60.0  # seconds for what is left of a killed run to end; it does so within two
VERSIONS = ("ipykernel", "matplotlib", "numpy", "pandas", "papermill", "scipy", "snakemake", "torch")


class CellError(RuntimeError):
    """A cell did not finish; the message says where and why, in a few lines."""


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
        The notebook raised, its kernel died, its time was up, it was stopped, one of `inputs` was changed meanwhile, the
        disk is full, or the cell is being run by another process.
    """
    parameters = {**parameters, "output": str(output)}
    check_parameters(notebook, parameters)
    try:
        with hold_lock(log.with_suffix(".lock"), wait=LOCK_TIMEOUT, claim=True) as lock:
            stop_when_claimed(lock)
            if output.exists():
                shutil.rmtree(output)
            output.mkdir(parents=True)
            started, clock = datetime.now(UTC), time.monotonic()
            manifest = {
                "cell": name,
                "parameters": parameters,
                "started": started.isoformat(timespec="seconds"),
                "machine": {**describe_machine(), **_describe_device(parameters), "threads": threads},
                "versions": {
                    "python": platform.python_version(),
                    **{package: metadata.version(package) for package in VERSIONS},
                },
                "git": describe_commit(),
                "inputs": {str(path): sha256(path) for path in sorted({notebook, *inputs})},
            }
            execute(notebook, log, parameters, lock=lock, threads=threads, time_limit=time_limit)
            manifest["wall_seconds"] = round(time.monotonic() - clock, 2)
            _check_unchanged(manifest["inputs"], log)
            sync(log)
            log.replace(output / "notebook.ipynb")
            manifest["outputs"] = {path.name: sha256(path) for path in sorted(output.iterdir())}
            save_json(output / "manifest.json", manifest)
            return manifest
    except LockedError as holder:
        raise CellError(f"{name} is being run by {holder}; let it finish or end it, then run again") from holder
    except ExecutionError as error:
        raise CellError(f"{name} failed {error}\n  executed notebook, with the traceback: {log}") from error
    except OSError as error:
        raise CellError(f"{name} failed\n  {error}; {remedy_of(error)}") from error


def _check_unchanged(inputs: Mapping[str, str], log: Path) -> None:
    """Refuse results of which nobody can tell whether they came from a file as it was or as it is."""
    if changed := [path for path, digest in inputs.items() if sha256(Path(path)) != digest]:
        reason = f"{changed[0]} was changed while the cell ran"
        mark_failed(log, "InputChanged", reason)
        raise ExecutionError(f"at its end\n  {reason}; run it again")


def describe_machine() -> dict[str, Any]:
    """Return the processor's model, the number of cores, and the operating system."""
    cpu = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        cpu = models[0] if models else cpu
    return {"cpu": cpu, "cores": os.cpu_count(), "system": platform.platform()}


def _describe_device(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the GPU of a cell that trains on one."""
    return {"gpu": describe_gpu()} if parameters.get("device") == "cuda" else {}


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
    parser.add_argument(
        "--copies", default="", help="where the copies of a storage lie, on a machine without shared files"
    )
    options = parser.parse_args(arguments)
    notebook, *inputs = (Path(str(path).removeprefix(options.copies)) for path in [options.notebook, *options.inputs])
    plan = json.loads(options.plan.read_text(encoding="utf-8"))
    try:
        run_cell(
            options.name,
            notebook,
            plan["cells"][options.name],
            output=options.manifest.parent,
            log=options.log,
            inputs=[path for path in inputs if path.suffix != ".npy"],
            threads=options.threads,
            time_limit=plan.get("time_limit"),
        )
    except (CellError, ParameterError) as error:
        print(f"gradlab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"gradlab: {options.name} was stopped from outside", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    # A scheduler stops a job by SIGTERM, as a person does by Ctrl-C: the kernel is shut down and the notebook says why.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stop_with_run()
    sys.exit(main())
