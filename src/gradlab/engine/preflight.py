"""Checks the surroundings of a run before anything starts. It needs nothing but Python: what it checks may be what is missing.

Each check returns a line that says what is wrong and what to do, or None.
"""

import getpass
import os
import re
import resource
import sys
import time
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

OPEN_FILES = 256  # that a process has to be allowed


class SurroundingsError(RuntimeError):
    """Nothing can be run here; the message says why, and what to do."""


def check_surroundings(project: Path) -> None:
    """Refuse a place, or an environment, in which a run would fail or compute with something else than it says.

    Parameters
    ----------
    project
        The folder of the Snakefile.

    Raises
    ------
    SurroundingsError
        The first fault.
    """
    _refuse(
        _find_missing_packages(project),
        _find_low_limit(),
        _find_wrong_path(project),
        _find_read_only(Path()),
    )


def check_folders(*folders: Path) -> None:
    """Refuse folders that cannot be written to; raises as `check_surroundings`."""
    _refuse(*map(_find_dangling_link, folders), *map(_find_read_only, folders))


def check_age(files: Iterable[str | Path]) -> None:
    """Refuse files from the future: Snakemake would do so as well, but when the job is done, and delete its outputs.

    Raises as `check_surroundings`.
    """
    for file in filter(os.path.exists, files):
        if os.path.getmtime(file) > time.time() + 1:
            date = time.strftime("%Y-%m-%d %H:%M", time.localtime(os.path.getmtime(file)))
            raise SurroundingsError(f"{file} is dated {date}, in the future: set the clock right, or `touch` the file")


def _refuse(*faults: str | None) -> None:
    for fault in filter(None, faults):
        raise SurroundingsError(fault)


def clean_process(project: Path) -> None:
    """Rid this process, and the jobs that it starts, of what the user's environment says to Python and the shell."""
    for name in ("BASH_ENV", "ENV", "PYTHONSTARTUP", "PYTHONHOME", "PYTHONINSPECT", "PYTHONOPTIMIZE"):
        os.environ.pop(name, None)
    # Jobs find the package beside the workflow, and nothing else beside the environment's own: nothing has to be installed.
    os.environ |= {"PYTHONPATH": str(project / "src"), "PYTHONSAFEPATH": "1", "PYTHONNOUSERSITE": "1"}
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    try:
        getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have; libraries ask for one
        os.environ["USER"] = str(os.getuid())


def _find_missing_packages(project: Path) -> str | None:
    """A snakemake of another environment (pipx, conda's base) runs the workflow, and cells would fail one by one."""
    dependencies = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    missing = []
    for requirement in dependencies:
        name = re.split(r"[^\w.-]", requirement)[0]
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return (
            f"this snakemake runs in {sys.prefix}, which has no {', '.join(missing[:3])}{' …' * (len(missing) > 3)}: run it as "
            ".venv/bin/python -m snakemake, after `make setup`, or in an environment made from environment.yml"
        )
    return None


def _find_low_limit() -> str | None:
    """A kernel has some 60 files open, and what it computes with some more; it may hang where it cannot open them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < OPEN_FILES <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, hard))
    elif soft < OPEN_FILES:
        return (
            f"a process may have {soft} files open here, and cells need {OPEN_FILES}: raise the limit, with `ulimit -n "
            f"{OPEN_FILES}`"
        )
    return None


def _find_wrong_path(project: Path) -> str | None:
    path = str(project)
    if not path.isprintable():  # a byte that is no UTF-8 among them
        return f"the path of the project, {path!r}, is not plain text: rename or move the folder"
    if os.pathsep in path:
        return f"the path of the project, {path}, contains '{os.pathsep}', which separates paths: rename or move the folder"
    return None


def _find_dangling_link(folder: Path) -> str | None:
    for part in (folder, *folder.parents):
        if part.is_symlink() and not part.exists():
            return (
                f"{part} is a link to {os.readlink(part)}, which does not exist: make that folder, or remove the link"
            )
    return None


def _find_read_only(folder: Path) -> str | None:
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{folder.absolute()} cannot be written to: make it writable, or copy the project to a folder that is"
    return None
