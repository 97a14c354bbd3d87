"""Which modules of this package, and which other packages, a notebook or a module imports, directly or through others.

The workflow makes the modules inputs of a cell and the packages' versions its parameters, so that editing one, or installing
another version, reruns the cells that use it and no others.
"""

import ast
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]


def imported_sources(*files: str | Path, packages: Sequence[Path] = (PACKAGE,), at_once: bool = False) -> list[Path]:
    """Return the files of `packages` that the given notebooks or modules import, transitively and sorted.

    Parameters
    ----------
    files
        Notebooks (`.ipynb`) or Python modules.
    packages
        Folders of packages; the name of each is the package's name.
    at_once
        Whether what a function imports, when it is called, is left out.
    """
    found: set[Path] = set()
    waiting = [Path(file) for file in files]
    while waiting:
        imported = _modules(waiting.pop(), packages, at_once) - found
        found |= imported
        waiting += imported
    return sorted(found)


def imported_packages(*files: str | Path, packages: Sequence[Path] = (PACKAGE,)) -> dict[str, str]:
    """Return the versions of the other packages that notebooks or modules import, as far as installed, by name and sorted.

    Parameters
    ----------
    files, packages
        As for `imported_modules`.
    """
    names = {name.partition(".")[0] for name in imported_modules(*files, packages=packages)}
    return {distribution: metadata.version(distribution) for distribution in sorted(find_distributions(names))}


def imported_modules(
    *files: str | Path, packages: Sequence[Path] = (PACKAGE,), at_once: bool = False
) -> frozenset[str]:
    """Return the full names of what notebooks or modules import from other packages than Python's own.

    What is imported from a module, which may be a module itself, is named as if it were one.

    Parameters
    ----------
    files
        Notebooks (`.ipynb`) or Python modules; the modules of `packages` that they import count as well.
    packages
        Folders of packages.
    at_once
        Whether what a function imports, when it is called, is left out.
    """
    sources = [*map(Path, files), *imported_sources(*files, packages=packages, at_once=at_once)]
    names = {name for file in sources for name in _names(file, tuple(packages), at_once)}
    known = {*(package.name for package in packages), *sys.stdlib_module_names}
    return frozenset(name for name in names if name.partition(".")[0] not in known)


def find_distributions(modules: Iterable[str]) -> set[str]:
    """Return the installed distributions that give these top-level modules; a module without one is passed over."""
    found, others = set(), []
    for name in modules:
        try:  # most have the name of their module, and looking up the others takes long
            found.add(metadata.distribution(name).name)
        except (metadata.PackageNotFoundError, ValueError):
            others.append(name)
    if others:
        given = _packages_distributions()
        found |= {distribution for name in others for distribution in given.get(name, ())}
    return found


_packages_distributions = cache(metadata.packages_distributions)


def python_of(cell: Mapping[str, Any]) -> str:
    """Return the source of a notebook's code cell, with the lines that are IPython's own left empty."""
    lines = "".join(cell["source"]).splitlines()
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines)


def _python(file: Path) -> str:
    if file.suffix != ".ipynb":
        return file.read_text(encoding="utf-8")
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    return "\n".join(python_of(cell) for cell in cells if cell["cell_type"] == "code")


@cache  # cells share most modules
def _names(file: Path, packages: tuple[Path, ...], at_once: bool = False) -> set[str]:
    """Return the full names that one file imports itself."""
    names: set[str] = set()
    tree = ast.parse(_python(file))
    for node in tree.body if at_once else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = [*_start(file, node.level, packages), *filter(None, [node.module])]
            names |= {".".join([*parts, alias.name]) for alias in node.names}
    return names


def _start(file: Path, level: int, packages: Sequence[Path]) -> list[str]:
    """Return the parts of the name from which a relative import starts; none for an absolute one."""
    for package in packages if level else ():
        if file.is_relative_to(package):
            parts = [package.name, *file.relative_to(package).parent.parts]
            return parts[: len(parts) - level + 1]
    return []


def _modules(file: Path, packages: Sequence[Path], at_once: bool) -> set[Path]:
    """Return the packages' files that one file imports itself, the packages they lie in included."""
    files: set[Path] = set()
    for name in _names(file, tuple(packages), at_once):
        top, *parts = name.split(".")
        for package in packages:
            for depth in range(len(parts) + 1 if top == package.name else 0):
                path = package.joinpath(*parts[:depth])
                files |= {file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()}
    return files
