"""Where the time of a run goes."""

import cProfile
import pstats
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.commands import run_python
from benchmarks.timing import Part

_PYTHON = "Python between the operations"


def profile_torch(run: Callable[[], Any], most: int = 10) -> list[Part]:
    """Return the share of torch's operations in the time of a run, the largest first, the small ones together.

    Recording costs about a microsecond for each call, which makes runs of many small operations look longer than they are.
    """
    with profile(activities=[ProfilerActivity.CPU]) as recorded, record_function(_PYTHON):
        run()
    spent = {event.key: event.self_cpu_time_total for event in recorded.key_averages()}
    return rank(spent, most)


def profile_python(run: Callable[[], Any], most: int = 10) -> list[Part]:
    """Return the share of Python's functions in the time of a run; those of files are named by module."""
    recorder = cProfile.Profile()
    recorder.runcall(run)
    spent: dict[str, float] = {}
    for (file, _, function), (_, _, own, _, _) in pstats.Stats(recorder).stats.items():
        name = function.strip("<>") if file == "~" else f"{Path(file).stem}.{function}"  # "~" for what is compiled
        spent[name] = spent.get(name, 0.0) + own
    return rank(spent, most)


def profile_command(module: str, *arguments: str, folder: Path, most: int = 8) -> list[Part]:
    """Return the share of Python's packages in the time of `python -m module`, the standard library being one of them.

    What is compiled into Python counts for the package that calls it, except for the loading of modules.
    """
    spent: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        recorded = Path(scratch) / "profile"
        run_python("-m", "cProfile", "-o", recorded, "-m", module, *arguments, folder=folder)
        for (file, _, _), (_, _, own, _, callers) in pstats.Stats(str(recorded)).stats.items():
            origins = {caller: times[2] for (caller, _, _), times in callers.items()} if file == "~" else {file: own}
            for origin, seconds in origins.items():
                name = _package(Path(origin))
                spent[name] = spent.get(name, 0.0) + seconds
    return rank(spent, most)


def _package(file: Path) -> str:
    """Return the package that a file belongs to, in words where it is none of those that are installed."""
    if "importlib" in file.name:
        return "loading modules"
    for folder in ("site-packages", "src"):
        if folder in file.parts:
            return file.parts[file.parts.index(folder) + 1].removesuffix(".py")
    return "Python's standard library" if file.suffix == ".py" else "rules of the workflow"


def rank(spent: dict[str, float], most: int) -> list[Part]:
    """Return the shares of the whole, the largest first; what comes after the first `most` is one part."""
    whole = sum(spent.values()) or 1.0
    ranked = sorted(spent.items(), key=lambda item: -item[1])
    parts = [Part(name, value / whole) for name, value in ranked[:most]]
    rest = sum(value for _, value in ranked[most:])
    return parts + ([Part("all others", rest / whole)] if rest > 0 else [])
