"""How fast the project is, beside other ways of doing the same, and where the time of a study goes."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradlab.blocks import Block, Cited, Table, Text, draw
from gradlab.families import group_families, label_family
from gradlab.plots.speed import Bar, plot_ratios
from gradlab.results import CellResult, print_commit
from gradlab.studies import STUDIES
from gradlab.text import print_time

_SMALL = 0.02  # an operation with a smaller share of the time is not named
_GOALS = {"ratio": "ratio at least {:g}", "share": "at least {:.0%} of the limit", "seconds": "at most {:g} s"}


class BenchmarkError(ValueError):
    """A file of benchmarks that cannot be read; the message says what is wrong with it, and what to do."""


@dataclass(frozen=True)
class Spread:
    """Median and quartiles over the rounds of a benchmark."""

    median: float
    lower: float
    upper: float

    def __post_init__(self) -> None:
        if not all(isinstance(value, float | int) and math.isfinite(value) for value in vars(self).values()):
            raise TypeError(f"{vars(self)} are no numbers")


@dataclass(frozen=True)
class Way:
    """One way of doing the work of a benchmark.

    Attributes
    ----------
    seconds
        For one unit of the work.
    ratio
        The same in units of the time of the project's own way.
    share
        The part of the machine's limit that it reaches; None where the work is no arithmetic.
    """

    label: str
    seconds: Spread
    ratio: Spread
    share: Spread | None


@dataclass(frozen=True)
class Goal:
    """What a way was to reach: `quantity` is a key of `_GOALS`; `against` names the way, None for the own."""

    quantity: str
    against: str | None
    bound: float
    met: bool

    def __post_init__(self) -> None:
        if self.quantity not in _GOALS:
            raise ValueError(f"a target is for {self.quantity!r}; expected one of {', '.join(_GOALS)}")


@dataclass(frozen=True)
class Result:
    """One benchmark; the first of its ways is the project's own.

    Attributes
    ----------
    unit, clock, rounds
        What the times are told for, how they were taken, and how often.
    derivation
        How its floating-point operations were counted.
    limits
        Floating-point operations a second of a matrix product, by precision.
    goals
        What was to be reached.
    profile
        Shares of the time of the own way, by operation.
    started, machine, versions, commit
        When, where and with what it ran.
    """

    name: str
    title: str
    unit: str
    clock: str
    rounds: int
    derivation: str
    limits: Mapping[str, Spread]
    ways: Sequence[Way]
    goals: Sequence[Goal]
    profile: Sequence[tuple[str, float]]
    started: str
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    commit: str


def load_benchmarks(file: Path) -> list[Result]:
    """Read what `make bench` wrote; nothing where there is no such file.

    Raises
    ------
    BenchmarkError
        The file cannot be read, or is not what the benchmarks write.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return [_read_result(result) for result in found["benchmarks"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise BenchmarkError(
            f"{file} cannot be read ({type(error).__name__}: {error}); write it again with `make bench`"
        ) from error


def _read_result(result: Mapping[str, Any]) -> Result:
    ways = [
        Way(
            str(way["label"]),
            _read_spread(way["seconds"]),
            _read_spread(way["ratio"]),
            _read_spread(way["share"]) if way.get("share") else None,
        )
        for way in result["contenders"]
    ]
    return Result(
        **{name: str(result[name]) for name in ("name", "title", "unit", "clock", "derivation", "started")},
        rounds=int(result["rounds"]),
        limits={precision: _read_spread(rate) for precision, rate in result["limits"].items()},
        ways=[ways[0], *ways[1:]],
        goals=[
            Goal(goal["quantity"], goal["against"], float(goal["bound"]), bool(goal["met"]))
            for goal in result["targets"]
        ],
        profile=[(part["operation"], float(part["share"])) for part in result["profile"]],
        machine={name: result["machine"][name] for name in ("cpu", "cores", "system", "threads")},
        versions={name: str(version) for name, version in result["versions"].items()},
        commit=print_commit(result["git"]) or "not in a repository",
    )


def _read_spread(values: Mapping[str, Any]) -> Spread:
    return Spread(values["median"], values["lower"], values["upper"])


def show_speed(benchmarks: Sequence[Result], results: Mapping[str, CellResult]) -> list[Block]:
    """Return the benchmarks, and where the time of the study goes."""
    return _show_benchmarks(benchmarks, results) + _show_cells(results)


def _show_benchmarks(benchmarks: Sequence[Result], results: Mapping[str, CellResult]) -> list[Block]:
    if not benchmarks:
        return [Text("No benchmarks have run; make bench runs them.")]
    blocks: list[Block] = [Text(_describe_origin(benchmarks)), Text(_compare_machines(benchmarks, results))]
    groups = [
        (result.name.replace("_", " "), [Bar(way.label, **vars(way.ratio)) for way in result.ways[1:]])
        for result in benchmarks
    ]
    if any(bars for _, bars in groups):
        caption = "Time of other ways as a multiple of ours: a dot is the median, a bar the middle half of the rounds."
        blocks.append(draw(plot_ratios(groups, own="ours"), "speed", alt=_describe_ratios(benchmarks), caption=caption))
    for result in benchmarks:
        blocks.append(_tabulate(result))
        if text := _describe_profile(result):
            blocks.append(Text(text))
    return blocks


def _describe_origin(benchmarks: Sequence[Result]) -> str:
    goals = [goal for result in benchmarks for goal in result.goals]
    missed = [result.name.replace("_", " ") for result in benchmarks if not all(goal.met for goal in result.goals)]
    text = (
        "Every way of doing the same work runs once in each round, in turn, on one thread; a ratio is formed within a round. "
        "Times are medians, with the quartiles over the rounds in brackets. The limit is what a product of two large square "
        f"matrices reaches in the same round. {sum(goal.met for goal in goals)} of {len(goals)} targets are met"
    )
    return text + (f"; not all of: {', '.join(missed)}." if missed else ".")


def _compare_machines(benchmarks: Sequence[Result], results: Mapping[str, CellResult]) -> str:
    """Say where and when the benchmarks ran, and whether the study ran there too."""
    there = dict.fromkeys(_name_machine(result.machine) for result in benchmarks)
    days = sorted({result.started[:10] for result in benchmarks})
    commits = dict.fromkeys(result.commit for result in benchmarks)
    text = (
        f"They ran on {' and '.join(there)}, {' to '.join(dict.fromkeys((days[0], days[-1])))}, commit "
        f"{', '.join(commits)}, torch {', '.join(dict.fromkeys(r.versions.get('torch', 'unknown') for r in benchmarks))}."
    )
    here = dict.fromkeys(_name_machine(cell.manifest["machine"]) for cell in results.values() if cell.status == "done")
    if not here:
        return text
    if here.keys() == there.keys():
        return f"{text} The cells of this study ran on a machine of the same kind."
    return f"{text} The cells of this study ran elsewhere, on {' and '.join(here)}: these times are not theirs."


def _name_machine(machine: Mapping[str, Any]) -> str:
    return f"{machine['cpu']}, {machine['cores']} cores ({machine['system']})"


def _describe_ratios(benchmarks: Sequence[Result]) -> str:
    """Return what the figure shows, way by way."""
    shown = "; ".join(
        f"{result.name.replace('_', ' ')}: "
        + ", ".join(f"{way.label} {way.ratio.median:.3g}" for way in result.ways[1:])
        for result in benchmarks
        if len(result.ways) > 1
    )
    return f"How many times as long as ours other ways take, in the median. {shown}."


def _tabulate(result: Result) -> Table:
    """Return a row for each way, with what it was to reach; a target of the own way stands in its row."""
    times = f"{result.clock} of one {result.unit}, {result.rounds} rounds"
    header = ["Way", "Time", "Ratio", *(["Share of the limit"] if result.limits else []), "Target"]
    rows = []
    for number, way in enumerate(result.ways):
        goals = [goal for goal in result.goals if (goal.against or result.ways[0].label) == way.label]
        rows.append(
            [
                way.label,
                _print_spread(way.seconds, print_seconds),
                _print_spread(way.ratio, "{:.3g}".format) if number else "1",
                *([f"{way.share.median:.0%}" if way.share else None] if result.limits else []),
                "; ".join(map(_print_goal, goals)) or None,
            ]
        )
    return Table(f"{result.title} ({times})", header, rows)


def _print_goal(goal: Goal) -> str:
    return f"{_GOALS[goal.quantity].format(goal.bound)}: {'met' if goal.met else 'not met'}"


def _describe_profile(result: Result) -> str:
    """Say where the time of the own way goes, and what the limit is."""
    named = [f"{operation} {share:.0%}" for operation, share in result.profile if share >= _SMALL]
    text = f"Where the time of {result.ways[0].label} goes: {', '.join(named)}." if named else ""
    for precision, rate in result.limits.items():
        text += f" The limit in {precision}: {rate.median / 1e9:.0f} Gflop/s."
    return f"{text} {result.derivation}".strip()


def _print_spread(spread: Spread, form: Callable[[float], str]) -> str:
    if spread.lower == spread.upper:
        return form(spread.median)
    return f"{form(spread.median)} [{form(spread.lower)}, {form(spread.upper)}]"


def print_seconds(seconds: float) -> str:
    """Return a short time with three digits, in seconds, milliseconds or microseconds."""
    size, unit = next(
        ((size, unit) for size, unit in ((1, "s"), (1e-3, "ms")) if seconds >= 0.9995 * size), (1e-6, "µs")
    )
    value = seconds / size
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"


def _show_cells(results: Mapping[str, CellResult]) -> list[Block]:
    """Return a row for each kind of cell that is complete, those that took longest first."""
    done = [cell for cell in results.values() if cell.status == "done"]
    if not done:
        return []
    whole = sum(_seconds(cell) for cell in done)
    kinds = sorted(group_families(done).values(), key=lambda cells: -sum(map(_seconds, cells)))
    rows = [
        [
            Cited(label_family(cells), [cell.name for cell in cells]),
            STUDIES[cells[0].study].short,
            cells[0].protocol,
            len(cells),
            print_time(sum(map(_seconds, cells))),
            f"{sum(map(_seconds, cells)) / whole:.1%}" if whole else None,
        ]
        for cells in kinds
    ]
    header = ["Cells", "Study", "Protocol", "Number", "Time", "Share"]
    return [Table("Where the time of this study goes: wall time of its cells, by kind", header, rows)]


def _seconds(cell: CellResult) -> float:
    return cell.manifest["wall_seconds"]
