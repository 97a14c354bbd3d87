"""Why a cell failed, read off its error: something that is not there, something that is gone, or the cell before."""

import ast
import builtins
import importlib.util
import re
import sys
from collections.abc import Sequence

from gradlab.audit.runs import ENDED, CodeCell, Failure
from gradlab.engine.sources import python_of
from gradlab.lab.printed import Piece

_HOST = re.compile(
    r"Name or service not known|Temporary failure in name resolution|Network is unreachable|nodename nor servname|"
    r"Max retries exceeded|getaddrinfo failed|Connection refused|No route to host|urlopen error"
)
_HOST_NAME = re.compile(r"host='([^']+)'|https?://([\w.\-]+)")
_NO_PROGRAM = re.compile(r"(?:^|: )([\w.\-/]+): (?:command )?not found", re.MULTILINE)
_GONE = re.compile(
    r"unexpected keyword argument|takes \d+ positional arguments? but|cannot import name|has been removed|was removed in|"
    r"is no longer supported|no longer available|was deprecated in"
)
_NO_ATTRIBUTE = re.compile(
    r"(?:module|type object|class) '([\w.]+)' has no attribute|'([\w.]+)' object has no attribute"
)
_SAID = 300  # characters of an error that are repeated
_FULL = re.compile(r"File too large|No space left on device|Disk quota exceeded")
_BY_LIMIT = {
    ENDED: "time or memory",
    "CellTimeoutError": "time or memory",
    "MemoryError": "time or memory",
    "DeadKernelError": "kernel died",
}


def explain_failure(
    cells: Sequence[CodeCell], place: int, expected: Failure | None, *, network: bool, stopped: str
) -> tuple[str, str]:
    """Return cause and evidence of the error of a cell.

    Parameters
    ----------
    cells
        The code cells as they ran.
    place
        The one that failed.
    expected
        The error that was saved with it.
    network
        Whether the run could reach the network.
    stopped
        What ended the run.
    """
    failure = cells[place].failure
    if failure is None:
        raise ValueError(f"code cell {place + 1} did not fail; ask of one that did")
    said = " ".join(f"{failure.name}: {failure.message}".split())
    said = said if len(said) <= _SAID else f"{said[:_SAID]}…"
    if failure.name in _BY_LIMIT:
        cause = _BY_LIMIT[failure.name]
        return ("time or memory" if stopped.startswith("it ") else cause), stopped or said
    cause, evidence = _explain(failure, said, cells, place, network)
    earlier = find_failure(cells[:place])
    if cause == "unexplained" and earlier is not None and failure.name != "AssertionError":
        cause = "after an earlier error"
        evidence = f"{said}, after {cells[earlier].failure.name} in code cell {earlier + 1}"  # type: ignore[union-attr]
    if expected and expected.name == failure.name:
        evidence += "; the saved notebook shows the same error"
    return cause, evidence


def find_failure(cells: Sequence[CodeCell]) -> int | None:
    """Return the first cell that failed; None where none did."""
    return next((place for place, cell in enumerate(cells) if cell.failure), None)


def find_missing_program(pieces: Sequence[Piece]) -> str:
    """Return the program that a shell said is not there; an empty text where none did."""
    for piece in pieces:
        if found := _NO_PROGRAM.search(piece.text):
            return found[1]
    return ""


def defines(source: str, name: str) -> bool:
    """Tell whether code gives a value to a name."""
    try:
        tree = ast.parse(python_of({"source": source}))
    except (SyntaxError, ValueError):
        return False
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=found, ctx=ast.Store()) if found == name:
                return True
            case ast.FunctionDef(name=found) | ast.AsyncFunctionDef(name=found) | ast.ClassDef(name=found) if (
                found == name
            ):
                return True
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                if name in {(alias.asname or alias.name).partition(".")[0] for alias in aliases}:
                    return True
    return False


def _explain(failure: Failure, said: str, cells: Sequence[CodeCell], place: int, network: bool) -> tuple[str, str]:
    match failure.name:
        case "ModuleNotFoundError":
            return _explain_module(failure, said)
        case "NameError" | "UnboundLocalError":
            return _explain_name(failure, said, cells, place)
        case "FileNotFoundError" | "NotADirectoryError" if "subprocess" in failure.traceback:
            return "missing program", said
        case "FileNotFoundError" | "NotADirectoryError":
            return "missing file", said
        case "SyntaxError" if "print" in failure.message:
            return "removed API", f"{said}: the code is Python 2"
    if _HOST.search(failure.message):
        host = _HOST_NAME.search(failure.traceback)
        named = f" ({next(filter(None, host.groups()))})" if host else ""
        return "missing host", said + named + ("" if network else "; the audit had cut the network: --network gives it")
    if _FULL.search(failure.message):
        return "time or memory", f"{said}; --disk lets it write more"
    if failure.name in ("OSError", "IOError") and re.search(r"No such file|not found", failure.message):
        return "missing file", said
    if _GONE.search(failure.message):
        return "removed API", said
    if (found := _NO_ATTRIBUTE.search(failure.message)) and _is_foreign(found[1] or found[2], bool(found[1]), cells):
        return "removed API", said
    return "unexplained", said


def _explain_module(failure: Failure, said: str) -> tuple[str, str]:
    found = re.search(r"No module named '([\w.]+)'", failure.message)
    name = found[1] if found else ""
    top, _, rest = name.partition(".")
    if rest and (top in sys.stdlib_module_names or importlib.util.find_spec(top)):
        return "removed API", f"{said}: {top} is there, and has no {rest}"
    return "missing package", said


def _explain_name(failure: Failure, said: str, cells: Sequence[CodeCell], place: int) -> tuple[str, str]:
    found = re.search(r"name '(\w+)'|variable '(\w+)'", failure.message)
    name = (found[1] or found[2]) if found else ""
    for before, cell in enumerate(cells[:place]):
        if cell.failure and defines(cell.source, name):
            return "after an earlier error", f"{said}: code cell {before + 1}, which gives it a value, failed"
    later = [after + 1 for after in range(place, len(cells)) if defines(cells[after].source, name)]
    if hasattr(builtins, name):
        return "unexplained", said
    if later:
        return "order of execution", f"{said}: it is given a value in code cell {later[0]}, at or below"
    if any(defines(cell.source, name) for cell in cells[:place]):
        return "unexplained", said
    return "order of execution", f"{said}: no cell gives it a value; the one that did was deleted or changed"


def _is_foreign(name: str, is_module: bool, cells: Sequence[CodeCell]) -> bool:
    """Tell whether a module or class is a package's: neither Python's own nor the notebook's."""
    if (
        is_module
        and "." not in name
        and name.partition(".")[0] not in sys.modules
        and not importlib.util.find_spec(name)
    ):
        return False
    last = name.rpartition(".")[2]
    return not hasattr(builtins, last) and last != "NoneType" and not any(defines(cell.source, last) for cell in cells)
