"""Compares two runs of one study cell by cell: do the same notebooks with the same parameters write the same bytes again?

The comparison is kept beside the first run's plan. It holds the digests that were compared, so a reader can tell later whether
it still speaks of the results that lie there. It says nothing of when it was made: the same two runs give the same bytes.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from gradlab.engine.results import CellResult, PlanError, load_results
from gradlab.engine.rounding import list_facts
from gradlab.engine.study import OUTPUT
from gradlab.files import remedy_of, save_json

COMPARISON = "repeatability.json"
VERDICTS = ("same", "differs", "not compared")
# It tells when it ran; all else that a cell writes is a result.
_NOTEBOOK = "notebook.ipynb"
# What a comparison keeps of a run's manifest.
_FACTS = ("started", "wall_seconds", "machine", "rounding", "versions", "git")
_NAMED = 3  # files, cells or values before "and 7 more"


class RepeatabilityError(RuntimeError):
    """Two runs cannot be compared, or a comparison cannot be read; the message says why, and what to do."""


@dataclass(frozen=True)
class MetricDifference:
    """The first metric that differs: its name, with the place in a list as `name[2]`, and both values, None where absent."""

    name: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Comparison:
    """What two runs of one cell have in common.

    Attributes
    ----------
    reason
        Why the runs were not compared; empty where they were.
    first, second
        When and for how long each ran, machine, rounding context, versions and commit, as in its manifest; None where it is
        not done.
    digests
        SHA-256 in the first and in the second run of every file that either wrote but the executed notebook, by name; None
        where a run did not write it. Empty where the runs were not compared.
    metric
        The first metric that differs; None where none does.
    """

    reason: str = ""
    first: Mapping[str, Any] | None = None
    second: Mapping[str, Any] | None = None
    digests: Mapping[str, tuple[str | None, str | None]] | None = None
    metric: MetricDifference | None = None

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        if self.reason:
            return "not compared"
        return "differs" if self.differing else "same"

    @property
    def differing(self) -> list[str]:
        """The files that differ."""
        return [name for name, (first, second) in (self.digests or {}).items() if first != second]

    @property
    def runs(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Both runs, where they were compared."""
        assert self.first is not None and self.second is not None
        return self.first, self.second

    @property
    def date(self) -> str:
        """The day, in UTC, on which the later of both runs started."""
        started: list[str] = [run["started"] for run in self.runs]
        return max(started, key=datetime.fromisoformat)[:10]

    @property
    def other_setup(self) -> list[str]:
        """In what else than the results the two runs differ: machine, threads, instructions and versions, a phrase each."""
        facts = []
        for run in self.runs:
            machine = {
                name: run["machine"].get(key)
                for name, key in (("processor", "cpu"), ("system", "system"), ("threads", "threads"))
            }
            gpu = run["machine"].get("gpu") or "none"
            taken = {
                f"{library} {name}": value for library, name, value in list_facts(run["rounding"].get("measured", {}))
            }
            facts.append(machine | {"GPU": gpu} | taken | run["versions"])
        return [
            f"{name} {facts[0].get(name)} and {facts[1].get(name)}"
            for name in dict.fromkeys([*facts[0], *facts[1]])
            if facts[0].get(name) != facts[1].get(name)
        ]

    def holds_for(self, cell: CellResult) -> bool:
        """Whether the first run wrote what lies in the cell's directory now, by the digests of its manifest."""
        first = {name: digest for name, (digest, _) in (self.digests or {}).items() if digest is not None}
        return not self.reason and first == _results_of(cell)


def compare_studies(first_plan: Path, second_plan: Path, *, whole: bool = False) -> dict[str, Comparison]:
    """Compare every cell of a study with that of a second run.

    The runs may come from two folders, clones or machines. Whether they had the same code and data is decided by the digests
    in both manifests; files of the working directory have no say.

    Parameters
    ----------
    first_plan, second_plan
        The plans, beside which the results lie.
    whole
        Whether a cell is compared even where the results that it reads differ: what differs in it may come from there.

    Returns
    -------
    dict
        A comparison for every cell of the first plan.

    Raises
    ------
    RepeatabilityError
        Both are the same study, or there is no second one.
    PlanError
        A plan cannot be read.
    """
    if not second_plan.exists():
        raise RepeatabilityError(
            f"there is no plan {second_plan}, so no second run to compare with; `make verify` makes one, or "
            f"`snakemake --cores all --config results={second_plan.parent}`"
        )
    if first_plan.exists() and first_plan.parent.samefile(second_plan.parent):
        raise RepeatabilityError(
            f"{first_plan} and {second_plan} lie in one folder; name the plan of a second run, made with "
            f"`snakemake --cores all --config results={first_plan.parent}/again`"
        )
    first, second = (load_results(plan, look_up_inputs=False) for plan in (first_plan, second_plan))
    return {name: compare_cells(cell, second.get(name), whole=whole) for name, cell in first.items()}


def compare_cells(first: CellResult, second: CellResult | None, *, whole: bool = False) -> Comparison:
    """Compare two runs of a cell, see `compare_studies`; the second is None where its study does not plan it."""
    one, other = (None if cell is None or cell.status != "done" else _facts_of(cell) for cell in (first, second))
    reason = _find_obstacle(first, second, whole)
    if reason or second is None:
        return Comparison(reason, one, other)
    digests = [_results_of(cell) for cell in (first, second)]
    names = sorted({*digests[0], *digests[1]})
    return Comparison(
        "",
        one,
        other,
        digests={name: (digests[0].get(name), digests[1].get(name)) for name in names},
        metric=find_difference(first.metrics, second.metrics),
    )


def find_difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> MetricDifference | None:
    """Return the first metric, by name, that is not the same in two runs; None where all are."""
    for name in sorted({*first, *second}):
        one, other = first.get(name), second.get(name)
        if name in first and name in second and _same(one, other):
            continue
        if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
            place = next(place for place, pair in enumerate(zip(one, other, strict=True)) if not _same(*pair))
            return MetricDifference(f"{name}[{place}]", one[place], other[place])
        return MetricDifference(name, one, other)
    return None


def _same(one: Any, other: Any) -> bool:
    """Whether two values of JSON are written alike: 0.0 and -0.0, or 1 and True, are equal and are not."""
    return json.dumps(one) == json.dumps(other)


def _find_obstacle(first: CellResult, second: CellResult | None, whole: bool) -> str:
    """Say why two runs of a cell do not tell whether it repeats; an empty text where they do."""
    if second is None:
        return "the second study does not plan it"
    for number, cell in (("first", first), ("second", second)):
        if cell.status != "done":
            state = "failed" if cell.status == "failed" else f"is {cell.status}"
            return f"the {number} run {state}" + (f": {'; '.join(cell.outdated)}" if cell.outdated else "")
    if first.run["outputs"].get(_NOTEBOOK) == second.run["outputs"].get(_NOTEBOOK) is not None:
        return "both folders hold the same run: one is a copy of the other"
    parameters = [dict(cell.parameters) for cell in (first, second)]
    other = [
        f"{name} {parameters[0].get(name, 'not given')} and {parameters[1].get(name, 'not given')}"
        for name in sorted({*parameters[0], *parameters[1]})
        if parameters[0].get(name, "not given") != parameters[1].get(name, "not given")
    ]
    if other:
        return f"the parameters differ: {_shorten(other)}"
    inputs = [_inputs_of(cell, whole) for cell in (first, second)]
    other = [name for name in sorted({*inputs[0], *inputs[1]}) if inputs[0].get(name) != inputs[1].get(name)]
    return f"what went in differs: {_shorten(other)}" if other else ""


def _results_of(cell: CellResult) -> dict[str, str]:
    return {name: digest for name, digest in cell.run["outputs"].items() if name != _NOTEBOOK}


def _facts_of(cell: CellResult) -> dict[str, Any]:
    return {name: cell.run[name] for name in _FACTS}


def _inputs_of(cell: CellResult, whole: bool) -> dict[str, str]:
    """Return the digests of what went into a cell, under names that are the same in every folder; of a whole, no results."""
    output = PurePosixPath(cell.run["parameters"][OUTPUT])
    results = output.parents[cell.name.count("/")] if output.match(cell.name) else None
    inputs = {}
    for path, digest in cell.run["inputs"].items():
        place = PurePosixPath(path)
        if place.name == "dataset.json":
            place = PurePosixPath(*place.parts[-2:])
        elif results is not None and place.is_relative_to(results):
            if whole:
                continue
            place = place.relative_to(results)
        inputs[str(place)] = digest
    return inputs


def _shorten(items: Sequence[str]) -> str:
    return ", ".join(items[:_NAMED]) + (f" and {len(items) - _NAMED} more" if len(items) > _NAMED else "")


def save_comparisons(comparisons: Mapping[str, Comparison], file: Path) -> None:
    """Write comparisons by the names of their cells."""
    save_json(file, write_comparisons(comparisons))


def write_comparisons(comparisons: Mapping[str, Comparison]) -> dict[str, Any]:
    """Return comparisons as JSON can hold them."""
    return {"cells": {name: _as_json(comparison) for name, comparison in comparisons.items()}}


def read_comparisons(content: Mapping[str, Any]) -> dict[str, Comparison]:
    """Return comparisons that `write_comparisons` wrote; any error where they are not whole."""
    return {name: _from_json(**cell) for name, cell in content["cells"].items()}


def _as_json(comparison: Comparison) -> dict[str, Any]:
    files = {
        name: {"same": first == second, "first": first, "second": second}
        for name, (first, second) in (comparison.digests or {}).items()
    }
    metric = comparison.metric
    return {
        "verdict": comparison.verdict,
        "reason": comparison.reason,
        "first": comparison.first,
        "second": comparison.second,
        "files": files,
        "metric": metric and {"name": metric.name, "first": metric.first, "second": metric.second},
    }


def load_comparisons(file: Path) -> dict[str, Comparison]:
    """Return comparisons that `save_comparisons` wrote; none where there is no such file.

    Raises
    ------
    RepeatabilityError
        The file is damaged.
    """
    try:
        return read_comparisons(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise RepeatabilityError(f"{file} cannot be read; `make verify` writes it anew") from None


def _from_json(
    *,
    verdict: str,
    reason: str,
    first: Mapping[str, Any] | None,
    second: Mapping[str, Any] | None,
    files: Mapping[str, Any],
    metric: Mapping[str, Any] | None,
) -> Comparison:
    digests = {name: (pair["first"], pair["second"]) for name, pair in files.items()}
    found = Comparison(reason, first, second, digests, MetricDifference(**metric) if metric else None)
    complete = reason or (first and second and found.date and set(_FACTS) <= first.keys() & second.keys())
    if not complete or found.verdict != verdict:
        raise ValueError("the parts of a comparison are not all there, or contradict one another")
    return found


@dataclass(frozen=True)
class Repeat:
    """What is known of a second run of a complete cell.

    Attributes
    ----------
    state
        `same` or `differs`; `changed`, where the cell's results are not those that were compared; or `none`.
    text, short
        The same in words, with the day and without.
    comparison
        The comparison, where the cell's results are those that were compared.
    """

    state: str
    text: str
    short: str
    comparison: Comparison | None = None


def judge_repeats(results: Mapping[str, CellResult], comparisons: Mapping[str, Comparison]) -> dict[str, Repeat]:
    """Say of every complete cell whether it was run a second time, and with what result; of none without a comparison."""
    if not comparisons:
        return {}
    return {
        name: _judge(cell, comparisons.get(name, Comparison("no comparison")))
        for name, cell in results.items()
        if cell.status == "done"
    }


def _judge(cell: CellResult, comparison: Comparison) -> Repeat:
    if comparison.reason:
        return Repeat("none", "not repeated", "not repeated")
    if not comparison.holds_for(cell):
        return Repeat("changed", "not repeated since it changed", "not repeated since it changed")
    files = comparison.differing
    outcome = f"{_shorten(files)} {'differs' if len(files) == 1 else 'differ'}" if files else "same bytes"
    state = "differs" if files else "same"
    return Repeat(state, f"repeated on {comparison.date}: {outcome}", f"repeated: {outcome}", comparison)


def describe_comparisons(comparisons: Mapping[str, Comparison]) -> Iterator[str]:
    """Yield what was found in lines: the counts, each cell that differs, and the reasons why cells were not compared."""
    counts = Counter(comparison.verdict for comparison in comparisons.values())
    differ = "differs" if counts["differs"] == 1 else "differ"
    yield (
        f"{counts['same']} of {len(comparisons)} cells have the same bytes in both runs, {counts['differs']} {differ}, "
        f"{counts['not compared']} not compared"
    )
    reasons: dict[str, list[str]] = {}
    for name, comparison in comparisons.items():
        if comparison.reason:
            reasons.setdefault(comparison.reason, []).append(name)
        elif comparison.differing:
            yield f"{name}: {'; '.join(_explain(comparison))}"
    for reason, names in reasons.items():
        yield f"not compared: {_shorten(names)}: {reason}"


def _explain(comparison: Comparison) -> Iterator[str]:
    yield f"{', '.join(comparison.differing)} {'differs' if len(comparison.differing) == 1 else 'differ'}"
    if metric := comparison.metric:
        yield f"the first metric that differs is {metric.name}, {metric.first!r} and {metric.second!r}"
    if setup := comparison.other_setup:
        yield f"the setup differs too, {', '.join(setup)}"


def ask(
    arguments: Sequence[str] | None,
    compare: Callable[[Path, Path], Any],
    save: Callable[[Any, Path], None],
    file: str,
    *,
    prog: str,
    description: str,
) -> Any:
    """Compare the runs whose plans the command line names, and save what is found beside the first; None after an error."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("plan", type=Path, help="the plan of the study, beside which its results lie")
    parser.add_argument("again", type=Path, help="the plan of a second run, in another folder")
    options = parser.parse_args(arguments)
    target = options.plan.parent / file
    try:
        found = compare(options.plan, options.again)
        save(found, target)
    except (PlanError, RepeatabilityError) as error:
        print(f"gradlab: {error}", file=sys.stderr)
        return None
    except OSError as error:
        print(f"gradlab: {target} cannot be made: {error}; {remedy_of(error)}", file=sys.stderr)
        return None
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare two runs: 1 where a cell differs, where nothing could be compared, and where an error keeps from it."""
    about = f"Compare two runs of a study byte by byte; what is found is kept in {COMPARISON} beside the first plan."
    comparisons = ask(
        arguments, compare_studies, save_comparisons, COMPARISON, prog="gradlab verify", description=about
    )
    if comparisons is None:
        return 1
    for line in describe_comparisons(comparisons):
        print(line)
    verdicts = {comparison.verdict for comparison in comparisons.values()}
    return 0 if "same" in verdicts and "differs" not in verdicts else 1
