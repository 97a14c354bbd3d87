"""The graph of jobs: which cells are one kind, what reads what, and how it is said in words."""

import itertools
import re
import time
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradlab.jobs import describe_jobs, group_jobs
from gradlab.results import CellResult

NOWHERE = Path("there-is-no-such-folder")


def make_cells(reads, *, seconds=1.0, undone=()):
    """Done cells by name, each with the names of the cells and the data set that it reads; those in `undone` are missing."""
    results = {}
    for name, sources in reads.items():
        cells = [f"results/{source}/metrics.json" for source in sources if "/" in source]
        parameters = {"runs": cells} if len(cells) > 1 else {"search": cells[0]} if cells else {}
        for folder in (source for source in sources if "/" not in source):
            parameters["data"] = f"results/data/{folder}"
        manifest = {"parameters": {**parameters, "output": name}, "wall_seconds": seconds}
        results[name] = CellResult(
            name, parameters, NOWHERE / name, NOWHERE / f"{name}.ipynb", None if name in undone else manifest
        )
    return results


def numbered(stem, numbers, sources):
    return {f"{stem}{number}": sources for number in numbers}


SEARCH = {
    **numbered("reg/published/coarse-", range(8), ["cifar10"]),
    "reg/published/coarse": [f"reg/published/coarse-{number}" for number in range(8)],
    **numbered("reg/published/fine-", range(10), ["reg/published/coarse", "cifar10"]),
    "reg/published/fine": [f"reg/published/fine-{number}" for number in range(10)],
    "reg/published/final": ["reg/published/fine", "cifar10"],
    "reg/corrected/row_order": [f"reg/published/coarse-{number}" for number in range(8)],
}


def labels_of(graph):
    return {kind.label for kind in graph}


def edges_of(graph):
    return {(source.label, target.label) for source, target in graph.edges}


def test_a_search_in_two_rounds_is_a_chain():
    graph = group_jobs(make_cells(SEARCH, seconds=2.5))
    cells = {"coarse-0 … 7": 8, "coarse": 1, "fine-0 … 9": 10, "fine": 1, "final": 1, "row_order": 1}
    assert {kind.label: kind.cells for kind in graph} == {"cifar10": 0, **cells, "report": 22}
    assert {kind.label: kind.seconds for kind in graph if kind.role == "cells"} == {
        label: 2.5 * number for label, number in cells.items()
    }
    assert edges_of(graph) == {
        ("cifar10", "coarse-0 … 7"),
        ("coarse-0 … 7", "coarse"),
        ("coarse", "fine-0 … 9"),
        ("cifar10", "fine-0 … 9"),
        ("fine-0 … 9", "fine"),
        ("fine", "final"),
        ("cifar10", "final"),
        ("coarse-0 … 7", "row_order"),
        *((label, "report") for label in cells),
    }
    generations = [{kind.label for kind in kinds} for kinds in nx.topological_generations(graph)]
    assert generations == [
        {"cifar10"},
        {"coarse-0 … 7"},
        {"coarse", "row_order"},
        {"fine-0 … 9"},
        {"fine"},
        {"final"},
        {"report"},
    ]


@pytest.mark.parametrize(
    "names, label",
    [
        (["1", "2", "4", "8", "16"], "1, 2, 4, 8, 16"),
        (["jump", "power", "halving", "step"], "jump, power, halving, step"),
        (["a", "b", "c", "d", "e"], "a, b, c and 2 more"),
        (["clean-0", "augmented-0", "clean-1", "augmented-1", "clean-2", "augmented-2"], "clean, augmented: 0 … 2"),
        (["clean-0", "augmented-0", "augmented-1"], "clean-0, augmented-0, 1"),
        (["overfit-20"], "overfit-20"),
    ],
)
def test_cells_that_stand_at_the_same_place_are_one_kind(names, label):
    graph = group_jobs(make_cells({f"study/published/{name}": ["mnist"] for name in names}))
    assert labels_of(graph) == {"mnist", label, "report"}


def test_studies_and_protocols_stay_apart():
    reads = {f"{study}/{protocol}/a": [] for study in ("one", "two") for protocol in ("published", "corrected")}
    kinds = [kind for kind in group_jobs(make_cells(reads)) if kind.role == "cells"]
    assert [(kind.study, kind.protocol) for kind in kinds] == [tuple(name.split("/")[:2]) for name in reads]


def test_cells_that_read_one_another_in_turn_are_one_kind():
    reads = {"s/p/a-0": ["mnist"], "s/p/b-0": ["s/p/a-0"], "s/p/a-1": ["s/p/b-0"], "s/p/c": ["s/p/a-1"]}
    graph = group_jobs(make_cells(reads))
    assert edges_of(graph) == {
        ("mnist", "a-0, 1, b-0"),
        ("a-0, 1, b-0", "c"),
        ("a-0, 1, b-0", "report"),
        ("c", "report"),
    }
    chain = {f"s/p/a-{number}": [f"s/p/a-{number - 1}"] if number else [] for number in range(5)}
    assert edges_of(group_jobs(make_cells(chain))) == {("a-0 … 4", "report")}


def test_states_are_counted_and_only_done_cells_have_time(tmp_path):
    results = make_cells(numbered("s/p/a-", range(5), []), seconds=3.0, undone=["s/p/a-1", "s/p/a-2"])
    log = tmp_path / "log.ipynb"
    log.write_text("{}")
    failed = results["s/p/a-2"]
    results["s/p/a-2"] = CellResult(failed.name, failed.parameters, failed.directory, log, None)
    stale = results["s/p/a-3"]
    results["s/p/a-3"] = CellResult(
        stale.name, {"seed": 1}, stale.directory, stale.log, stale.manifest, ("ran with seed = None, planned is 1",)
    )
    cells, report = group_jobs(results)
    assert (cells.done, cells.stale, cells.failed, cells.missing, cells.seconds) == (2, 1, 1, 1, 6.0)
    assert (report.cells, report.done, report.stale, report.failed, report.missing) == (5, 2, 1, 1, 1)
    assert describe_jobs(group_jobs(results)).endswith("Finished: 2 of 5 (1 failed, 1 missing, 1 stale).")


def test_a_cell_that_reads_what_is_not_planned_is_refused():
    with pytest.raises(ValueError, match=r"s/p/b reads results/s/p/a/metrics.json, which no planned cell writes"):
        group_jobs(make_cells({"s/p/b": ["s/p/a"]}))


def test_a_study_without_cells_is_a_report_alone():
    (report,) = group_jobs({})
    assert (report.role, report.cells) == ("report", 0)


def group_plainly(reads):
    """Kinds as sets of cells and folders, and edges between them, by closure and pairwise comparison."""

    def reach(groups, direct):
        """All pairs of groups with a way from the first to the second."""
        reached = {(a, b) for a in groups for b in groups if direct(a, b)}
        for middle, a, b in itertools.product(groups, repeat=3):
            if (a, middle) in reached and (middle, b) in reached:
                reached.add((a, b))
        return reached

    def direct(a, b):
        return any(source in a for name in b for source in reads.get(name, []))

    def merge(groups, together):
        return list({frozenset().union(*(b for b in groups if a == b or together(a, b))) for a in groups})

    nodes = [frozenset([node]) for node in {*reads, *(source for sources in reads.values() for source in sources)}]
    stem = {node: re.sub(r"\d+$", "#", next(iter(node))) for node in nodes}
    groups = merge(nodes, lambda a, b: next(iter(a)) in reads and stem[a] == stem[b])
    reached = reach(groups, direct)
    loops = merge(groups, lambda a, b: (a, b) in reached and (b, a) in reached)

    def place(group):
        name = next(iter(group))
        before = frozenset(other for other in loops if other != group and direct(other, group))
        after = frozenset(other for other in loops if other != group and direct(group, other))
        return name.split("/")[:2], before, after

    single = [group for group in loops if group in groups and next(iter(group)) in reads]
    kinds = merge(loops, lambda a, b: a in single and b in single and place(a) == place(b))
    return kinds, {(a, b) for a in kinds for b in kinds if a != b and direct(a, b)}


@st.composite
def plans(draw):
    """Cells that read earlier ones; families are interleaved, so that some read one another in turn."""
    names = [
        f"{study}/{cell}" for study in ("one/p", "one/q", "two/p") for cell in ("a-0", "a-1", "b-0", "b-1", "c", "d")
    ]
    order = draw(st.permutations(names).map(lambda names: names[: len(names) // 2 + 1]))
    known = ["mnist", "cifar"]
    reads = {}
    for name in order:
        reads[name] = draw(st.lists(st.sampled_from(known), max_size=2, unique=True))
        if {"mnist", "cifar"} <= set(reads[name]):
            reads[name].remove("cifar")  # a cell has one data set
        known.append(name)
    return reads


@settings(max_examples=60, deadline=None)
@given(plans())
def test_grouping_follows_its_definition(reads):
    kinds, edges = group_plainly(reads)
    graph = group_jobs(make_cells(reads))
    assert nx.is_directed_acyclic_graph(graph)

    def name(kind):
        """As in the graph: the first cell by families in the order of the plan, or the folder."""
        cells = [cell for cell in reads if cell in kind]
        return cells[0] if cells else f"results/data/{next(iter(kind))}"

    inner = graph.subgraph(kind for kind in graph if kind.role != "report")
    assert {(kind.name, kind.cells) for kind in inner} == {(name(kind), len(kind & reads.keys())) for kind in kinds}
    assert {(a.name, b.name) for a, b in inner.edges} == {(name(a), name(b)) for a, b in edges}
    (report,) = (kind for kind in graph if kind.role == "report")
    assert set(graph.predecessors(report)) == {kind for kind in inner if kind.role == "cells"}


def test_ten_thousand_cells_make_a_small_graph_at_once():
    reads = {
        **numbered("s/p/coarse-", range(5000), ["mnist"]),
        "s/p/coarse": [f"s/p/coarse-{number}" for number in range(5000)],
        **numbered("s/p/fine-", range(5000), ["s/p/coarse"]),
    }
    results = make_cells(reads)
    start = time.perf_counter()
    graph = group_jobs(results)
    # A tenth of a second on one core; the 10⁸ pairs of cells could not even be counted in this time.
    assert time.perf_counter() - start < 3
    assert labels_of(graph) == {"mnist", "coarse-0 … 4999", "coarse", "fine-0 … 4999", "report"}


def test_the_graph_in_words():
    reads = {**SEARCH, "batch_size/published/1": ["fashion_mnist"], "batch_size/published/2": ["fashion_mnist"]}
    assert describe_jobs(group_jobs(make_cells(reads, seconds=30))) == (
        "24 cells in 7 kinds, computed from 2 data sets (cifar10, fashion_mnist): 22 of reg, 2 of batch size. The longest "
        "chain has 7 steps: cifar10 → coarse-0 … 7 → coarse → fine-0 … 9 → fine → final → report. "
        "All are done, in 12 min of one thread."
    )
    assert describe_jobs(group_jobs(make_cells({"s/p/a": []}, undone=["s/p/a"]))) == (
        "1 cell in 1 kind: 1 of s. The longest chain has 2 steps: a → report. Finished: 0 of 1 (1 missing)."
    )
