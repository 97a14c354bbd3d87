"""What the results cost and what they were made from: time, machine, versions, commit, seeds, data."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from gradlab.engine.results import CellResult, print_commit
from gradlab.engine.rounding import list_facts
from gradlab.engine.schedule import print_time
from gradlab.engine.study import Study
from gradlab.engine.verify import Comparison, Repeat
from gradlab.files import sha256
from gradlab.report.blocks import Cited, Table


def measure_cost(results: Mapping[str, CellResult], studies: Mapping[str, Study]) -> list[Table]:
    """Return the time that the complete cells took, by study and protocol, and when and where they ran."""
    done = [result for result in results.values() if result.status == "done"]
    if not done:
        return []
    rows = [_cost_row(study, protocol, cells) for (study, protocol), cells in _group_protocols(done, studies).items()]
    rows.append(_cost_row("all", "", done))
    started = [datetime.fromisoformat(result.run["started"]) for result in done]
    ended = [start + timedelta(seconds=result.run["wall_seconds"]) for start, result in zip(started, done, strict=True)]
    gpus = [gpu for r in done if (gpu := r.run["machine"].get("gpu"))]
    machine = [
        ["first cell started", f"{min(started):%Y-%m-%d %H:%M} UTC"],
        ["last cell ended", f"{max(ended):%Y-%m-%d %H:%M} UTC"],
        *_count_facts(
            {
                "processor": [f"{r.run['machine']['cpu']}, {r.run['machine']['cores']} cores" for r in done],
                "system": [r.run["machine"]["system"] for r in done],
                "threads of a cell": [str(r.run["machine"]["threads"]) for r in done],
            }
        ),
        *_count_facts({"GPU": gpus} | _collect_instructions(done)),
    ]
    header = ["Study", "Protocol", "Cells", "Time", "Longest cell", "Its time"]
    return [
        Table("Wall time of the cells, added up as if they had run one after the other", header, rows),
        Table("When and where they ran", ["", ""], machine),
    ]


def describe_provenance(results: Mapping[str, CellResult], studies: Mapping[str, Study]) -> list[Table]:
    """Return tables of the commit, the versions and the seeds behind the complete cells."""
    done = [result for result in results.values() if result.status == "done"]
    if not done:
        return []
    versions = [result.run["versions"] for result in done]
    facts = {
        "commit": [result.commit or "not in a repository" for result in done],
        **{
            name: [used[name] for used in versions if name in used]
            for name in sorted({name for used in versions for name in used}, key=str.lower)
        },
    }
    return [Table("Commit and versions", ["", ""], _count_facts(facts)), _list_seeds(done, studies)]


def describe_repeats(repeats: Mapping[str, Repeat], comparisons: Mapping[str, Comparison]) -> list[Table]:
    """Return tables of the second runs: when and where they ran, which cells differ, and why others were not compared.

    Parameters
    ----------
    repeats
        What is known of the second run of each complete cell, see `gradlab.engine.verify.judge_repeats`.
    comparisons
        The comparisons behind them.
    """
    held = {name: repeat.comparison for name, repeat in repeats.items() if repeat.comparison is not None}
    tables = []
    if held:
        started = [datetime.fromisoformat(comparison.runs[1]["started"]) for comparison in held.values()]
        facts = {
            "processor": [comparison.runs[1]["machine"]["cpu"] for comparison in held.values()],
            "commit": [
                print_commit(comparison.runs[1]["git"]) or "not in a repository" for comparison in held.values()
            ],
            "setup that differs": ["; ".join(comparison.other_setup) or "none" for comparison in held.values()],
        }
        about = [
            ["first cell started", f"{min(started):%Y-%m-%d %H:%M} UTC"],
            ["last cell started", f"{max(started):%Y-%m-%d %H:%M} UTC"],
            *_count_facts(facts),
        ]
        tables.append(Table("The second run", ["", ""], about))
    rows: list[list[Any]] = [
        [
            Cited(name, [name]),
            ", ".join(comparison.differing),
            *([metric.name, repr(metric.first), repr(metric.second)] if (metric := comparison.metric) else [None] * 3),
        ]
        for name, comparison in held.items()
        if comparison.differing
    ]
    if rows:
        header = ["Cell", "Files that differ", "First metric that differs", "First run", "Second run"]
        tables.append(Table("Cells whose second run wrote other bytes", header, rows))
    reasons: dict[str, list[str]] = {}
    for name in repeats:
        if name in comparisons and comparisons[name].reason:
            reasons.setdefault(comparisons[name].reason, []).append(name)
    if reasons:
        rows = [[reason, Cited(len(names), names)] for reason, names in reasons.items()]
        tables.append(Table("Why cells were not compared with a second run", ["Reason", "Cells"], rows))
    return tables


def describe_data(results: Mapping[str, CellResult], data: Path) -> list[dict[str, Any]]:
    """Return each prepared data set: `name`, the `digest` of its description, `current`, and its `table` of contents.

    The digest is the one that stands in the manifests of the cells; `current` says whether all complete cells that used the
    data set name it.
    """
    found = []
    for description in sorted(data.glob("*/dataset.json")):
        try:
            content = json.loads(description.read_text(encoding="utf-8"))
        except ValueError:
            content = {
                "name": description.parent.name,
                "content": {"dataset.json": "cannot be read; remove its folder"},
            }
        digest = sha256(description)
        used = {
            before
            for result in results.values()
            if result.manifest
            for path, before in result.run["inputs"].items()
            if path.endswith(f"{description.parent.name}/{description.name}")
        }
        rows = [[file, content_digest] for file, content_digest in content["content"].items()]
        found.append(
            {
                "name": content["name"],
                "id": description.parent.name,
                "file": description.as_posix(),
                "digest": digest,
                "used": bool(used),
                "current": used <= {digest},
                "table": Table(f"Content of {content['name']}", ["File", "Digest"], rows),
            }
        )
    return found


def _collect_instructions(cells: Sequence[CellResult]) -> dict[str, list[str]]:
    """Return what libraries took from the processor, or how they were built: a value of each cell that imported them."""
    taken: dict[str, list[str]] = {}
    for cell in cells:
        for library, name, value in list_facts(cell.run["rounding"].get("measured", {})):
            taken.setdefault(f"{library} {name}", []).append(str(value))
    return taken


def _cost_row(study: str, protocol: str, cells: Sequence[CellResult]) -> list[Any]:
    seconds = [cell.run["wall_seconds"] for cell in cells]
    longest = max(cells, key=lambda cell: cell.run["wall_seconds"])
    return [
        study,
        protocol,
        len(cells),
        print_time(sum(seconds)),
        Cited(longest.cell, [longest.name]),
        print_time(max(seconds)),
    ]


def _count_facts(facts: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Return a row for every value of every fact, with the number of cells where they do not all share it."""
    return [
        [name, value if count == len(values) else f"{value} ({count} {'cell' if count == 1 else 'cells'})"]
        for name, values in facts.items()
        for value, count in Counter(values).items()
    ]


def _group_protocols(
    cells: Sequence[CellResult], studies: Mapping[str, Study]
) -> dict[tuple[str, str], list[CellResult]]:
    """Return cells by their study's name and their protocol."""
    groups: dict[tuple[str, str], list[CellResult]] = {}
    for cell in cells:
        groups.setdefault((studies[cell.study].short, cell.protocol), []).append(cell)
    return groups


def _list_seeds(done: Sequence[CellResult], studies: Mapping[str, Study]) -> Table:
    """Return the seeds of every study and protocol; one that fixes its seed in the replayed notebook has none here."""
    rows = []
    for (study, protocol), cells in _group_protocols(done, studies).items():
        seeds = {seed for cell in cells for seed in cell.planned.replicates}
        rows.append([study, protocol, _print_numbers(seeds) or "those of the notebook"])
    return Table("Seeds", ["Study", "Protocol", "Seeds"], rows)


def _print_numbers(numbers: set[int]) -> str:
    """Return numbers in their order; more than five that follow one another as `0 … 9`."""
    # What follows one another has the same distance to its place in the order.
    places = groupby(enumerate(sorted(numbers)), lambda item: item[1] - item[0])
    runs = [[number for _, number in run] for _, run in places]
    return ", ".join(f"{run[0]} … {run[-1]}" if len(run) > 5 else ", ".join(map(str, run)) for run in runs)
