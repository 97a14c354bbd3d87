"""Which cells start first, and the time left: by hand, and against a plain search of all chains."""

import json
import os
import platform

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradlab.engine.schedule import expect_seconds, find_longest_waits, print_time_left, read_last_runs

MACHINE = {"cpu": "some", "cores": os.cpu_count(), "system": platform.platform(), "threads": 1}


def write_manifest(results, name, **changes):
    manifest = {"parameters": {"passes": 1, "output": "x"}, "machine": MACHINE, "wall_seconds": 12.5} | changes
    file = results / name / "manifest.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(manifest))
    return file


def test_a_cell_is_known_that_ran_on_this_machine_with_these_parameters(tmp_path):
    write_manifest(tmp_path, "s/published/ran")
    write_manifest(tmp_path, "s/published/other", parameters={"passes": 2, "output": "x"})
    write_manifest(tmp_path, "s/published/elsewhere", machine=MACHINE | {"system": "a node"})
    write_manifest(tmp_path, "s/published/fewer", machine=MACHINE | {"cores": 1000})
    names = [f"s/published/{cell}" for cell in ("ran", "other", "elsewhere", "fewer", "never")]
    assert read_last_runs({name: {"passes": 1} for name in names}, tmp_path) == {"s/published/ran": 12.5}


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"parameters": 1}', '{"parameters": {"passes": 1}}', "\0"])
def test_nothing_is_known_from_a_damaged_manifest(tmp_path, damage):
    write_manifest(tmp_path, "s/published/ran").write_text(damage)
    assert read_last_runs({"s/published/ran": {"passes": 1}}, tmp_path) == {}


def test_expected_is_the_last_run_then_the_table_then_the_longest_of_its_kind(tmp_path):
    (tmp_path / "table.csv").write_text(
        "cell,seconds,memory\ns/p/ran-0,100,1\ns/p/same-0,20,1\ns/p/same-1,30,1\ns/p/last,1,1\n"
    )
    cells = {f"s/p/{cell}": {} for cell in ("ran-0", "same-0", "same-7", "unknown")}
    assert list(expect_seconds(cells, {"s/p/ran-0": 5.5}, tmp_path / "table.csv").values()) == [5.5, 20, 30, 100]


@given(st.lists(st.tuples(st.integers(1, 100), st.sets(st.integers(0, 6)), st.booleans()), min_size=1, max_size=7))
def test_longest_waits_against_a_search_of_all_chains(drawn):
    names = [f"s/published/{number}" for number in range(len(drawn))]
    cells, seconds, before = {}, {}, {}
    for number, (name, (time, earlier, search)) in enumerate(zip(names, drawn, strict=True)):
        before[name] = [names[other] for other in sorted(earlier) if other < number]
        metrics = [f"results/{other}/metrics.json" for other in before[name]]
        by_search = (
            {"search": metrics[0], "runs": metrics[1:]} if search and metrics else {"search": None, "runs": metrics}
        )
        cells[name], seconds[name] = by_search, time

    def chains(name):
        """Every chain that ends with a cell."""
        return [[name], *([*chain, name] for other in before[name] for chain in chains(other))]

    longest = dict.fromkeys(names, 0)
    for chain in [chain for name in names for chain in chains(name)]:
        longest[chain[0]] = max(longest[chain[0]], sum(seconds[name] for name in chain))
    assert find_longest_waits(cells, seconds) == longest


CELLS = {"s/p/a": {}, "s/p/b": {}, "s/p/c": {"runs": ["results/s/p/b/metrics.json"]}}
SECONDS = {"s/p/a": 600.0, "s/p/b": 300.0, "s/p/c": 600.0}


@pytest.mark.parametrize(
    ("unfinished", "cores", "said"),
    [
        ("abc", 1, " (about 25 min left)"),
        ("abc", 2, " (about 15 min left)"),  # b, then c
        ("abc", 100, " (about 15 min left)"),
        ("ac", 2, " (about 10 min left)"),
        ("", 2, ""),
    ],
)
def test_times_are_shared_among_the_cores_but_a_chain_is_not(unfinished, cores, said):
    assert print_time_left(CELLS, [f"s/p/{cell}" for cell in unfinished], SECONDS, cores) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (49, " (under a minute left)"),
        (50, " (about 1 min left)"),
        (5990, " (about 100 min left)"),
        (9e3, " (about 2.5 h left)"),
    ],
)
def test_times_in_words(seconds, said):
    assert print_time_left({"s/p/a": {}}, ["s/p/a"], {"s/p/a": seconds}, 1) == said


def test_nothing_is_said_of_a_time_that_no_run_has_shown():
    assert print_time_left(CELLS, list(CELLS), {"s/p/a": 600.0, "s/p/b": 300.0}, 1) == ""
