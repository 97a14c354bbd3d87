"""One run of a notebook: a fresh kernel in a private copy of its folder, shut in, within limits; as a process of its own."""

import argparse
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import psutil

from gradlab.audit.dated import Environment
from gradlab.audit.isolation import (
    Limits,
    Watch,
    choose_environment,
    end_marked,
    measure_disk,
    shut_in,
    wrap,
)
from gradlab.engine.kernel import SOURCES
from gradlab.files import save_json
from gradlab.lab.printed import Piece, read_pieces

_read: Callable[..., nbformat.NotebookNode] = nbformat.read
_write: Callable[..., None] = nbformat.write

_PLACE = "gradlab_place"  # in the metadata of a code cell: the how manyth it is
_GRACE = 40  # seconds after its time in which a run may start, and save what it has
_PRIVATE = "gradlab-audit-"  # how the names of the folders of runs begin
_LARGEST = 100  # megabytes of a notebook that is read
_NOT_COPIED = (".git", ".venv", "venv", "node_modules", ".ipynb_checkpoints", "__pycache__", ".snakemake", ".cache")


ENDED = "RunEnded"  # the error of a cell in which a run was ended and could not say so


class AuditError(RuntimeError):
    """What cannot be audited; the message says why, and what to do."""


@dataclass(frozen=True)
class Failure:
    """An error of a cell: its name, its message, and the traceback as text."""

    name: str
    message: str
    traceback: str = ""


@dataclass(frozen=True)
class CodeCell:
    """A code cell as it was saved.

    Attributes
    ----------
    pieces
        What it put out.
    failure
        The error that it ended with; None where it came to its end, or never began.
    count
        Its execution count.
    reached
        Whether it was begun.
    """

    source: str
    pieces: tuple[Piece, ...]
    failure: Failure | None = None
    count: int | None = None
    reached: bool = True


@dataclass(frozen=True)
class Run:
    """What a run left.

    Attributes
    ----------
    name, rounding
        What the run is for, and the context that libraries were limited to.
    cells
        The code cells, in the order of the notebook.
    stopped
        What ended it before its end, in words; empty where nothing did.
    open_ways
        What it was not shut off from.
    environment
        As `gradlab.engine.kernel.describe_environment` returns it; empty where the kernel could not say. Of a run in the
        environment of a month, Python's version and those of what is installed there.
    """

    name: str
    rounding: str | None
    cells: tuple[CodeCell, ...]
    stopped: str
    seconds: float
    open_ways: tuple[str, ...]
    environment: Mapping[str, Any] = field(default_factory=dict)


def load_notebook(file: Path) -> nbformat.NotebookNode:
    """Return a notebook in format 4.

    Raises
    ------
    AuditError
        The file cannot be read, or is no notebook.
    """
    try:
        notebook = _read(file, as_version=4)
        read_cells(notebook)
    except OSError as error:
        raise AuditError(f"{file} cannot be read ({error.strerror}): name a notebook that can") from None
    except Exception as error:  # nbformat raises what it met first: JSON, validation, a missing key
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise AuditError(f"{file} is no notebook ({reason}): save it again from Jupyter") from None
    return notebook


def read_cells(notebook: nbformat.NotebookNode) -> tuple[CodeCell, ...]:
    """Return the code cells of a notebook; of one that ran here, in the order of the notebook that it was made from."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if any(_PLACE in cell.metadata for cell in code):
        code = sorted((cell for cell in code if _PLACE in cell.metadata), key=lambda cell: cell.metadata[_PLACE])
    return tuple(map(_read_cell, code))


def _read_cell(cell: nbformat.NotebookNode) -> CodeCell:
    errors = [output for output in cell.outputs if output.output_type == "error"]
    failure = None
    if errors:
        failure = Failure(errors[-1].ename, errors[-1].evalue, "\n".join(errors[-1].traceback))
    ran = cell.metadata.get("papermill", {})
    reached = bool(ran.get("start_time")) or _PLACE not in cell.metadata
    if _PLACE in cell.metadata and ran.get("status") == "running":
        failure = Failure(ENDED, "the run was ended in this cell")
    return CodeCell(cell.source, tuple(read_pieces(cell.outputs)), failure, cell.execution_count, reached)


def find_language(notebook: nbformat.NotebookNode) -> str:
    """Return the language that a notebook says it is in; Python where it does not say."""
    kernel, info = notebook.metadata.get("kernelspec", {}), notebook.metadata.get("language_info", {})
    language = str(kernel.get("language") or info.get("name") or "python").lower()
    return "python" if language.startswith(("python", "ipython")) else language


def run_notebook(
    notebook: Path,
    into: Path,
    name: str,
    *,
    limits: Limits,
    rounding: str | None = None,
    order: Sequence[int] | None = None,
    dated: Environment | None = None,
) -> Run:
    """Run a notebook and leave what it saved in a folder.

    Parameters
    ----------
    notebook
        The notebook; what lies beside it is copied, but for folders that no notebook reads, such as `.git`.
    into
        Where `<name>.ipynb`, as it was run, and `<name>.json` go.
    rounding
        The context to which libraries are limited; see `gradlab.engine.rounding`.
    order
        Code cells, by number from 0, in another order than that of the notebook.
    dated
        The environment in which it runs; None for this one.

    Raises
    ------
    AuditError
        The folder is larger than a run may write, or the run left nothing.
    """
    taken = measure_disk(notebook.parent, is_left_out)
    if taken > limits.disk * 2**20:
        raise AuditError(
            f"{notebook.parent} takes {taken / 2**20:,.0f} MB, and a run may write {limits.disk} MB, with its copy: move the "
            "notebook, with what it reads, to a folder of its own, or set --disk"
        )
    mark, started = secrets.token_hex(8), time.monotonic()
    private = Path(tempfile.mkdtemp(prefix=_PRIVATE))
    try:
        for folder in ("home", "tmp", "out"):
            (private / folder).mkdir()
        _copy(notebook.parent, private / "home/work")
        order_given = [] if order is None else [f"--order={','.join(map(str, order))}"]
        command = [sys.executable, "-P", "-m", "gradlab.audit.runs", notebook.name, str(private), *order_given]
        command += [f"--rounding={rounding}"] if rounding else []
        command += [f"--python={dated.python}"] if dated else []
        command += [f"--{key}={int(value) if key == 'network' else value}" for key, value in asdict(limits).items()]
        environment = choose_environment(private / "home", mark, limits) | {
            "PYTHONPATH": str(SOURCES),
            "TMPDIR": str(private / "tmp"),
        }
        with (private / "said.txt").open("wb") as said:
            process = subprocess.Popen(
                wrap(command, limits),
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=said,
                env=environment,
                start_new_session=True,
            )
            try:
                process.wait(limits.seconds + _GRACE)
            except subprocess.TimeoutExpired:
                pass
            finally:
                _end(process, mark)
        told = {"name": name, "rounding": rounding, "seconds": round(time.monotonic() - started, 2)}
        return _collect(private, into, process.returncode, told | ({"environment": dated.description} if dated else {}))
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _copy(folder: Path, to: Path) -> None:
    """Copy what lies beside a notebook: files and folders, links as what they lead to; no results, and no copy of a run."""

    def leave_out(where: str, names: list[str]) -> set[str]:
        paths = {name: os.path.join(where, name) for name in names}
        return {
            name
            for name, path in paths.items()
            if is_left_out(name) or not (os.path.isfile(path) or os.path.isdir(path))
        }

    shutil.copytree(folder, to, ignore=leave_out, ignore_dangling_symlinks=True)


def is_left_out(name: str) -> bool:
    """Tell whether no run needs what has this name: version control, environments, what audits left."""
    return name in _NOT_COPIED or name.endswith("-audit") or name.startswith(_PRIVATE)


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """End a run and all that it has left; in namespaces, what it started ends with it, and `unshare` after it."""
    try:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.wait(5)
    except (psutil.NoSuchProcess, subprocess.TimeoutExpired):
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    if process.stdin:
        process.stdin.close()
    end_marked(mark)


def _collect(private: Path, into: Path, status: int, known: Mapping[str, Any]) -> Run:
    executed, described, name = private / "out/executed.ipynb", private / "out/run.json", known["name"]
    told = json.loads(described.read_text(encoding="utf-8")) if described.exists() else {}
    template = private / "out/template.ipynb"
    if not template.exists():
        said = (private / "said.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise AuditError(
            f"the run {name} did not begin (status {status}): {(said or ['it said nothing'])[-1][:300]}; run it again, and if "
            "it is the same, by hand in Jupyter"
        )
    told.setdefault("stopped", "it was ended from outside, and could not say why")
    size = executed.stat().st_size / 2**20 if executed.exists() else 0
    if size > _LARGEST:
        told["stopped"] = f"it put out {size:,.0f} MB, of which up to {_LARGEST} are read"
        executed = template
    try:
        load_notebook(executed)
    except AuditError:  # it was ended before it had saved anything, or while it did
        told["stopped"] = told["stopped"] or "it was ended before it had saved what it put out"
        executed = template
    told.update(known)
    text = executed.read_text(encoding="utf-8").replace(str(private / "home/work"), ".")
    into.mkdir(parents=True, exist_ok=True)
    (into / f"{name}.ipynb").write_text(text, encoding="utf-8")
    save_json(into / f"{name}.json", told)
    return load_run(into, name)


def load_run(folder: Path, name: str) -> Run:
    """Return a run that lies in a folder."""
    told = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    notebook = _read(folder / f"{name}.ipynb", as_version=4)
    return Run(
        name=told["name"],
        rounding=told["rounding"],
        cells=read_cells(notebook),
        stopped=told["stopped"],
        seconds=told["seconds"],
        open_ways=tuple(told.get("open_ways", ())),
        environment=told.get("environment", notebook.metadata.get("environment", {})),
    )


def prepare(notebook: nbformat.NotebookNode, order: Sequence[int] | None) -> nbformat.NotebookNode:
    """Return a notebook for a run: without outputs, and going on after an error, so that it shows what else comes out."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for place, cell in enumerate(code):
        cell.outputs, cell.execution_count = [], None
        cell.metadata.clear()
        cell.metadata.update({_PLACE: place, "tags": ["raises-exception"]})
    if order is not None:
        notebook.cells = [code[place] for place in order]
    notebook.metadata.pop("papermill", None)
    notebook.metadata.pop("widgets", None)
    return notebook


def main(arguments: Sequence[str] | None = None) -> int:
    """Be the process of a run; see `run_notebook`."""
    parser = argparse.ArgumentParser(prog="python -m gradlab.audit.runs", description="Run a notebook, shut in.")
    parser.add_argument("notebook")
    parser.add_argument("private", type=Path)
    parser.add_argument("--rounding")
    parser.add_argument("--python", type=Path)
    parser.add_argument("--order", type=lambda text: [int(place) for place in text.split(",")])
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--memory", type=int, required=True)
    parser.add_argument("--disk", type=int, required=True)
    parser.add_argument("--network", type=int, required=True)
    given = parser.parse_args(arguments)
    limits = Limits(given.seconds, given.memory, given.disk, bool(given.network))
    out, work = given.private / "out", given.private / "home/work"
    needed = [Path(sys.prefix), SOURCES, *([given.python.parents[1]] if given.python else [])]
    told: dict[str, Any] = {"open_ways": shut_in(given.private, limits, needed), "stopped": ""}

    def tell(reason: str) -> None:
        told["stopped"] = reason
        save_json(out / "run.json", told)

    watch = Watch(given.private, limits, tell)
    os.chdir(work)
    template = out / "template.ipynb"
    _write(prepare(load_notebook(work / given.notebook), given.order), template)
    reason = _execute(template, out / "executed.ipynb", given, work)
    tell(watch.reason or reason)
    sys.stdout.flush()
    os._exit(0)  # without waiting for what the notebook has left


def _execute(template: Path, executed: Path, given: argparse.Namespace, work: Path) -> str:
    """Execute a prepared notebook; say what stopped it, if anything but an error of its code did."""
    from gradlab.engine.execution import ExecutionError, execute

    try:
        execute(
            template,
            executed,
            {},
            paths=[str(work)],
            rounding=given.rounding,
            time_limit=given.seconds,
            python=given.python,
        )
    except ExecutionError as error:
        names = {cell.failure.name for cell in read_cells(_read(executed, as_version=4)) if cell.failure}
        if "CellTimeoutError" in names:
            return f"it took more than {given.seconds:g} s"
        if "DeadKernelError" in names or "failed" in str(error):
            return str(error).splitlines()[-1].strip()
    return ""


if __name__ == "__main__":
    sys.exit(main())
