"""Compares two runs of one study under two rounding contexts: which conclusions stand under both, and which figures moved.

Both runs are judged anew from the cells that can be compared, by one code; so what differs comes from rounding alone. What is
found is kept beside the first run's plan, with the digests of the results that it speaks of.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any

from gradlab.engine.claims import conclude, find_errata
from gradlab.engine.ledger import Entry, build_ledger
from gradlab.engine.manifest import digest_content
from gradlab.engine.material import gather_material, list_comparisons
from gradlab.engine.plan import find_studies
from gradlab.engine.results import CellResult, load_plan, load_results
from gradlab.engine.rounding import list_facts
from gradlab.engine.study import Study
from gradlab.engine.verify import (
    Comparison,
    RepeatabilityError,
    ask,
    compare_studies,
    read_comparisons,
    write_comparisons,
)
from gradlab.files import save_json, sha256

ROBUSTNESS = "rounding.json"
WORDS = {1: "higher", -1: "lower", 0: "no difference detected", None: "not computed"}
_NAMED = 5  # figures that moved before "and 7 more"


@dataclass(frozen=True)
class Pair:
    """What both runs say of one thing of a study, in plain JSON; None where one says nothing."""

    study: str
    name: str
    first: Any
    second: Any

    @property
    def changed(self) -> bool:
        """Whether the runs say different things."""
        return bool(self.first != self.second)


@dataclass(frozen=True)
class Robustness:
    """What two runs under two rounding contexts have in common.

    Attributes
    ----------
    cells
        The comparison of every cell, see `gradlab.engine.verify`.
    judges
        The digest of each study's claims and published figures.
    comparisons
        What conclusions rest on: of each its direction, interval and more, see `gradlab.engine.material.list_comparisons`.
    verdicts
        Those of published figures, logs and errata.
    values
        Our values of published figures, over several seeds their means, those that moved most first.
    conclusions
        The sentences.
    """

    cells: Mapping[str, Comparison]
    judges: Mapping[str, str]
    comparisons: Sequence[Pair]
    verdicts: Sequence[Pair]
    values: Sequence[Pair]
    conclusions: Sequence[Pair]

    @cached_property
    def compared(self) -> dict[str, Comparison]:
        """The cells that ran in both contexts."""
        return {name: comparison for name, comparison in self.cells.items() if not comparison.reason}

    @property
    def contexts(self) -> tuple[str, str]:
        """What each run was asked for, in words."""
        pair = next(iter(self.compared.values()))
        first, second = (run["rounding"].get("asked") or "all that the processor has" for run in pair.runs)
        return first, second

    @property
    def facts(self) -> dict[str, tuple[str, str]]:
        """What was measured of each library in both runs, by its name and property."""
        found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
        for comparison in self.compared.values():
            for place, run in enumerate(comparison.runs):
                for library, name, value in list_facts(run["rounding"].get("measured", {})):
                    found.setdefault(f"{library} {name}", ({}, {}))[place][str(value)] = None
        return {name: (" or ".join(pair[0]), " or ".join(pair[1])) for name, pair in found.items()}

    def find_stale(self, results: Mapping[str, CellResult], studies: Mapping[str, Study]) -> list[str]:
        """Return the cells and studies of which it no longer speaks: results, or what judges them, have changed since."""
        cells = [name for name, comparison in self.compared.items() if not _holds(comparison, results.get(name))]
        return cells + [name for name, digest in digest_judges(studies).items() if self.judges.get(name) != digest]


def _holds(comparison: Comparison, cell: CellResult | None) -> bool:
    return cell is not None and cell.status == "done" and comparison.holds_for(cell)


def stand(pair: Pair) -> str:
    """Say of a comparison whether it stands: `stands`, `changed` or `not compared`."""
    directions = [side and side["direction"] for side in (pair.first, pair.second)]
    if None in directions:
        return "not compared"
    return "stands" if directions[0] == directions[1] else "changed"


def compare_roundings(first_plan: Path, second_plan: Path) -> Robustness:
    """Compare two runs; only cells that ran with the same parameters, code and data in both count.

    Raises
    ------
    RepeatabilityError
        Nothing can be compared, or both runs have one context.
    PlanError
        A plan cannot be read.
    """
    cells = compare_studies(first_plan, second_plan, whole=True)
    studies = find_studies(load_plan(first_plan))
    found = Robustness(cells, digest_judges(studies), (), (), (), ())
    if not found.compared:
        reasons = "; ".join(dict.fromkeys(comparison.reason for comparison in cells.values()))
        raise RepeatabilityError(f"no cell can be compared in {first_plan} and {second_plan}: {reasons}")
    if all(first == second for first, second in found.facts.values()):
        raise RepeatabilityError(
            f"{first_plan} and {second_plan} have one rounding context: run one of them with another, as `make verify "
            "ROUNDING=avx2` does"
        )
    sides = [_judge_run(plan, studies, found.compared) for plan in (first_plan, second_plan)]
    parts: dict[str, Any] = {part: list(_pair(*(side[part] for side in sides))) for part in sides[0]}
    parts["values"].sort(key=lambda pair: -_move(pair.first, pair.second))
    return replace(found, **parts)


def digest_judges(studies: Mapping[str, Study]) -> dict[str, str]:
    """Return a digest of what judges the results of each study: its claims and published figures."""
    files = {
        name: [study.published.parent / "claims.py", *sorted(study.published.rglob("*.*"))]
        for name, study in studies.items()
    }
    return {name: digest_content([sha256(file) for file in own if file.is_file()]) for name, own in files.items()}


def _judge_run(
    plan: Path, studies: Mapping[str, Study], counted: Iterable[str]
) -> dict[str, dict[tuple[str, str], Any]]:
    """Return what a run says, of every part of `Robustness`, by study and name."""
    results = {
        name: cell if name in counted else replace(cell, manifest=None, outdated=(), log=Path(cell.directory, "none"))
        for name, cell in load_results(plan, look_up_inputs=False).items()
    }
    ledger = build_ledger(results, studies, root=plan.parent)
    materials = gather_material(studies, results, ledger)
    verdicts = {(item.study, item.id): item.verdict for item in ledger.judged}
    verdicts |= {
        (erratum.study, f"erratum: {erratum.title}"): erratum.verdict for erratum in find_errata(materials.values())
    }
    return {
        "comparisons": {(item.pop("study"), item.pop("name")): item for item in list_comparisons(materials.values())},
        "verdicts": {key: verdict for key, verdict in verdicts.items() if verdict != "not run"},
        "values": {
            (entry.study, entry.id): value for entry in ledger.figures if (value := _value_of(entry)) is not None
        },
        "conclusions": {
            (study, conclusion.name): conclusion.text
            for study, material in materials.items()
            for conclusion in conclude(material)
        },
    }


def _value_of(entry: Entry) -> float | None:
    values = entry.reproduced if isinstance(entry.reproduced, list) else [entry.reproduced]
    known = [value for value in values if isinstance(value, int | float) and isfinite(value)]
    return fmean(known) if known and entry.verdict != "not run" else None


def _pair(first: Mapping[tuple[str, str], Any], second: Mapping[tuple[str, str], Any]) -> Iterator[Pair]:
    for key in dict.fromkeys([*first, *second]):
        yield Pair(*key, first.get(key), second.get(key))


def _move(first: float | None, second: float | None) -> float:
    """Return how far a value moved, as a share of itself."""
    if first is None or second is None or first == second:
        return 0.0
    return abs(first - second) / max(abs(first), abs(second))


_PARTS = ("comparisons", "verdicts", "values", "conclusions")


def save_robustness(found: Robustness, file: Path) -> None:
    """Write what was found."""
    parts = {part: [asdict(pair) for pair in getattr(found, part)] for part in _PARTS}
    save_json(file, {**write_comparisons(found.cells), "judges": found.judges, **parts})


def load_robustness(file: Path) -> Robustness | None:
    """Return what `save_robustness` wrote; None where there is no such file.

    Raises
    ------
    RepeatabilityError
        The file is damaged.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        parts = {part: [Pair(**pair) for pair in content[part]] for part in _PARTS}
        found = Robustness(read_comparisons(content), dict(content["judges"]), **parts)
        for pair in found.comparisons:
            stand(pair)
        return found if found.contexts else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration):
        raise RepeatabilityError(f"{file} cannot be read; `make verify ROUNDING=…` writes it anew") from None


def print_side(side: Mapping[str, Any] | None) -> str:
    """Return a comparison of one run: what it says of the first arm, with its interval or p-value."""
    if side is None:
        return "not run"
    if interval := side["interval"]:
        digits = 4 if max(map(abs, interval)) < 1 else 1
        return f"{WORDS[side['direction']]} [{interval[0]:+.{digits}f}, {interval[1]:+.{digits}f}]"
    p_value = side.get("p_value")
    return WORDS[side["direction"]] + (f" (p = {p_value:.2g})" if p_value is not None else "")


def count_standing(found: Robustness) -> str:
    """Say how many comparisons, verdicts, values and cells are the same in both contexts."""
    verdicts = [stand(pair) for pair in found.comparisons]
    both = [pair for pair in found.values if None not in (pair.first, pair.second)]
    moved = sum(pair.changed for pair in both)
    words = sum(pair.changed for pair in found.verdicts)
    same = sum(comparison.verdict == "same" for comparison in found.compared.values())
    return (
        f"of the comparisons that conclusions rest on, {verdicts.count('stands')} of {len(verdicts)} stand, "
        f"{verdicts.count('changed')} changed, {verdicts.count('not compared')} not compared; of the verdicts, {words} of "
        f"{len(found.verdicts)} changed; of our values of published figures, {moved} of {len(both)} moved; of the cells, "
        f"{same} of {len(found.compared)} have the same bytes"
    )


def describe_robustness(found: Robustness) -> Iterator[str]:
    """Yield what was found in lines: the contexts, the counts, and each comparison and verdict that changed."""
    first, second = found.contexts
    yield f"rounding by {first}, and by {second}: {count_standing(found)}"
    for name, (one, other) in found.facts.items():
        if one != other:
            yield f"measured: {name} {one} and {other}"
    for pair in found.comparisons:
        if stand(pair) == "changed":
            yield f"changed: {pair.study}, {pair.name}: {print_side(pair.first)}; now {print_side(pair.second)}"
    for pair in found.verdicts:
        if pair.changed:
            yield f"verdict: {pair.study}, {pair.name}: {pair.first}; now {pair.second}"
    for pair in found.values[:_NAMED]:
        if pair.changed:
            yield f"moved: {pair.study}, {pair.name}: {pair.first} and {pair.second}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare two runs: 1 where a comparison that conclusions rest on changed, and where an error keeps from it."""
    about = (
        f"Compare two runs of a study under two rounding contexts; it is kept in {ROBUSTNESS} beside the first plan."
    )
    found = ask(arguments, compare_roundings, save_robustness, ROBUSTNESS, prog="gradlab robustness", description=about)
    if found is None:
        return 1
    for line in describe_robustness(found):
        print(line)
    return int(any(stand(pair) == "changed" for pair in found.comparisons))
