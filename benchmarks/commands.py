"""Runs commands in processes of their own."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_python(
    *arguments: str | Path, folder: Path, path: Sequence[Path] = (), variables: Mapping[str, str] | None = None
) -> str:
    """Run Python in a folder, with `path` before all other places of modules, and with more variables; return what it prints.

    Raises
    ------
    RuntimeError
        The command failed; the message ends with what it printed last.
    """
    command = [sys.executable, *map(str, arguments)]
    # Snakemake and its jobs look for `python` on the path.
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": places, "PYTHONPATH": os.pathsep.join(map(str, path))}
    environment |= variables or {}
    result = subprocess.run(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if result.returncode != 0:
        raise RuntimeError(
            f"{' '.join(command)} ended with status {result.returncode} in {folder}; it said:\n{result.stdout[-2000:]}"
        )
    return result.stdout
