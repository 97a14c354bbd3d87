"""Runs one experiment cell: a notebook, with its parameters, into a folder of results, and writes the cell's manifest.

A cell is computed in a folder of its own, beside its place, and renamed into it as a whole, with the manifest in it. So results
without a manifest, or with one of another run, cannot come about, however a run ends.
"""

import argparse
import json
import os
import platform
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gradlab.engine.execution import ExecutionError, execute, mark_failed
from gradlab.engine.kernel import SpareKernel
from gradlab.engine.notebook import ParameterError, check_parameters
from gradlab.engine.rounding import RoundingError, check_rounding, find_breach
from gradlab.engine.study import OUTPUT, RESULTS, cell_from_json
from gradlab.files import PROJECT, remedy_of, save_json, sha256, sync
from gradlab.lifetime import stop_with_run

NOTEBOOK = RESULTS[0]


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
    files: Sequence[str] = RESULTS,
    metrics: Sequence[str] = (),
    recipe: str = "",
    paths: Sequence[str] = (),
    threads: int = 1,
    rounding: str | None = None,
    time_limit: float | None = None,
    spare: SpareKernel | None = None,
) -> dict[str, Any]:
    """Execute a notebook and leave its results, complete, in `output`.

    Parameters
    ----------
    name
        The cell's name, `<study>/<protocol>/<cell>`.
    notebook
        The template; `parameters` are injected after its parameters cell, `output` among them.
    output
        The cell's folder. What lies there from an earlier run is replaced.
    log
        Where the executed notebook is kept, with the traceback, when the run fails.
    inputs
        Files whose SHA-256 the manifest records: the modules that the notebook imports, the data's description.
    files, metrics
        The names of the files, and of the metrics, that the notebook has to write.
    recipe
        The digest of all that the plan knows of the cell; see `gradlab.engine.plan`.
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

    Returns
    -------
    dict
        The manifest, as written to `output/manifest.json`.

    Raises
    ------
    ParameterError
        The parameters do not fit the notebook; nothing was run.
    RoundingError
        This machine cannot offer the context; nothing was run.
    CellError
        The notebook raised, its kernel died, its time was up, it was stopped, it left out a result, a library has
        not kept to the context of rounding, one of `inputs` was changed meanwhile, or the disk is full.
    """
    parameters = {**parameters, OUTPUT: str(output)}
    check_parameters(notebook, parameters)
    check_rounding(rounding)
    private = output.with_name(f".{output.name}.{secrets.token_hex(4)}.part")
    executed = private / NOTEBOOK
    try:
        for leftover in output.parent.glob(f".{output.name}.*.part"):  # of runs that were killed
            shutil.rmtree(leftover)
        private.mkdir(parents=True)
        log.unlink(missing_ok=True)
        started, clock = datetime.now(UTC), time.monotonic()
        digests = {str(path): sha256(path) for path in sorted({notebook, *inputs})}
        environment = execute(
            notebook,
            executed,
            {**parameters, OUTPUT: str(private)},
            paths=paths,
            threads=threads,
            rounding=rounding,
            time_limit=time_limit,
            spare=spare,
        )
        wall_seconds = round(time.monotonic() - clock, 2)
        _check_unchanged(digests, executed)
        _check_written(private, files, metrics, executed)
        _check_rounding(rounding, environment["rounding"], executed)
        # The notebook names the place of its results, and not the one that they had while it ran.
        executed.write_text(executed.read_text(encoding="utf-8").replace(str(private), str(output)), encoding="utf-8")
        manifest = {
            "cell": name,
            "recipe": recipe,
            "parameters": parameters,
            "started": started.isoformat(timespec="milliseconds"),
            "wall_seconds": wall_seconds,
            "machine": {**describe_machine(), "threads": threads, "gpu": environment["gpu"]},
            "rounding": {"asked": rounding, "measured": environment["rounding"]},
            "versions": {"python": environment["python"], **environment["distributions"]},
            "git": describe_commit(),
            "inputs": digests,
            "outputs": {path.name: sha256(path) for path in sorted(private.iterdir())},
        }
        for path in private.iterdir():
            sync(path)
        save_json(private / "manifest.json", manifest)
        shutil.rmtree(output, ignore_errors=True)
        private.rename(output)
        sync(output.parent)
        return manifest
    except ExecutionError as error:
        where = _keep(executed, log)
        raise CellError(f"{name} failed {error}\n  executed notebook, with the traceback: {where}") from error
    except OSError as error:
        _keep(executed, log)
        raise CellError(f"{name} failed\n  {error}; {remedy_of(error)}") from error
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _keep(executed: Path, log: Path) -> str:
    """Move the notebook of a run that failed to its log, which may lie on another disk; say where it is."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(executed, log)
    except OSError as error:
        return f"not kept ({error})"
    return str(log)


def _check_unchanged(inputs: Mapping[str, str], executed: Path) -> None:
    """Refuse results of which nobody can tell whether they came from a file as it was or as it is."""
    for path, digest in inputs.items():
        if not Path(path).exists() or sha256(Path(path)) != digest:
            reason = f"{path} was changed while the cell ran"
            mark_failed(executed, "InputChanged", reason)
            raise ExecutionError(f"at its end\n  {reason}; run it again")


def _check_written(folder: Path, files: Sequence[str], metrics: Sequence[str], executed: Path) -> None:
    """Refuse a notebook that ended well and left out a result."""
    missing = [file for file in files if not (folder / file).is_file()]
    if metrics and not missing:
        try:
            written = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        except ValueError:  # by hand, and no JSON
            written = {}
        missing = [f"the metric {metric}" for metric in metrics if metric not in written]
    if missing:
        reason = f"the notebook came to its end without writing {', '.join(missing)}"
        mark_failed(executed, "MissingResult", reason)
        raise ExecutionError(f"at its end\n  {reason}")


def _check_rounding(asked: str | None, measured: Mapping[str, Any], executed: Path) -> None:
    """Refuse results of another context than was asked for: they would be taken for what that one gives."""
    if reason := find_breach(asked, measured):
        mark_failed(executed, "OtherRounding", reason)
        raise ExecutionError(f"at its end\n  {reason}")


def describe_machine() -> dict[str, Any]:
    """Return the processor's model, the number of cores, and the operating system."""
    cpu = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        cpu = models[0] if models else cpu
    return {"cpu": cpu, "cores": os.cpu_count(), "system": platform.platform()}


def describe_commit() -> dict[str, Any] | None:
    """Return the commit of the project and whether tracked files differ from it.

    None where the project's folder is not the root of a repository: one that it lies in, or that the environment names, is
    somebody else's.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_OPTIONAL_LOCKS"] = "0"  # cells side by side ask at once

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", PROJECT, *arguments],
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=True,
        ).stdout.strip()

    try:
        if git("rev-parse", "--show-prefix"):
            return None
        commit = git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit, "dirty": bool(changed)}


def main(arguments: Sequence[str] | None = None, spare: SpareKernel | None = None) -> int:
    """Run one cell of a plan; print what went wrong in a few lines and return 1 where it fails.

    Parameters
    ----------
    arguments
        The command line.
    spare
        What serves as the kernel; None for a new process.
    """
    parser = argparse.ArgumentParser(prog="gradlab cell", description="Run one experiment cell.")
    parser.add_argument("plan", type=Path, help="the study's plan (JSON), in the folder of results")
    parser.add_argument("name", help="the cell, as <study>/<protocol>/<cell>")
    parser.add_argument("--threads", type=int, default=1, help="threads of BLAS, OpenMP and torch")
    options = parser.parse_args(arguments)
    plan = json.loads(options.plan.read_text(encoding="utf-8"))
    planned = plan["cells"][options.name]
    cell = cell_from_json(options.name, planned)
    try:
        run_cell(
            cell.key,
            Path(cell.template),
            planned["given"],
            output=options.plan.parent / cell.key,
            log=options.plan.parent / f"logs/{cell.key}.ipynb",
            inputs=[Path(path) for path in (*planned["imports"], *planned["inputs"])],
            files=cell.outputs,
            metrics=cell.metrics,
            recipe=planned["recipe"],
            paths=[os.path.abspath(path) for path in plan["paths"]],
            threads=options.threads,
            rounding=planned["rounding"],
            time_limit=plan.get("time_limit"),
            spare=spare,
        )
    except (CellError, ParameterError, RoundingError) as error:
        print(f"gradlab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"gradlab: {options.name} was stopped from outside", file=sys.stderr)
        return 1
    return 0


def run_job(arguments: Sequence[str] | None = None, spare: SpareKernel | None = None) -> int:
    """Run one cell of a plan, see `main`, as a job that ends with its run."""
    # A scheduler stops a job by SIGTERM, as a person does by Ctrl-C: the kernel is shut down and the notebook says why.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stop_with_run()
    return main(arguments, spare)
