"""Which modules of this package a notebook or a module imports, directly or through others.

The workflow makes them inputs of a cell, so that editing one reruns the cells that use it and no others.
"""

import ast
import json
from pathlib import Path

PACKAGE = Path(__file__).parent


def imported_sources(*files: str | Path, package: Path = PACKAGE) -> list[Path]:
    """Return the files of `package` that the given notebooks or modules import, transitively and sorted.

    Parameters
    ----------
    files
        Notebooks (`.ipynb`) or Python modules.
    package
        The folder of the package; its name is the package's name.
    """
    found: set[Path] = set()
    waiting = [Path(file) for file in files]
    while waiting:
        imported = _modules(_python(waiting.pop()), package) - found
        found |= imported
        waiting += imported
    return sorted(found)


def _python(file: Path) -> str:
    if file.suffix != ".ipynb":
        return file.read_text(encoding="utf-8")
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    lines = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


def _modules(python: str, package: Path) -> set[Path]:
    """Return the package's files that one piece of Python imports itself, the packages they lie in included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(python)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    files: set[Path] = set()
    for name in names:
        top, *parts = name.split(".")
        if top != package.name:
            continue
        for depth in range(len(parts) + 1):
            path = package.joinpath(*parts[:depth])
            files |= {file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()}
    return files
