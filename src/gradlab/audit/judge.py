"""Verdict and cause of every number that a notebook printed, from what its runs printed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from gradlab.audit.align import align
from gradlab.audit.dated import name_distribution
from gradlab.audit.errors import explain_failure, find_failure, find_missing_program
from gradlab.audit.runs import CodeCell, Run
from gradlab.lab.printed import Number, read_numbers

_ORDINARY = ("first", "second", "rounding", "rounding again")  # in the order of the cells, with the packages of today
RUNS = (*_ORDINARY, "saved order", "dated")
NEWER = "newer "  # and a package: the run with the packages of a month, of which that one is newer
# What is worse stands later; the last two are outside of that order.
VERDICTS = ("same", "close", "differs", "lost", "failed", "not printed before", "aside")
CAUSES = (
    "unseeded",
    "rounding",
    "versions",
    "removed API",
    "missing package",
    "missing program",
    "missing file",
    "missing host",
    "order of execution",
    "after an earlier error",
    "time or memory",
    "kernel died",
    "no kernel",
    "unexplained",
)
CLOSE = Decimal("1e-6")  # relative
_DIGITS = 3  # significant digits from which on one unit of the last one counts as close
_TAKES_TIME = re.compile(r"\btime\.|\btime\(|perf_counter|process_time|datetime|timeit|%%?time|tqdm|\.fit\(")


@dataclass(frozen=True)
class Entry:
    """One number, and what became of it.

    Attributes
    ----------
    number
        As it was printed before; for `not printed before`, as it is printed now.
    found
        What the runs printed in its place, by name of the run; None for a run that printed nothing there.
    verdict, cause
        One of `VERDICTS`; one of `CAUSES`, empty for what is the same.
    evidence
        By what the cause is seen.
    """

    number: Number
    found: Mapping[str, str | None]
    verdict: str
    cause: str = ""
    evidence: str = ""

    @property
    def is_new(self) -> bool:
        """Whether it was not printed before."""
        return self.verdict == "not printed before" or (self.verdict == "aside" and not self.evidence)

    @property
    def is_judged(self) -> bool:
        """Whether it was printed before, and is not set aside."""
        return self.verdict not in ("not printed before", "aside")


def compare(before: str, now: str | None) -> str:
    """Return `same`, `close` or `differs` for two printed numbers; `lost` where there is none now.

    Close are two whose relative difference is at most 1e-6, or that differ by one unit of the last digit of `before`, where
    that has a decimal point and three or more digits.
    """
    if now is None:
        return "lost"
    first, second = (Decimal(text.replace(",", "").replace("\u2212", "-")) for text in (before, now))
    if first == second or (first.is_nan() and second.is_nan()):
        return "same"
    if not (first.is_finite() and second.is_finite()):
        return "differs"
    if abs(first - second) <= CLOSE * max(abs(first), abs(second)):
        return "close"
    exponent = first.as_tuple().exponent
    fine = isinstance(exponent, int) and exponent < 0 and len(first.as_tuple().digits) >= _DIGITS
    return "close" if fine and abs(first - second) <= Decimal(1).scaleb(int(exponent)) else "differs"


def judge(
    published: Sequence[CodeCell],
    runs: Mapping[str, Run],
    *,
    network: bool = False,
    python: str = "",
    month: str = "",
) -> list[Entry]:
    """Judge every number.

    Parameters
    ----------
    published
        The code cells as they were saved.
    runs
        `first`, and those of `second`, `rounding`, `rounding again`, `saved order`, `dated` and `NEWER` that were made.
    network
        Whether they could reach the network.
    python
        The version of Python that the notebook was saved with, where it says so.
    month
        Of the packages of the run `dated`.

    Returns
    -------
    list
        In the order of the notebook; within a cell, what was not printed before comes last.
    """
    order = describe_order(published)
    times = any(_TAKES_TIME.search(cell.source) for cell in published)
    entries: list[Entry] = []
    for place, cell in enumerate(published):
        before = read_numbers(place, cell.pieces)
        found: dict[Number, dict[str, str | None]] = {number: {} for number in before}
        new: list[Number] = []
        for name, run in runs.items():
            pairs, others = align(before, read_numbers(place, run.cells[place].pieces))
            new = others if name == "first" else new
            for number in before:
                found[number][name] = pairs[number].text if number in pairs else None
        for number in before:
            entry = _judge_one(number, found[number], published, runs, order, times, network, python)
            entries.append(_try_dated(entry, published, runs, month, python))
        entries += [
            Entry(number, {"first": number.text}, "aside" if number.aside else "not printed before") for number in new
        ]
    return entries


def _judge_one(
    number: Number,
    found: Mapping[str, str | None],
    published: Sequence[CodeCell],
    runs: Mapping[str, Run],
    order: str,
    times: bool,
    network: bool,
    python: str,
) -> Entry:
    entry = Entry(number, found, "same")
    if number.aside not in ("", "time", "timed"):
        return replace(entry, verdict="aside", evidence=ASIDE[number.aside])
    ordinary = {name: text for name, text in found.items() if name in _ORDINARY}
    verdicts = {name: compare(number.text, text) for name, text in ordinary.items()}
    moves = compare(found["first"] or number.text, found.get("second") or found["first"] or number.text) != "same"
    if (number.aside == "time" and (times or moves)) or (
        number.aside and times and {*verdicts.values()} - {"same", "lost"}
    ):
        return replace(entry, verdict="aside", evidence=ASIDE["time"])
    verdict = max(verdicts.values(), key=VERDICTS.index)
    if verdict == "same":
        return entry
    failed = [name for name in ordinary if found[name] is None and _has_failed(runs[name], number.cell)]
    if failed:
        cause, evidence = _explain_failed(number.cell, published, runs[failed[0]], network)
        if len(failed) < len(ordinary) and not runs[failed[0]].stopped:
            cause, evidence = "unseeded", f"it failed in the {failed[0]} run and not in every one: {evidence}"
        return _try_order(replace(entry, verdict="failed", cause=cause, evidence=evidence), order)
    cause, evidence = _explain_moved(found)
    if cause:
        return replace(entry, verdict=verdict, cause=cause, evidence=evidence)
    cause, evidence = _explain_fixed(number, published, runs, order, python)
    return _try_order(replace(entry, verdict=verdict, cause=cause, evidence=evidence), order)


def _has_failed(run: Run, place: int) -> bool:
    return run.cells[place].failure is not None or not run.cells[place].reached


ASIDE = {
    "address": "an address in memory",
    "date": "a date, or a time of day",
    "progress": "how far something was, and how fast",
    "version": "a version",
    "time": "how long something took",
}


def _explain_moved(found: Mapping[str, str | None]) -> tuple[str, str]:
    """Return cause and evidence of a number that is not the same in all runs; nothing of one that is."""
    first = found["first"]
    for name in ("second", "rounding again"):
        against = found.get("rounding") if name == "rounding again" else first
        if name in found and not _equal(found[name], against):
            return "unseeded", (
                f"two runs of the same code on the same machine printed {_quote(against)} and {_quote(found[name])}: random "
                "numbers without a seed, or the order of hashes and sets, which is new in every process"
            )
    if "rounding" in found and not _equal(found["rounding"], first):
        return "rounding", (
            f"with all of this processor's instructions two runs print {_quote(first)}, with fewer "
            f"{'two' if 'rounding again' in found else 'one'} {_quote(found['rounding'])}"
        )
    return "", ""


def _equal(one: str | None, other: str | None) -> bool:
    return one == other or (one is not None and other is not None and compare(one, other) == "same")


def _quote(text: str | None) -> str:
    return "nothing" if text is None else text


def _explain_failed(place: int, published: Sequence[CodeCell], run: Run, network: bool) -> tuple[str, str]:
    cell = run.cells[place]
    if cell.failure:
        return explain_failure(run.cells, place, published[place].failure, network=network, stopped=run.stopped)
    last = find_failure(run.cells)
    if last is None or run.stopped.startswith("it "):
        return "time or memory", f"the run did not come to this cell: {run.stopped or 'it was ended'}"
    stop = max(at for at, other in enumerate(run.cells) if other.failure)
    cause, evidence = explain_failure(run.cells, stop, None, network=network, stopped=run.stopped)
    return cause, f"the run ended in code cell {stop + 1}, before this one: {evidence}"


def _explain_fixed(
    number: Number, published: Sequence[CodeCell], runs: Mapping[str, Run], order: str, python: str
) -> tuple[str, str]:
    """Return cause and evidence of a number that all runs print alike, and otherwise than it was."""
    first = runs["first"]
    if program := find_missing_program(first.cells[number.cell].pieces):
        return "missing program", f"the shell said that there is no {program}"
    for place, (cell, saved) in enumerate(zip(first.cells[: number.cell + 1], published, strict=False)):
        if cell.failure and not (saved.failure and saved.failure.name == cell.failure.name):
            return (
                "after an earlier error",
                f"{cell.failure.name} in code cell {place + 1}, which the saved notebook does not have",
            )
    if order and "saved order" not in runs:
        return "order of execution", order
    ran = first.environment.get("python", "")
    packages = ", ".join(f"{name} {version}" for name, version in _list_packages(published, first).items())
    now = f"now Python {ran}{', ' + packages if packages else ''}"
    if python and ran and python.split(".")[:2] != ran.split(".")[:2]:
        return "versions", f"what is left: all runs print the same, and it was saved with Python {python}; {now}"
    return (
        "unexplained",
        f"all runs print the same, in the order of the cells; what it was saved with is not known, {now}",
    )


def _list_packages(published: Sequence[CodeCell], run: Run) -> dict[str, str]:
    """Return the versions of what the notebook imports itself."""
    code = "\n".join(cell.source for cell in published)
    named = {name.partition(".")[0] for name in re.findall(r"^\s*(?:import|from)\s+([\w.]+)", code, re.MULTILINE)}
    known = {name.casefold(): version for name, version in run.environment.get("distributions", {}).items()}
    names = sorted({name_distribution(name).casefold() for name in named})
    return {name: known[name] for name in names if name in known}


def _try_order(entry: Entry, order: str) -> Entry:
    """Where a run in the order of the counts printed the number, that is the cause, whatever else seemed to be."""
    tried = entry.found.get("saved order")
    if tried is None:
        return entry
    verdict = compare(entry.number.text, tried)
    if verdict == "same":
        return replace(
            entry, cause="order of execution", evidence=f"run in the order of the counts, it is {tried}; {order}"
        )
    return entry


def _try_dated(entry: Entry, published: Sequence[CodeCell], runs: Mapping[str, Run], month: str, python: str) -> Entry:
    """Where the run with the packages of a month printed the number, versions are the cause of what was not explained."""
    if "dated" not in runs or entry.cause in ("", "unseeded", "rounding", "order of execution"):
        return entry
    tried = entry.found["dated"]
    evidence = f"with what there was at the end of {month} it is {_quote(tried)}"
    if has_come_back(entry):
        changed = find_changed(published, runs["dated"], runs["first"])
        evidence += _describe_newer(entry, runs) or f": {_describe(changed)}"
        if entry.cause in ("versions", "unexplained"):
            return replace(entry, cause="versions", evidence=evidence)
    elif entry.cause == "versions" and python.split(".")[:2] == runs["dated"].environment["python"].split(".")[:2]:
        return replace(entry, cause="unexplained", evidence=f"all runs of today print the same; {evidence}")
    return replace(entry, evidence=f"{entry.evidence}; {evidence}")


def has_come_back(entry: Entry) -> bool:
    """Tell whether a number that is not the same today is, with the packages of a month."""
    return (
        entry.is_judged and entry.verdict != "same" and compare(entry.number.text, entry.found.get("dated")) == "same"
    )


def _describe_newer(entry: Entry, runs: Mapping[str, Run]) -> str:
    """Say with which newer package alone it is as it is today; nothing where no such run was made."""
    tried = [name for name in runs if name.startswith(NEWER)]
    alike = [name for name in tried if _is_as_today(entry, runs, name)]
    told = [
        f"{package} ({runs[name].environment['distributions'][package]})"
        for name in alike
        for package in [name.removeprefix(NEWER)]
    ]
    if told:
        return f", and with a newer {' or '.join(told)} alone it is as it is today"
    return "; which package it was did not show, for with no newer one alone is it as it is today" if tried else ""


def _is_as_today(entry: Entry, runs: Mapping[str, Run], name: str) -> bool:
    """Tell whether a run prints what today's prints, or fails as it does: later versions word the rest of an error anew."""
    now, tried = entry.found["first"], entry.found[name]
    if now is not None or tried is not None:
        return _equal(now, tried)
    cells = [runs[each].cells[entry.number.cell] for each in ("first", name)]
    ends = [(cell.reached, cell.failure and (cell.failure.name, cell.failure.message.split("\n")[0])) for cell in cells]
    return ends[0] == ends[1]


def find_changed(published: Sequence[CodeCell], run: Run, today: Run) -> dict[str, tuple[str, str | None]]:
    """Return the versions that a run has and today's, of Python and of what the notebook imports itself, where they differ."""
    known, now = (
        {"Python": ran.environment.get("python", "")} | _list_packages(published, ran) for ran in (run, today)
    )
    return {name: (version, now.get(name)) for name, version in known.items() if version != now.get(name)}


def describe_versions(published: Sequence[CodeCell], run: Run, today: Run) -> str:
    """Say which versions a run has that are others today."""
    return _describe(find_changed(published, run, today))


def _describe(changed: Mapping[str, tuple[str, str | None]]) -> str:
    told = [f"{name} {version}, now {now or 'none'}" for name, (version, now) in changed.items()]
    return "; ".join(told) or "the versions of today"


def describe_order(cells: Sequence[CodeCell]) -> str:
    """Say how the saved counts depart from one run from top to bottom; an empty text where they do not."""
    counted = [(place + 1, cell.count) for place, cell in enumerate(cells) if cell.count is not None]
    for (place, count), (following, later) in pairwise(counted):
        if later <= count:
            return f"code cell {following} has the count [{later}], and ran before code cell {place}, [{count}]"
    filled = sum(bool(cell.source.strip()) for cell in cells)
    if counted and (counted[-1][1] != len(counted) or len(counted) != filled):
        return (
            f"the counts go up to [{counted[-1][1]}] in {filled} code cells, of which {len(counted)} have one: some ran more "
            "than once, or were changed or deleted"
        )
    return ""


def find_saved_order(cells: Sequence[CodeCell]) -> list[int] | None:
    """Return the code cells in the order of their counts; None where that is their own."""
    counted = [place for place, cell in enumerate(cells) if cell.count is not None]
    ordered = sorted(counted, key=lambda place: cells[place].count or 0)
    return ordered if ordered != counted else None
