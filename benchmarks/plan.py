"""A dry run of studies far larger than the project's own: what Snakemake and the workflow need to plan their cells."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from benchmarks.commands import run_python
from benchmarks.timing import Benchmark, Places, Target

# The quick study with one cell of autodiff, and without the moons and the seeds of its final network; and the cells that each
# of these seeds adds.
FIXED, EACH = 45, 5


def compare(places: Places) -> Benchmark:
    """Compare the plan of 1,000 cells with that of 100, of which every one has to be run."""
    return Benchmark(
        name="plan",
        title="A dry run of 1,000 cells",
        contenders={f"{cells:,} cells": _prepare(cells, places) for cells in (1000, 100)},
        target=Target(15),
        agree=check_plans,
        clock="processor time of all processes started",
    )


def _prepare(cells: int, places: Places) -> Callable[[], tuple[int, int]]:
    """Return a function that plans so many cells, and returns how many it was asked for and how many it planned."""
    config: Path = places.scratch / f"cells-{cells}.json"
    seeds = list(range((cells - FIXED) // EACH))
    large = {
        "studies": {"moons": False},
        "autodiff": {"cases": ["jump"], "torch_functions": False},
        "regularization": {"corrected": {"seeds": seeds}},
    }
    config.write_text(json.dumps({"results": f"results/cells-{cells}", **large}))
    command = ("-m", "snakemake", "--nocolor", "--dry-run", "--cores", "1", "--configfile", "config/quick.yaml", config)

    def plan() -> tuple[int, int]:
        said = run_python(*command, folder=places.study)
        return cells, len(re.findall(r"^ *Job \d+: \w+/\w+/", said, re.MULTILINE))

    return plan


def check_plans(results: list[tuple[int, int]]) -> None:
    """Refuse plans with more or fewer cells."""
    if any(asked != planned for asked, planned in results):
        raise ValueError(f"asked for and planned were {results}; expected as many cells as were asked for")
