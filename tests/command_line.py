"""Snakemake's command line in processes that need not import snakemake: they are forked from one that has done so.

A call costs a fraction of a second instead of three. What runs is `snakemake` itself, from its arguments to its exit status,
in a process of its own; the workflow and its package are imported anew in each.
"""

import multiprocessing
import os
import sys
from dataclasses import dataclass
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "snakemake.cli",
        "snakemake.workflow",
        "snakemake.executors.local",
        "snakemake.report.html_reporter",
        "yte",
        "jsonschema",
    ]
)


@dataclass(frozen=True)
class Finished:
    """A call that has ended: its exit status, and what a terminal would have shown."""

    returncode: int
    stdout: str


def run_snakemake(root: Path, *arguments: str, output: Path) -> Finished:
    """Run snakemake in the folder `root`; `output` is a file that takes what it prints."""
    process = _CONTEXT.Process(target=_run, args=(root, ("--cores", "1", "--nocolor", *arguments), output))
    process.start()
    process.join(120)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"snakemake {' '.join(arguments)} did not end:\n{output.read_text(encoding='utf-8')}")
    return Finished(process.exitcode, output.read_text(encoding="utf-8"))


def _run(root: Path, arguments: tuple[str, ...], output: Path) -> None:
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(root)
    os.environ.pop("PYTHONPATH", None)  # the workflow finds its package by itself
    sys.dont_write_bytecode = True
    sys.argv = ["snakemake", *arguments]
    from snakemake.cli import main

    main(list(arguments))
