"""Copies of parts of the project, for tests to run and to damage."""

import shutil
from collections.abc import Iterable
from pathlib import Path


def copy_parts(project: Path, root: Path, parts: Iterable[str]) -> None:
    """Copy files and folders of the project, without byte code."""
    for part in parts:
        if (project / part).is_dir():
            shutil.copytree(project / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(project / part, root / part)
