"""What is computed from what: the cells of a study in kinds, its data sets and its report, as a small graph."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import networkx as nx

from gradlab.families import Family, family_of, group_families, label_family
from gradlab.results import CellResult
from gradlab.runs import find_sources
from gradlab.text import print_time

ROLES = ("data", "cells", "report")
STATES = ("done", "stale", "failed", "missing")
_NAMED = 4  # a label names at most so many parts


@dataclass(frozen=True)
class Kind:
    """One node of the graph of jobs: cells that do the same, a data set, or the report.

    Attributes
    ----------
    role
        One of `ROLES`.
    name
        What tells it from all others: its first cell, the folder of a data set, or `report`.
    label
        What a reader sees: `coarse-0 … 7`, `none, train, test, both`, `cifar10`.
    study, protocol
        Of the cells; empty for a data set and the report.
    cells
        How many cells it stands for: none for a data set, all for the report.
    done, stale, failed, missing
        How many of these are in each state, see `gradlab.results.CellResult.status`.
    seconds
        Wall time that its done cells took, one after the other.
    """

    role: str
    name: str
    label: str
    study: str = ""
    protocol: str = ""
    cells: int = 0
    done: int = 0
    stale: int = 0
    failed: int = 0
    missing: int = 0
    seconds: float = 0.0


def group_jobs(results: Mapping[str, CellResult]) -> nx.DiGraph:
    """Return the graph of a study: `Kind`s as nodes, an edge from each to what reads it.

    Cells of one study and protocol are one kind where their names differ in a trailing number alone; where they read the
    same kinds and are read by the same; and where they read one another in turn, so that the graph has no cycle. Every kind
    of cells has an edge to the report. The work is linear in the number of cells and of what they read.

    Parameters
    ----------
    results
        The planned cells, see `gradlab.results.load_results`. A cell reads the data set `data`, the results of the cell
        `search`, and those of the cells `runs` among its parameters.

    Raises
    ------
    ValueError
        Where a cell reads results that no planned cell writes.
    """
    families = group_families(results.values())
    # What reads what, among families and folders of data sets; a family may read itself.
    reads = nx.DiGraph()
    reads.add_nodes_from(families)
    for family, members in families.items():
        for result in members:
            reads.add_edges_from((source, family) for source in _sources_of(result, results))
    kind_of = _merge(families, nx.condensation(reads))
    for folder in reads.nodes - families.keys():
        kind_of[folder] = Kind("data", folder, PurePosixPath(folder).name)
    kinds = list(dict.fromkeys(kind_of[node] for node in reads))
    counts = {field: sum(getattr(kind, field) for kind in kinds) for field in ("cells", *STATES, "seconds")}
    report = Kind("report", "report", "report", **counts)
    graph = nx.DiGraph()
    graph.add_nodes_from([*kinds, report])
    graph.add_edges_from(
        (kind_of[source], kind_of[family]) for source, family in reads.edges if kind_of[source] != kind_of[family]
    )
    graph.add_edges_from((kind, report) for kind in kinds if kind.role == "cells")
    return graph


def _sources_of(result: CellResult, results: Mapping[str, CellResult]) -> list[Hashable]:
    """Return the folder of the data set that a cell reads, and the families of the cells that it reads."""
    data = result.parameters.get("data")
    return [*([data] if data else []), *(family_of(source) for source in find_sources(result, results))]


def _merge(families: Mapping[Family, Sequence[CellResult]], condensed: nx.DiGraph) -> dict[Hashable, Kind]:
    """Return the kind of every family: families that read one another in turn, or stand at the same place, are one."""
    component_of = condensed.graph["mapping"]
    places: dict[Hashable, list[Family]] = {}
    for family in families:
        component = component_of[family]
        place = (
            family.study,
            family.protocol,
            *(frozenset(near[component]) for near in (condensed.pred, condensed.succ)),
        )
        in_turn = len(condensed.nodes[component]["members"]) > 1
        places.setdefault(component if in_turn else place, []).append(family)
    kind_of: dict[Hashable, Kind] = {}
    for together in places.values():
        cells = [result for family in together for result in families[family]]
        kind_of.update(
            dict.fromkeys(together, _count(cells, _label({family: families[family] for family in together})))
        )
    return kind_of


def _label(families: Mapping[Family, Sequence[CellResult]]) -> str:
    """Return the labels of families, `clean, augmented: 0 … 2` where they have the same numbers."""
    labels = [label_family(members) for members in families.values()]
    numbers = {label.removeprefix(family.stem) for family, label in zip(families, labels, strict=True)}
    shared = len(labels) > 1 and len(numbers) == 1 and all(family.numbered and family.stem for family in families)
    parts = [family.stem.rstrip("-_.") for family in families] if shared else labels
    if len(parts) > _NAMED:
        parts = [*parts[: _NAMED - 1], f"{len(parts) - _NAMED + 1} more"]
        named = f"{', '.join(parts[:-1])} and {parts[-1]}"
    else:
        named = ", ".join(parts)
    return f"{named}: {numbers.pop()}" if shared else named


def _count(cells: Sequence[CellResult], label: str) -> Kind:
    states = [cell.status for cell in cells]
    done = [cell for cell, state in zip(cells, states, strict=True) if state == "done"]
    first, seconds = cells[0], sum(cell.manifest["wall_seconds"] for cell in done)
    counts = Counter(states)
    return Kind("cells", first.name, label, first.study, first.protocol, len(cells), seconds=seconds, **counts)


def describe_jobs(graph: nx.DiGraph) -> str:
    """Say a graph of `group_jobs` in three sentences: how many jobs of what, the longest chain, and what is not done."""
    kinds = [kind for kind in graph if kind.role == "cells"]
    data = [kind.label for kind in graph if kind.role == "data"]
    (report,) = (kind for kind in graph if kind.role == "report")
    studies = list(dict.fromkeys(kind.study for kind in kinds))
    counted = [
        f"{sum(kind.cells for kind in kinds if kind.study == study)} of {study.replace('_', ' ')}" for study in studies
    ]
    chain = [kind.label for kind in nx.dag_longest_path(graph)]
    sources = f", computed from {_count_words(len(data), 'data set')} ({', '.join(data)})" if data else ""
    undone = [f"{count} {state}" for state in ("failed", "missing", "stale") if (count := getattr(report, state))]
    if undone:
        state = f"Finished: {report.done} of {report.cells} ({', '.join(undone)})."
    else:
        state = f"All are done, in {print_time(report.seconds)} of one thread."
    return (
        f"{_count_words(report.cells, 'cell')} in {_count_words(len(kinds), 'kind')}{sources}: {', '.join(counted)}. "
        f"The longest chain has {_count_words(len(chain), 'step')}: {' → '.join(chain)}. {state}"
    )


def _count_words(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
